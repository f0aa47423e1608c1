"""A graph to a split with its ranked negatives."""

from pathlib import Path
from typing import Any

from neglink.graph import load_graph
from neglink.splits import PROTOCOLS, SPLITS, LinkSplit, check, make_split
from neglink.steps.common import write_made_from

Json = dict[str, Any]


def run_split(graph: Path, output: Path, side: Path, settings: Json, made_from: Json) -> None:
    """Split, draw the ranked negatives, look for leaks, and store the whole as one npz file."""
    split_settings, protocol_settings = dict(settings["split"]), dict(settings["protocol"])
    split = SPLITS.make(split_settings.pop("kind"), where="split", **split_settings)
    protocol = PROTOCOLS.make(
        protocol_settings.pop("kind"), where="evaluation", **protocol_settings
    )
    whole = load_graph(graph)
    made = make_split(whole, split, protocol, settings["seed"])
    made.save(output)
    # checked once more as it lies on disk: what the trainings will read is what was looked at
    checked = check(LinkSplit.load(output), whole)
    write_made_from(side, made_from, settings, leak_check=checked)
