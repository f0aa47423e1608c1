"""Published figures as data: what papers print for the cells that a suite can run.

The CSV files beside this module hold the figures as printed. `cells` brings them to one form: one
row a figure, in fractions, under this package's names for predictors, samplers and methods, with
the protocol under which the paper says that it was measured.
"""

from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import pandas as pd

from neglink.reporting.inputs import NONE
from neglink.reporting.sheets import records

COLUMNS = [
    *("paper", "table", "printed", "dataset", "predictor", "sampler", "method", "metric"),
    *("value", "std"),
]
"""The columns that identify a figure and give it; `cells` adds split and source."""

SOURCES = {
    "MeBNS": "Not All Negatives Are Worth Attending to (MeBNS), WSDM 2024, arXiv 2312.04815",
    "PULL": "PULL, arXiv 2405.11911",
    "DMNS": "DMNS, arXiv 2403.17259",
    "NML-GCL": "NML-GCL, arXiv 2505.10307",
    "FGAT": "FGAT, arXiv 2411.07482",
    "state of the art": "public result tables of current link predictors",
}
"""Where the figures of each paper come from."""

FILES = {
    "MeBNS": "mebns.csv",
    "PULL": "pull.csv",
    "DMNS": "dmns.csv",
    "NML-GCL": "nml_gcl.csv",
    "FGAT": "fgat.csv",
    "state of the art": "state_of_the_art.csv",
}

PERCENT = {"PULL", "NML-GCL", "FGAT", "state of the art"}
"""Papers that print percentages; their figures are divided by 100."""

RELATIVE_GAIN = "relative gain"
"""Mean over `GAINED` of (system − best other) / best other."""
GAINED = ("precision", "recall", "f1", "auc")

METRICS = {
    "auroc": "auc",
    "auprc": "ap",
    "map": "mrr",
    "mean gain over the best baseline, 4 metrics, percent": RELATIVE_GAIN,
}
"""Papers' names of metrics, where ours differ. DMNS has one positive a row: its MAP is the MRR."""

UNTRAINED = {"cn", "aa", "ra"}
"""Heuristics among the published models: they have neither sampler nor method."""

NAMES = {
    ("PULL", "gcn+ce"): ("gcn-16", "uniform", "autoencoder"),
    ("PULL", "gae"): ("gcn-16", "uniform", "autoencoder"),
    ("PULL", "gat+ce"): ("gat-16", "uniform", "autoencoder"),
    ("PULL", "sage+ce"): ("sage-16", "uniform", "autoencoder"),
    ("PULL", "vgae"): ("vgae", "uniform", "autoencoder"),
    ("PULL", "vgnae"): ("vgnae", "uniform", "autoencoder"),
    ("PULL", "arga"): ("gcn-16", "uniform", "adversarial"),
    ("PULL", "argva"): ("vgae", "uniform", "adversarial"),
    ("PULL", "bagging-pu"): ("bagged-gcn", "uniform", "bagging-pu"),
    ("PULL", "pull"): ("gcn-16", "uniform", "pull"),
    ("PULL", "gae+pull"): ("gcn-16", "uniform", "pull"),
    ("PULL", "pull-ws"): ("gcn-16", "uniform", "pull-ws"),
    ("DMNS", "gvae"): ("vgae", "uniform", "autoencoder"),
    ("DMNS", "arvga"): ("vgae", "uniform", "adversarial"),
    ("DMNS", "seal"): ("seal", "uniform", "plain-mrr"),
    ("DMNS", "gat base"): ("dmns-gat", "uniform", "dmns-base"),
    ("DMNS", "sage base"): ("dmns-sage", "uniform", "dmns-base"),
    ("DMNS", "dmns"): ("dmns-gcn", "uniform", "dmns"),
    ("NML-GCL", "nml-gcl"): ("gcn-rrelu", NONE, "nml"),
    ("FGAT", "fgat"): ("fgat", "fns", "global-fgat"),
    ("state of the art", "optimised-gae"): ("gae", "uniform", "plain"),
    ("state of the art", "plain-gae-tuned"): ("gae-feature-dropout", "uniform", "plain"),
}
"""Papers' names of whole systems as (predictor, sampler, method) here.

PULL prints GCN+CE and GAE apart, whose model and loss are one here: both figures stand beside the
same runs, told apart by `printed`. Of the autoencoders of the result tables, one drops features, as
its public code says.
"""

DATASETS = {"physics": "coauthor-physics"}
"""Papers' names of datasets that have another here."""

FORMS = {
    ("PULL", "chameleon"): ("chameleon-directed",),
    ("PULL", "crocodile"): ("crocodile-directed",),
}
"""Further forms of a paper's dataset here, where it does not say which of them it measured on."""

CAVEATS = {
    ("PULL", "chameleon"): (
        "PULL counts 36,101 edges and 2,325 features, which are the directed hyperlinks of the "
        "geom-gcn files; the file that its code loads has 128 features and lists each hyperlink in "
        "both directions. Here: that file, each of its 31,371 links once."
    ),
    ("PULL", "chameleon-directed"): (
        "Only hyperlinks from the smaller to the greater node id are links, 23,370 of 31,371: what "
        "PULL's split keeps of a list that has one direction of each. The 8,001 others count as "
        "unlinked, in training and in ranking. No test link has its reverse in training."
    ),
    ("PULL", "crocodile"): (
        "PULL counts 191,506 edges: the 179,875 directed hyperlinks between two pages, and a "
        "self-loop for each of the 11,631. Here: each of the 170,773 links once, with the 13,183 "
        "binary features of the raw data in place of PULL's 500."
    ),
    ("PULL", "crocodile-directed"): (
        "As chameleon-directed: 126,699 of 170,773 links, the 44,074 others count as unlinked; "
        "13,183 binary features in place of PULL's 500."
    ),
    ("PULL", "facebook-page"): (
        "The 4,714 binary features of the raw data, in place of the 128 that PULL's code loads."
    ),
}
"""What to know of a dataset where a paper's figures stand beside ours."""

OFFICIAL = "official"
UNSTATED = "not stated"


class Size(NamedTuple):
    """Nodes and undirected links of a dataset, as a paper counts them."""

    nodes: int
    links: int


SIZES = {
    ("MeBNS", "cora"): Size(2708, 5278),
    ("MeBNS", "citeseer"): Size(3327, 4552),
    ("MeBNS", "pubmed"): Size(19717, 44324),
    ("MeBNS", "photo"): Size(7650, 119081),
    ("MeBNS", "facebook"): Size(4039, 88234),
    ("MeBNS", "ogbl-ddi"): Size(4267, 1334889),
}
"""MeBNS, Table 1; its first four rows count every link twice, which is undone here."""


KAPPA = {"gcn": 0.12, "gat": 0.43, "seal": 4.1}
"""MeBNS, section 3.4.2: what it observed of κ on PubMed, by predictor."""

KAPPA_BOUND = 4.0
"""MeBNS, section 3.4.2: κ is at most this, or about this."""


def cells(paper: str | None = None) -> pd.DataFrame:
    """Published figures, one a row, in fractions; of one paper, or of all.

    Columns: paper, table, printed (the system as the paper calls it, where it has a name for the
    whole), dataset, predictor, sampler, method, metric, value, std (NaN where none is printed),
    split ("70/10/20", "official" or "not stated") and source. A figure stands once for each form of
    its dataset (`FORMS`).

    >>> cora = cells("MeBNS").query("dataset == 'cora' and sampler == 'uniform'")
    >>> cora.query("predictor == 'gcn' and metric == 'hits@20'").value.tolist()
    [0.345, 0.5815]
    """
    names = list(FILES) if paper is None else [paper]
    return pd.concat([_paper(name) for name in names], ignore_index=True)


@cache
def _paper(paper: str) -> pd.DataFrame:
    raw = pd.read_csv(str(files("neglink.reporting") / "published" / FILES[paper]))
    scale = 100.0 if paper in PERCENT else 1.0
    rows = [
        {**_row(paper, record, scale), "dataset": dataset}
        for record in records(raw)
        for dataset in _datasets(paper, str(record["dataset"]))
    ]
    return pd.DataFrame(rows, columns=[*COLUMNS, "split", "source"])


def _row(paper: str, record: dict[str, Any], scale: float) -> dict[str, Any]:
    """One printed figure under this package's names."""
    predictor, sampler, method = _names(paper, record)
    metric = str(record["metric"])
    return {
        "paper": paper,
        "table": _table(record),
        "printed": "" if "predictor" in record else _system(record),
        "predictor": predictor,
        "sampler": sampler,
        "method": method,
        "metric": METRICS.get(metric, metric),
        "value": _rescaled(record["value"], scale),
        "std": _rescaled(record["std"], scale),
        "split": _split(paper, record),
        "source": SOURCES[paper],
    }


def _datasets(paper: str, name: str) -> tuple[str, ...]:
    """The datasets here that a paper's dataset may be."""
    return DATASETS.get(name, name), *FORMS.get((paper, name), ())


def _system(record: dict[str, Any]) -> str:
    """The system that a figure is of, as the paper calls it."""
    return str(record.get("method", record.get("model")))


def _rescaled(value: Any, scale: float) -> float:
    # 66.79 / 100 is 0.6679000000000001 in floating point: rounding keeps the figure as printed
    return round(float(value) / scale, 8)


def _names(paper: str, record: dict[str, Any]) -> tuple[str, str, str]:
    if "predictor" in record:
        return str(record["predictor"]), str(record["sampler"]), str(record["method"])
    name = _system(record)
    if (paper, name) in NAMES:
        return NAMES[paper, name]
    if name in UNTRAINED:
        return name, NONE, NONE
    predictor, _, method = name.partition("+")
    return predictor, "uniform", method or "plain"


def _table(record: dict[str, Any]) -> str:
    table = str(record.get("table", record.get("protocol")))
    ratio = record.get("missing_ratio")
    return table if ratio is None else f"{table}, missing ratio {ratio}"


def _split(paper: str, record: dict[str, Any]) -> str:
    """The split of a figure; 70/10/20 reads training / validation / test links in percent."""
    protocol = str(record.get("protocol", ""))
    if paper == "state of the art" and not protocol.startswith(("70/10/20", "ogbl-ddi")):
        return UNSTATED
    if record["dataset"] == "ogbl-ddi":
        return OFFICIAL
    if paper == "PULL":
        return "80/10/10" if record["missing_ratio"] == 0.1 else "70/10/20"
    return {"DMNS": "90/5/5", "NML-GCL": UNSTATED}.get(paper, "70/10/20")
