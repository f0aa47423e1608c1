"""Speed and memory, measured as ratios against named peers in one run."""
