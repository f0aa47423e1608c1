"""Published figures beside ours: was each one reached, and may the two be compared at all?"""

from collections import Counter
from collections.abc import Iterable
from statistics import fmean
from typing import Any, NamedTuple

import pandas as pd

from neglink.naming import BASE, SYSTEM
from neglink.reporting.grid import asked_for, why_not_run
from neglink.reporting.inputs import NONE, Comparison, Inputs, Protocol
from neglink.reporting.published import (
    CAVEATS,
    GAINED,
    OFFICIAL,
    RELATIVE_GAIN,
    SIZES,
    SOURCES,
    UNSTATED,
    Size,
    cells,
)
from neglink.reporting.sheets import (
    Item,
    Sheet,
    Table,
    decimals,
    metric_title,
    number,
    records,
    span,
    tidy,
)
from neglink.reporting.statistics import (
    Cell,
    Difference,
    Results,
    Summary,
    difference,
    relative_gain,
)

NOT_RUN, NOT_COMPARABLE, REACHED, BELOW = "not run", "not comparable", "reached", "below"
REPRODUCED, REVERSED, UNSETTLED = "reproduced", "reversed", "not settled"
VERDICTS = [REACHED, UNSETTLED, BELOW, NOT_COMPARABLE, NOT_RUN]
"""Sign of a published gain: ours has it, has the other one, or has an interval that holds 0."""

TIED = 0.01
"""A change of a mean by the order of ties that is told."""
LISTED = 12
"""Most cells named in a note."""

COLUMNS = [
    *("paper", "table", "printed", "quantity", "dataset", "predictor", "sampler", "method"),
    "metric",
    *(
        "against",
        "published",
        "published_std",
        "n",
        "ours",
        "low",
        "high",
        "difference",
        "verdict",
        "why",
    ),
    *("sign", "source"),
]


class Verdict(NamedTuple):
    """Whether a published figure was reached, and why it is judged so."""

    word: str
    why: str


class Figure(NamedTuple):
    """One published figure, or one published gain."""

    paper: str
    table: str
    dataset: str
    predictor: str
    sampler: str
    method: str
    metric: str
    value: float
    std: float
    split: str
    source: str
    printed: str = ""

    @property
    def cell(self) -> Cell:
        """The cell of a suite that would give this figure."""
        return self.dataset, self.predictor, self.sampler, self.method


def verdict(published: float, ours: Summary | Difference) -> Verdict:
    """Judge a published figure by our interval; the paper's own spread is not counted.

    >>> verdict(0.5, Summary(5, 0.48, 0.02, 0.45, 0.51))
    Verdict(word='not settled', why='our mean is below it, our interval holds it')
    """
    if ours.mean is None or ours.low is None or ours.high is None:
        return Verdict(NOT_COMPARABLE, "fewer than 2 seeds, so no interval")
    if published > ours.high:
        return Verdict(BELOW, "our whole interval is below it")
    if published <= ours.low:
        return Verdict(REACHED, "our whole interval is at or above it")
    if published <= ours.mean:
        return Verdict(REACHED, "our mean is at or above it")
    return Verdict(UNSETTLED, "our mean is below it, our interval holds it")


# --- may they be compared? --------------------------------------------------------------------


def obstacles(figure: Figure, results: Results) -> list[str]:
    """Why our runs of a cell cannot be compared with a published figure; empty if they can."""
    protocol = results.protocol(figure.cell)
    found = [*_split_obstacles(figure.split, protocol), *_ranking_obstacles(figure, protocol)]
    return [*found, *_size_obstacles(figure, results)]


def _split_obstacles(split: str, protocol: Protocol) -> Iterable[str]:
    if split == UNSTATED:
        yield "the published split is not stated"
    elif split == OFFICIAL:
        if protocol.split not in ("official", "ogb"):
            yield f"the published split is the official one, ours is {protocol.split}"
    elif protocol.split != "random":
        yield f"the published split is random {split}, ours is {protocol.split}"
    else:
        shares = [protocol.train, protocol.valid, protocol.test]
        ours = "/".join("?" if share is None else f"{100 * share:g}" for share in shares)
        if ours != split:
            yield f"the published split is {split}, ours is {ours}"


def _ranking_obstacles(figure: Figure, protocol: Protocol) -> Iterable[str]:
    if figure.paper == "DMNS":
        if protocol.ranked not in ("candidates", "dmns"):
            yield f"published against 9 candidates per query, ours against {protocol.ranked} ones"
    elif protocol.ranked not in ("uniform", "official", "ogb"):
        yield f"our negatives are {protocol.ranked}, the published ones uniform"
    per_link = protocol.negatives_per_link
    if figure.split != OFFICIAL and figure.metric.startswith("hits@") and per_link != 1:
        ours = "an unknown number of" if per_link is None else f"{per_link:g}"
        yield f"Hits@K falls with the negatives ranked: ours has {ours} per test link, not 1"


def _size_obstacles(figure: Figure, results: Results) -> Iterable[str]:
    size = SIZES.get((figure.paper, figure.dataset))
    counts = results.cells[figure.cell][0].counts
    if size is not None:
        for what, published in zip(Size._fields, size, strict=True):
            ours = counts.get(what)
            if ours is not None and ours != published:
                yield f"another form of the dataset: {published:,} {what} published, ours {ours:,}"


# --- which figures ----------------------------------------------------------------------------


def figures_of(results: Results, asked: Iterable[Cell] = ()) -> list[Figure]:
    """Published figures for the datasets, predictors and samplers of the suite, run or not.

    Args:
        results: what was run.
        asked: cells that the suite asks for, whether they were run or not.
    """
    cells = {*results.cells, *asked}
    seen = [{cell[place] for cell in cells} for place in range(3)]
    within = [
        figure
        for figure in known_figures()
        if all(name in names for name, names in zip(figure.cell, seen, strict=False))
    ]
    papers = papers_of(within, results)
    return [f for f in _of_our_split(within, results) if f.paper in papers]


def figures_beside(
    results: Results, asked: Iterable[Cell], beside: Iterable[Comparison]
) -> list[Figure]:
    """Published figures of other predictors, samplers or methods, as figures of our own cells.

    Args:
        results: what was run.
        asked: cells that the suite asks for, whether they were run or not.
        beside: what stands beside what, as the suite says.
    """
    known = known_figures()
    found = []
    for one in beside:
        for cell in dict.fromkeys([*results.cells, *asked]):
            other = one.other_of(cell)
            found += [
                figure._replace(
                    predictor=cell[1], sampler=cell[2], method=cell[3], printed=one.other
                )
                for figure in known
                if figure.cell == other
            ]
    return _of_our_split(found, results)


def _of_our_split(figures: list[Figure], results: Results) -> list[Figure]:
    """The figures without those that a paper prints again for the very split that we ran.

    A dataset without a run is taken to be split as most runs of the suite are.
    """
    own = {cell[0]: results.protocol(cell) for cell in results.cells}
    if not own:
        return figures
    usual = Counter(own.values()).most_common(1)[0][0]

    def fits(figure: Figure) -> bool:
        return not list(_split_obstacles(figure.split, own.get(figure.dataset, usual)))

    fitting = {(f.paper, *f.cell, f.metric) for f in figures if fits(f)}
    return [f for f in figures if (f.paper, *f.cell, f.metric) not in fitting or fits(f)]


def known_figures() -> list[Figure]:
    """Every published figure that we hold."""
    return [Figure(**{name: row[name] for name in Figure._fields}) for row in records(cells())]


def not_run(results: Results, asked: Iterable[Cell] = ()) -> tuple[int, int]:
    """How many published figures the suite is compared with, and how many of them have no run."""
    figures = figures_of(results, asked)
    return len(figures), sum(figure.cell not in results.cells for figure in figures)


def papers_of(figures: list[Figure], results: Results) -> set[str]:
    """Papers to compare with: those with a figure under our protocol, else all that share a run."""
    run = [f for f in figures if (ours := judged(f, results)[0]) is not None and ours.n]
    comparable = {figure.paper for figure in run if not obstacles(figure, results)}
    return comparable or {figure.paper for figure in run}


def judged(figure: Figure, results: Results) -> tuple[Summary | None, Verdict]:
    """Our summary of a published cell, and the verdict."""
    if figure.cell not in results.cells:
        return None, Verdict(NOT_RUN, why_not_run(figure.cell, results))
    ours = results.summary(figure.cell, figure.metric)
    if figure.metric == RELATIVE_GAIN:
        ours = relative_gain(results, figure.cell, GAINED)
    if ours.n == 0:
        return ours, Verdict(NOT_COMPARABLE, "our runs do not give this metric")
    reasons = obstacles(figure, results)
    if reasons:
        return ours, Verdict(NOT_COMPARABLE, "; ".join(reasons))
    return ours, verdict(figure.value, ours)


def gains_of(
    figures: list[Figure], asked: Iterable[Comparison] = ()
) -> list[tuple[Figure, Figure, str]]:
    """Published figures that belong together as a system and its base, and what is compared.

    As the suite names them; where it names none, mebns and plain.
    """
    compared = list(asked) or [Comparison(ours={"method": SYSTEM}, against={"method": BASE})]
    # of one table, else figures under different splits would be taken from each other
    places: dict[tuple[str, ...], Figure] = {}
    for figure in figures:  # the first of two that stand beside one cell: PULL's GCN+CE, not GAE
        places.setdefault((figure.paper, figure.table, figure.metric, *figure.cell), figure)
    found = []
    for comparison in compared:
        for figure in figures:
            other = comparison.other_of(figure.cell)
            place = (figure.paper, figure.table, figure.metric, *(other or ()))
            if place in places:
                found.append((figure, places[place], comparison.other))
    return found


def judged_gain(
    system: Figure, base: Figure, results: Results
) -> tuple[float, Difference | None, Verdict]:
    """The published gain, our gain by seed, and the verdict."""
    published = round(system.value - base.value, 8)
    missing = [figure.cell for figure in (base, system) if figure.cell not in results.cells]
    if missing:
        return published, None, Verdict(NOT_RUN, why_not_run(missing[0], results))
    ours = difference(*(results.by_seed(figure.cell, figure.metric) for figure in (system, base)))
    reasons = obstacles(system, results)
    if reasons:
        return published, ours, Verdict(NOT_COMPARABLE, "; ".join(reasons))
    return published, ours, verdict(published, ours)


def sign(published: float, ours: Difference | None, word: str) -> str:
    """Whether our gain has the sign of a published one; nothing where the two say nothing.

    >>> sign(0.1, Difference(5, 0.02, 0.01, 0.03, 0.01, 0.06), BELOW)
    'reproduced'
    """
    if ours is None or ours.low is None or ours.high is None or not published:
        return ""
    if word in (NOT_RUN, NOT_COMPARABLE):
        return ""
    if ours.low <= 0 <= ours.high:
        return UNSETTLED
    return REPRODUCED if (ours.low > 0) == (published > 0) else REVERSED


# --- the table --------------------------------------------------------------------------------


def published_frame(
    results: Results,
    asked: Iterable[Cell] = (),
    compared: Iterable[Comparison] = (),
    beside: Iterable[Comparison] = (),
) -> pd.DataFrame:
    """Published values and gains beside ours, tidy.

    `quantity` is "value", "gain", or "beside" for a value that was published for other runs than
    ours.
    """
    asked = list(asked)
    figures = figures_of(results, asked)
    rows = []
    for figure in figures:
        rows.append(_row(figure, "value", figure.value, *judged(figure, results)))
    for system, base, against in gains_of(figures, compared):
        published, ours, found = judged_gain(system, base, results)
        row = _row(system, "gain", published, ours, found, against)
        rows.append({**row, "sign": sign(published, ours, found.word)})
    for figure in figures_beside(results, asked, beside):
        rows.append(_row(figure, "beside", figure.value, *judged(figure, results)))
    return tidy(rows, columns=COLUMNS)


def _row(
    figure: Figure,
    quantity: str,
    published: float,
    ours: Summary | Difference | None,
    found: Verdict,
    against: str = "",
) -> dict[str, object]:
    mean = ours.mean if ours is not None else None
    return {
        **{name: getattr(figure, name) for name in Figure._fields if name in COLUMNS},
        "quantity": quantity,
        "against": against,
        "published": published,
        "published_std": figure.std if quantity != "gain" else None,
        "n": ours.n if ours is not None else 0,
        "ours": mean,
        "low": ours.low if ours is not None else None,
        "high": ours.high if ours is not None else None,
        "difference": None if mean is None else mean - published,
        "verdict": found.word,
        "why": found.why,
        "sign": "",
    }


def published_table(inputs: Inputs, results: Results) -> Table:
    """Each published figure of the suite's datasets, predictors and samplers beside ours."""
    suite = inputs.suite
    frame = published_frame(results, asked_for(suite), suite.compare, suite.beside)
    values, gains, others = (frame[frame["quantity"] == q] for q in ("value", "gain", "beside"))
    sheets = [_sheet("Published figures beside ours", values)]
    if len(gains):
        sheets.append(_sheet("Published gains beside ours", gains))
    if len(others):
        sheets.append(_sheet("Figures published for other runs, beside ours", others))
    return Table(
        "published", "Published figures beside ours", frame, sheets, _notes(frame, results)
    )


def _sheet(title: str, frame: pd.DataFrame) -> Sheet:
    gain = bool((frame["quantity"] == "gain").any())
    heads = [
        *("dataset", "predictor", "sampler", "method", "metric", "published"),
        *("ours", "seeds", "ours − published", "verdict", *(["sign"] if gain else [])),
        *("why", "from"),
    ]
    rows = [_items(row, gain=gain) for row in records(frame)]
    return Sheet(title, heads, rows, frozenset(range(5, 9)))


def _items(row: dict[str, Any], *, gain: bool) -> list[Item]:
    def value(name: str) -> float | None:
        return number(row[name])

    std, apart = value("published_std"), value("difference")
    printed = decimals(value("published"), sign=gain) + (f" ± {decimals(std)}" if std else "")
    method = f"{row['method']} − {row['against']}" if gain else str(row["method"])
    ours = Item(decimals(value("ours"), sign=gain), span(value("low"), value("high"), sign=gain))
    source = ", ".join(filter(None, (row["paper"], row["table"], row["printed"])))
    return [
        *(Item(str(row[name])) for name in ("dataset", "predictor", "sampler")),
        Item(method),
        Item(metric_title(str(row["metric"]))),
        Item(printed, order=value("published")),
        Item(ours.text, ours.small, value("ours")),
        Item(str(row["n"]), order=value("n")),
        Item(decimals(apart, sign=True), order=apart),
        Item(str(row["verdict"]), best=row["verdict"] == REACHED),
        *([Item(row["sign"] or NONE, best=row["sign"] == REPRODUCED)] if gain else []),
        Item(str(row["why"])),
        Item(source),
    ]


def _notes(frame: pd.DataFrame, results: Results) -> list[str]:
    if frame.empty:
        return ["No published figure that we hold concerns what this suite runs."]
    papers = list(dict.fromkeys(frame["paper"]))
    notes = [f"{paper}: {SOURCES[paper]}." for paper in papers]
    places = dict.fromkeys(zip(frame["paper"], frame["dataset"], strict=True))
    notes += [f"{paper} on {name}: {CAVEATS[paper, name]}" for paper, name in places
              if (paper, name) in CAVEATS]  # fmt: skip
    if "MeBNS" in papers:
        notes.append(
            "MeBNS states neither how many negatives are ranked per test link (taken as 1) nor a "
            "standard deviation, so its own spread is not counted."
        )
    notes += [
        "All figures as fractions. Reached: our mean is at or above the published figure. Below: "
        "our whole interval is below it. Not settled: our mean is below it, our interval holds it; "
        "more seeds may show either.",
        "Sign of a gain: reproduced where our interval of the paired difference lies on the "
        "published side of 0, reversed where it lies on the other, not settled where it holds 0.",
        "Not run: printed for a dataset, predictor and sampler of this suite, which has no run of "
        "it.",
        *table_lines(frame),
        *_tie_lines(frame, results),
        *_not_run_lines(frame),
        *_left_out(frame, results),
    ]
    return notes


def table_lines(frame: pd.DataFrame) -> list[str]:
    """For each published table and its system, one line: figures reached, gains reproduced."""
    lines = []
    for (paper, name), table in frame.groupby(["paper", "table"], sort=False):
        gains = table[table["quantity"] == "gain"]
        for method in dict.fromkeys(gains["method"]):
            values = table[(table["quantity"] == "value") & (table["method"] == method)]
            metrics = ", ".join(map(metric_title, dict.fromkeys(values["metric"])))
            signs = _signs(gains[gains["method"] == method])
            lines.append(f"{paper}, {name} ({metrics}): {_reached(values, method)}; {signs}.")
    others = frame[frame["quantity"] == "beside"]
    # a heuristic has no sampler: what is printed for each sampler stands beside it in one line
    what = others["printed"].where(others["sampler"] != NONE, "")
    who = [others[column] for column in ("paper", "table", "predictor", "method")]
    for place, rows in others.groupby([*who, what], sort=False):
        paper, name, *ours = map(str, place[:4])
        metrics = ", ".join(map(metric_title, dict.fromkeys(rows["metric"])))
        by = " · ".join(part for part in ours if part != NONE)
        printed = list(dict.fromkeys(rows["printed"]))
        of = printed[0] if len(printed) == 1 else f"{len(printed)} runs"
        lines.append(
            f"{paper}, {name} ({metrics}), by {by}: {_reached(rows, of)}{_by_dataset(rows)}."
        )
    return lines


def _by_dataset(rows: pd.DataFrame) -> str:
    """How many figures were reached on each data set, where several were run."""
    run = rows[~rows["verdict"].isin([NOT_COMPARABLE, NOT_RUN])]
    parts = [
        f"{dataset} {(found['verdict'] == REACHED).sum()} of {len(found)}"
        for dataset, found in run.groupby("dataset", sort=False)
    ]
    return f"; reached: {', '.join(parts)}" if len(parts) > 1 else ""


def _reached(values: pd.DataFrame, method: str) -> str:
    counts = Counter(values["verdict"])
    words = ", ".join(f"{counts[word]} {word}" for word in (REACHED, UNSETTLED, BELOW))
    figures = "figure" if len(values) == 1 else "figures"
    return f"of {len(values)} {figures} of {method}, {words}{_others(counts)}"


def _signs(gains: pd.DataFrame) -> str:
    counts, words = Counter(gains["sign"]), Counter(gains["verdict"])
    names = f"{gains['method'].iloc[0]} − {' or '.join(dict.fromkeys(gains['against']))}"
    return (
        f"of {len(gains)} published gains {names}, {counts[REPRODUCED]} reproduced in "
        f"sign with an interval that excludes 0, {counts[REVERSED]} reversed, "
        f"{counts[UNSETTLED]} not settled{_others(words)}"
    )


def _others(counts: Counter[str]) -> str:
    """What could not be judged, where there is any."""
    return "".join(f", {counts[word]} {word}" for word in (NOT_COMPARABLE, NOT_RUN) if counts[word])


def _tie_lines(frame: pd.DataFrame, results: Results) -> list[str]:
    """Figures that would be others if equal scores were counted for the link."""
    found = {}
    for row in records(frame[frame["quantity"] != "gain"]):
        cell = (row["dataset"], row["predictor"], row["sampler"], row["method"])
        runs = results.cells.get(cell, [])
        ends = [pair for one in runs if (pair := one.tie_ends(row["metric"])) is not None]
        if ends:
            low, high = map(fmean, zip(*ends, strict=True))
            if high - low >= TIED:
                name = " · ".join(part for part in cell if part != NONE)
                found[f"{metric_title(row['metric'])} of {name}"] = (low, high)
    if not found:
        return []
    most = sorted(found.items(), key=lambda item: item[1][0] - item[1][1])
    moved = [f"{name} {decimals(low)} to {decimals(high)}" for name, (low, high) in most[:LISTED]]
    more = f"; {len(most) - LISTED} more" if len(most) > LISTED else ""
    return [
        "Equal scores are counted against the link. Counted for it they would lift "
        f"{'; '.join(moved)}{more}. Papers seldom say how they count."
    ]


def _not_run_lines(frame: pd.DataFrame) -> list[str]:
    """How many of the listed figures have no run, and why."""
    values = frame[frame["quantity"] == "value"]
    absent = values[values["verdict"] == NOT_RUN]
    if absent.empty:
        return [f"Not run: none of the {len(values)} figures listed."]
    reasons = [f"{count} because {why}" for why, count in Counter(absent["why"]).most_common(8)]
    more = len(set(absent["why"])) - len(reasons)
    text = f"Not run: {len(absent)} of the {len(values)} figures listed: {'; '.join(reasons)}"
    return [text + (f"; {more} more reasons in the table." if more > 0 else ".")]


def _left_out(frame: pd.DataFrame, results: Results) -> list[str]:
    """How many figures of the papers compared with are not listed, and what they are of."""
    papers, datasets = set(frame["paper"]), set(results.datasets())
    whole = [figure for figure in known_figures() if figure.paper in papers]
    shown = frame[frame["quantity"] != "gain"]
    listed = {*shown["dataset"], *datasets}
    elsewhere = [figure for figure in whole if figure.dataset not in listed]
    here = len(whole) - len(elsewhere) - len(shown)
    lines = []
    if here:
        lines.append(
            f"Not listed: {here} more figures of these papers on the same datasets, for "
            "predictors or samplers that are not in this suite, or under a split that is not ours."
        )
    if elsewhere:
        names = ", ".join(dict.fromkeys(figure.dataset for figure in elsewhere))
        lines.append(f"Not listed: {len(elsewhere)} figures on datasets not in it: {names}.")
    return lines
