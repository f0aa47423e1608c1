"""What each pipeline step does between reading its inputs and writing its outputs."""
