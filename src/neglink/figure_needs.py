"""What figures need of the grids of their suite, told before anything is trained.

What runs alone can tell, such as a metric without a value, is told by the report, which then leaves
the figure out.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from neglink.naming import BASE, BASE_SAMPLER, SYSTEM, base_of, removed

Cell = tuple[str, str, str, str]
"""(dataset, predictor, sampler, method) of a trained run."""

FEWEST = 3
"""Graphs of different size through which a line is drawn."""


@dataclass(frozen=True)
class Asked:
    """What a suite will run."""

    cells: frozenset[Cell]
    """Trained runs, without swept ones."""
    has_sweep: bool
    methods: Callable[[], list[Any]]
    """The methods of all cells, as set for their data set and predictor."""
    followed: Callable[[], list[Any]] | None
    """The methods that are followed over their epochs; None where none is."""
    wholes: Mapping[str, str]
    """By name, the data set of which each share is a part."""


def lacks(asked: Asked, figures: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Each figure that cannot be made of such runs, with what it needs."""
    for name in dict.fromkeys(figures):
        if name in NEEDS and not NEEDS[name][0](asked):
            yield name, NEEDS[name][1]


def _two_methods(asked: Asked) -> bool:
    return len({cell[3] for cell in asked.cells if not removed(cell[3])}) > 1


def _cost(asked: Asked) -> bool:
    there: dict[tuple[str, ...], set[str]] = {}
    for *place, method in asked.cells:
        there.setdefault(tuple(place), set()).add(method)
    return any(SYSTEM in methods and base_of(methods) in methods for methods in there.values())


def _ranking(asked: Asked) -> bool:
    return len({cell[:2] for cell in asked.cells}) < len(asked.cells)


def _scaling(asked: Asked) -> bool:
    sizes: dict[tuple[str, ...], set[str]] = {}
    for dataset, *rest in asked.cells:
        whole = asked.wholes.get(dataset, dataset)
        sizes.setdefault((whole, *rest), set()).add(dataset)
    return any(len(names) >= FEWEST for names in sizes.values())


def _may_have(methods: list[Any], setting: str) -> bool:
    """Whether some method has a setting that is not off; those of other packages may do alike."""
    return any(
        getattr(method, setting, None) or not type(method).__module__.startswith("neglink.")
        for method in methods
    )


NEEDS: dict[str, tuple[Callable[[Asked], bool], str]] = {
    "ablation": (_two_methods, "two methods (plain-drop-<percent> does not count)"),
    "sensitivity": (lambda asked: asked.has_sweep, "a grid with a `sweep`"),
    "cost": (_cost, f"the methods {SYSTEM} and {BASE} with the same sampler"),
    "ranking": (_ranking, "two samplers or two methods on one data set and predictor"),
    "scaling": (_scaling, f"{FEWEST} sizes of a data set: shares of it (`data.shares`)"),
    "iterations": (
        lambda asked: _may_have(asked.methods(), "iterations"),
        "a method with iterations (pull)",
    ),
    "learning_curves": (lambda asked: asked.followed is not None, "runs to follow (`migration`)"),
    "migration": (lambda asked: asked.followed is not None, "runs to follow (`migration`)"),
    "meta_weights": (
        lambda asked: asked.followed is not None and _may_have(asked.followed(), "meta_learner"),
        "runs to follow (`migration`) of a method with a meta learner (mebns)",
    ),
    "easy_negatives": (
        lambda asked: any(removed(cell[3]) for cell in asked.cells),
        "methods named plain-drop-<percent>",
    ),
    "false_negatives": (
        lambda asked: any(cell[2] == BASE_SAMPLER for cell in asked.cells),
        f"the sampler {BASE_SAMPLER}",
    ),
}
"""By figure, whether a suite can have it, and what it needs; comparison takes any run."""
