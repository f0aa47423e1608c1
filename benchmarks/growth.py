"""Time and memory from ten thousand to ten million links."""

from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks import ours
from benchmarks.data import random_pairs
from benchmarks.turns import Child, Work
from neglink.files import atomic
from neglink.graph import Graph, clean_links
from neglink.memory import keep_freed_memory
from neglink.methods.loop import training_links
from neglink.methods.mebns import MeBNS
from neglink.reporting.figures.style import log_axes, looks, new, rendered, styled
from neglink.samplers import SAMPLERS
from neglink.samplers.base import Context

SIZES = (10**4, 10**5, 10**6, 10**7)
"""Links, before the few that random matching makes twice are dropped."""
WIDTH = 64
HOPS = 2
REPEATS, ENOUGH = 5, 8.0
"""A point is the median of so many runs, or of those begun within so many seconds."""
DRAW_SECONDS = 20.0
"""A k-hop draw that would take longer is made for a part of the links."""
PROBE = 5_000
"""Links drawn for to find that out."""


def programs(stage: str, rows: str) -> dict[str, Work]:
    """What a child serves: one stage at one size, its links and how many of them it handles."""
    keep_freed_memory()
    works = STAGES[stage](int(rows))
    return {"warm": works["work"], "handled": works["links"], **works}


def graph_of(rows: int) -> Graph:
    """The random graph, with dense random features."""
    pairs, n = random_pairs(rows)
    links, _ = clean_links(pairs, n)
    features = torch.rand(n, WIDTH, generator=torch.Generator().manual_seed(0))
    return Graph(n, torch.from_numpy(links), features)


def building(rows: int) -> dict[str, Work]:
    """From node pairs to clean links, arcs and the normalised adjacency."""
    pairs, n = random_pairs(rows)

    @cache  # asked for twice, as the number of links and as how many were handled
    def links(_: int) -> int:
        return int(clean_links(pairs, n)[0].shape[1])

    def build(_: int) -> bool:
        graph = Graph(n, torch.from_numpy(clean_links(pairs, n)[0]))
        return bool(graph.arcs.numel() and graph.adjacency.shape)

    return {"work": build, "links": links}


def near_draw(rows: int, name: str = "k-hop", **settings: Any) -> dict[str, Work]:
    """One near negative for each link, or for as many as `DRAW_SECONDS` allow."""
    graph = graph_of(rows)
    generator = torch.Generator().manual_seed(0)
    positives, _ = training_links(graph, generator)
    sampler = SAMPLERS.make(name, hops=HOPS, **settings)
    context = Context(graph)

    def part_of(count: int) -> Tensor:
        # all links of every so-manieth centre: the links of a centre share its set
        return positives[:, positives[0] % max(1, graph.m // count) == 0]

    def draw_for(part: Tensor) -> int:
        return int(sampler.sample(context, part, generator).shape[1])

    draw_for(part_of(1))  # builds the table, where there is one
    start = perf_counter()
    draw_for(part_of(min(PROBE, graph.m)))
    each = (perf_counter() - start) / min(PROBE, graph.m)
    part = part_of(max(1, min(graph.m, int(DRAW_SECONDS / each))))
    return {
        "warm": lambda _: None,
        "work": lambda _: draw_for(part),
        "handled": lambda _: part.shape[1],
        "links": lambda _: graph.m,
    }


def plain(rows: int) -> dict[str, Work]:
    """An epoch of plain training."""
    graph = graph_of(rows)
    return {"work": ours.plain_epoch(graph, WIDTH), "links": lambda _: graph.m}


def student(rows: int, delta: float = 0.05, **settings: Any) -> dict[str, Work]:
    """An epoch of the student of MeBNS, warmed up without k-hop sampling, which may take long."""
    graph = graph_of(rows)
    run = ours.run_on(graph, WIDTH)
    methods = (MeBNS(delta=d, hops=HOPS, **settings) for d in (0.0, delta))
    updates = (ours.student_update(method, run) for method in methods)
    return {**dict(zip(("warm", "work"), updates, strict=True)), "links": lambda _: graph.m}


STAGES: dict[str, Callable[[int], dict[str, Work]]] = {
    "graph": building,
    "k-hop sampling": near_draw,
    "walk sampling": partial(near_draw, name="sans", form="walk"),
    "plain epoch": plain,
    "student epoch": student,
    "student epoch, walks": partial(student, structure="walk"),
    "student epoch, δ = 0": partial(student, delta=0.0),
}


def measure(quick: bool, stages: list[str]) -> Iterator[dict[str, Any]]:
    """The results so far, after each point."""
    results: dict[str, Any] = {"stages": {}, "left_out": {}}
    for stage in stages or STAGES:
        points = results["stages"][stage] = []
        for rows in SIZES[:3] if quick else SIZES:
            with Child("growth", stage, str(rows)) as child:
                points.append(_point(child))
            yield results


def _point(child: Child) -> dict[str, Any]:
    """Median seconds for all links, peak memory, and how many links were really handled."""
    child.run("warm")
    times: list[float] = []
    while len(times) < REPEATS and sum(times) < ENOUGH:
        times.append(child.run("work", len(times) + 1)[0])
    peak = child.peak
    links, handled = (int(child.run(name)[1]) for name in ("links", "handled"))
    return {
        "links": links,
        "handled": handled,
        "seconds": median(times) * links / handled,
        "runs": len(times),
        "peak_mb": peak,
        "added_mb": peak - child.base,
    }


def slope(points: list[dict[str, Any]], key: str = "seconds") -> float:
    """Exponent of links in the least-squares line on doubly logarithmic axes."""
    found = float(_line(points, key)[0])
    return round(found, 9) + 0.0  # a flat line's rounding error has either sign: no -0.00


def _line(points: list[dict[str, Any]], key: str) -> Any:
    x, y = (np.log([point[name] for point in points]) for name in ("links", key))
    return np.polyfit(x, y, 1)


def draw(results: dict[str, Any], folder: Path) -> None:
    """growth.svg and growth.png."""
    stages = {name: points for name, points in results["stages"].items() if len(points) > 1}
    if not stages:
        return
    with styled():
        figure = new(9.6, 4.6, "Seconds and added memory by number of links")
        panels = figure.subplots(1, 2)
        titles = (("seconds", "seconds"), ("added_mb", "memory added, MB"))
        for axes, (key, label) in zip(panels, titles, strict=True):
            log_axes(axes)
            for name, (colour, marker) in looks(stages).items():
                points = stages[name]
                x = np.array([point["links"] for point in points])
                exponent, shift = _line(points, key)
                axes.plot(x, [p[key] for p in points], marker, color=colour, ms=5)
                text = f"{name}: slope {exponent:.2f}"
                axes.plot(x, np.exp(shift) * x**exponent, color=colour, lw=1.2, label=text)
            axes.set_xlabel("links")
            axes.set_ylabel(label)
            axes.legend(loc="upper center", bbox_to_anchor=(0.45, -0.16), ncols=2)
        drawing = rendered("growth", "growth", figure)
    for suffix, content in (("svg", drawing.svg), ("png", drawing.png)):
        with atomic(folder / f"growth.{suffix}") as temporary:
            temporary.write_bytes(content)


HEAD = f"""## Growth

Random graphs with mean degree 20 (standard deviation 14), n = links / 10, dense random features of
width {WIDTH}; GCN ({WIDTH}, 64), uniform negatives, all links in one batch. Every point has its
own process and is the median of up to {REPEATS} runs begun within {ENOUGH:g} s, after one to warm
up.

- graph: node pairs to clean links, sorted arcs, normalised adjacency.
- k-hop sampling: one negative within {HOPS} hops for each link. Where a draw for all links would
  take more than {DRAW_SECONDS:g} s it is made for all links of evenly spread centres and scaled up:
  "drawn" says for how many.
- walk sampling: one negative for each link at the end of a walk of {HOPS} steps (`sans`, form
  `walk`).
- plain epoch, student epoch: as above, the student with its STD-Generator (δ = 0.05, {HOPS} hops),
  which draws a twentieth of its negatives by k-hop sampling, or by walks (`structure: walk`), and
  without (δ = 0).

"Added" is peak memory less that of the process before it made the graph. The slope is that of the
straight line through all points on doubly logarithmic axes: 1 is linear. "Last" is the exponent
between the last two points.

![Seconds and memory by number of links](growth.svg)

| stage | links | drawn | seconds | µs / link | peak, MB | added, bytes / link |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |
"""


def as_markdown(results: dict[str, Any]) -> str:
    """This section of the page."""
    text = HEAD
    for name, points in results["stages"].items():
        for point in points:
            drawn = "all" if point["handled"] == point["links"] else f"{point['handled']:,}"
            text += (
                f"| {name} | {point['links']:,} | {drawn} | {point['seconds']:.3g} "
                f"| {1e6 * point['seconds'] / point['links']:.2f} | {point['peak_mb']:,.0f} "
                f"| {2**20 * point['added_mb'] / point['links']:,.0f} |\n"
            )
    text += "\n| stage | slope of seconds | last | slope of added memory |\n"
    text += "| --- | ---: | ---: | ---: |\n"
    for name, points in results["stages"].items():
        if len(points) > 1:
            text += (
                f"| {name} | **{slope(points):.2f}** | {slope(points[-2:]):.2f} "
                f"| {slope(points, 'added_mb'):.2f} |\n"
            )
    return text
