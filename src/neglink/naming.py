"""What reports and the check of params.yaml read out of the names of samplers and methods."""

import re
from collections.abc import Iterable

BASE, SYSTEM = "plain", "mebns"
"""The method that others are compared with, and the one whose gain over it MeBNS prints."""
BASES = (BASE, "autoencoder")
"""What stands for plain training, in order: suites of PULL have its early-ended form alone."""
BASE_SAMPLER = "uniform"
"""The negatives of a baseline."""


def removed(method: str) -> float | None:
    """Percentage of negatives that a method removes; None where it is another kind of method.

    >>> removed("plain-drop-65"), removed("plain"), removed("mebns")
    (65.0, 0.0, None)
    """
    found = re.fullmatch(r"plain-drop-(\d+(?:\.\d+)?)", method)
    if found:
        return float(found[1])
    return 0.0 if method == "plain" else None


def base_of(methods: Iterable[str]) -> str:
    """Which of some methods stands for plain training.

    >>> base_of(["autoencoder", "pull"]), base_of(["autoencoder", "plain"]), base_of(["dmns"])
    ('autoencoder', 'plain', 'plain')
    """
    there = set(methods)
    return next((name for name in BASES if name in there), BASE)
