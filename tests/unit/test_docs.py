"""The documentation as a whole: its links, its index, its generated pages."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from neglink import __version__, cli, datasets
from neglink.commands.reference import described, pages, settings
from neglink.evaluation.nodes import NodeTasks
from neglink.methods import METHODS
from neglink.params import DataParams, MigrationParams, Params, SuiteParams
from neglink.predictors import PREDICTORS
from neglink.reporting.figures import FIGURES
from neglink.reporting.tables import TABLES
from neglink.samplers import SAMPLERS
from neglink.splits import PROTOCOLS, SPLITS

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
KINDS: dict[str, Any] = {"samplers": SAMPLERS, "predictors": PREDICTORS, "methods": METHODS,
                         "splits": SPLITS, "protocols": PROTOCOLS}  # fmt: skip


def anchors(page: Path) -> set[str]:
    """What a heading can be linked by, as GitHub makes it."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in kept}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_what_a_page_points_at_is_there(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if link.startswith("http"):
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_index_leads_to_every_page() -> None:
    index = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    missing = [str(page.relative_to(ROOT / "docs")) for page in PAGES
               if f"({page.relative_to(ROOT / 'docs')})" not in index
               and page.name != "index.md"]  # fmt: skip
    assert missing == []
    assert "docs/index.md" in (ROOT / "README.md").read_text(encoding="utf-8")


def differences(suite: str, metric: str) -> pd.DataFrame:
    """The paired differences of a suite, by run and what it is against."""
    paired = pd.read_csv(ROOT / "results/tables" / suite / "paired.csv")
    index = ["predictor", "sampler", "dataset", "against"]
    return paired[paired.metric == metric].set_index(index)


def printed(found: pd.Series, places: int = 3) -> list[str]:
    """A difference and its interval as pages print them."""
    values = found[["difference", "low", "high"]].astype(float).map(f"{{:+.{places}f}}".format)
    return [re.sub(r"^(.)0\.", r"\1.", value).replace("-", "−") for value in values]


def signed(cell: str) -> list[str]:
    """The signed numbers of a cell."""
    return re.findall(r"[+−]\d*\.\d+", cell)


def test_the_differences_that_the_readings_give_for_table_3_are_those_of_its_table() -> None:
    text = (ROOT / "docs/mebns-readings.md").read_text(encoding="utf-8")
    hits = differences("mebns-table3", "hits@20")
    rows = re.findall(r"^\| (GAT|SEAL|GraIL), (\w+) \| (.*) \|$", text, flags=re.MULTILINE)
    assert len(rows) == 6
    for predictor, sampler, cells in rows:
        for dataset, cell in zip(("cora", "citeseer", "pubmed"), cells.split(" | "), strict=True):
            found = hits.loc[(predictor.lower(), sampler.lower(), dataset, "plain")]
            assert printed(found) == signed(cell), cell


def test_the_differences_that_pull_has_with_a_fifth_missing_are_those_of_its_table() -> None:
    text = (ROOT / "docs/pull.md").read_text(encoding="utf-8").partition("**With a fifth")[2]
    points = differences("pull-table2-20", "auc")
    columns = ["difference", "low", "high"]
    points[columns] *= 100
    baselines = {
        "GAT": "gat-16 · autoencoder", "GraphSAGE": "sage-16 · autoencoder",
        "VGAE": "vgae · autoencoder", "ARGA": "gcn-16 · adversarial",
        "ARGVA": "vgae · adversarial", "Bagging-PU": "bagged-gcn · bagging-pu",
        "VGNAE": "vgnae · autoencoder",
    }  # fmt: skip
    for name, against in baselines.items():
        (cells,) = re.findall(rf"^\| {name} \| (.*) \|$", text.partition("**On other")[0], re.M)
        graphs = ("pubmed", "chameleon", "chameleon-directed")
        for dataset, cell in zip(graphs, cells.split(" | "), strict=True):
            key = ("gcn-16", "uniform", dataset, against)
            expected = printed(points.loc[key], 2) if key in points.index else []
            assert expected == signed(cell), (name, dataset)


@pytest.mark.parametrize("kind", [*KINDS, "params"])
def test_the_committed_reference_is_what_the_classes_declare(kind: str) -> None:
    committed = (ROOT / f"docs/reference/{kind}.md").read_text(encoding="utf-8")
    assert committed == pages()[f"{kind}.md"], "stale; `make docs` writes it anew"


def test_the_command_writes_the_pages(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli.app, ["reference", str(tmp_path)])
    assert result.exit_code == 0, result.output
    written = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert written == pages()


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, names in KINDS.items() for name in names.names()]
)
def test_every_component_says_what_it_is_and_what_its_settings_mean(kind: str, name: str) -> None:
    own = KINDS[kind].get(name)
    assert described(own)[0].endswith((".", ":"))
    for setting, held, default, _, meaning in settings(own):
        assert held, setting
        assert default, setting
        assert meaning, f"{name}: {setting} has no docstring below it"


@pytest.mark.parametrize("kind", [Params, DataParams, SuiteParams, MigrationParams, NodeTasks])
def test_every_key_of_params_yaml_says_what_it_means(kind: type[Any]) -> None:
    rows = list(settings(kind))
    assert rows
    for setting, held, default, _, meaning in rows:
        assert held, setting
        assert default, setting
        assert meaning, setting


def test_the_page_of_params_yaml_has_suites_tables_figures_and_data_sets() -> None:
    shown = pages()["params.md"]
    for row in (
        "| `seeds` | integer | `3` | ≥ 1, ≤ 10000 | Number of seeds",
        '| `tables` | list of choice | `["results", "paired"]` | `results`, `published`,',
        "| `of` | text | (required) |",
        "| `sensitivity` | One figure a swept setting",
        "| `ogbl-ddi` | Drug-drug interactions, official split | 4,267 | 1,334,889 | 0 |  | yes |",
        *(f"| `{name}` |" for name in (*FIGURES, *TABLES, *datasets.names())),
    ):
        assert row in shown, row


def test_a_setting_is_shown_with_its_type_default_bounds_and_meaning() -> None:
    shown = pages()["samplers.md"]
    assert "## pns" in shown
    row = "| `power` | number | `0.75` | ≥ 0, ≤ 10 | Exponent on the degree"
    assert row in shown
    assert '| `form` | choice | `"uniform"` | `uniform`, `walk` |' in shown


def test_the_citation_is_of_this_version_and_names_no_one() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["cff-version"] == "1.2.0"
    assert cited["version"] == __version__
    assert cited["authors"] == [{"name": "The neglink contributors"}]
