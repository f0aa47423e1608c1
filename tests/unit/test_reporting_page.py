"""The page: complete, self-contained, escaped, and sound in a real browser."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from neglink.reporting import make_report
from tests.unit.reporting_data import analysis, grid, metrics, suite

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


def page(folder: Path, runs: list[dict[str, Any]], *args: Any, **given: Any) -> Path:
    out = folder / "out"
    path = suite(folder, runs, *args, **given)
    make_report(path, out / "tables", out / "figures", out / "page.html")
    return out / "page.html"


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    analyses = [analysis(method) for method in ("plain", "mebns")]
    return page(folder, grid(), analyses, figures=["comparison", "migration"])


class Loads(HTMLParser):
    """Collects what a page would load and the tags that it has."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        names = {"src", "srcset", "poster", "data", "action"} | (
            {"href"} if tag == "link" else set()
        )
        self.loads += [value or "" for name, value in attrs if name in names]


def test_the_page_loads_nothing(full: Path) -> None:
    text = full.read_text()
    parser = Loads()
    parser.feed(text)
    assert parser.loads
    assert all(address.startswith("data:image/svg+xml;base64,") for address in parser.loads)
    assert not re.search(r"@import|url\(\s*[\"']?https?:", text)
    assert "default-src 'none'" in text


def test_the_page_says_what_was_found_and_what_made_it(full: Path) -> None:
    text = full.read_text()
    assert "cora: the best Hits@20 is 0.5" in text
    assert "the best heuristic is" in text
    assert "the ceiling is 0.5200" in text
    assert re.search(r"mebns against plain on Hits@20: \+0\.0\d+ \[.*5 seeds as blocks", text)
    assert re.search(r"blocks \(settled: a gain\); better in \d, worse in \d", text)
    assert re.search(r"Of 36 published figures: \d+ reached", text)
    assert "Test negatives that migrate" in text
    assert "0" * 40 in text
    assert "3fa0123456ab" in text
    assert "torch 2.6" in text
    assert "random 70/10/20 split, uniform negatives, 1 per test link" in text
    assert "Ties between scores move a figure by at most 0.0100" in text


def test_figures_stand_below_their_tables_and_the_head_says_what_it_took(full: Path) -> None:
    text = full.read_text()
    assert text.index('id="table-results"') < text.index('id="figure-comparison"')
    assert text.index('id="figure-comparison"') < text.index('id="table-published"')
    assert text.index('id="figures"') < text.index('id="figure-migration-shares"')
    assert "<dt>seeds</dt><dd>0–4 (5 seeds a cell)</dd>" in text
    assert re.search(r"<dt>training time</dt><dd>[\d.]+ (min|h) in all</dd>", text)


def test_hostile_names_are_escaped_everywhere(tmp_path: Path) -> None:
    runs = [metrics(HOSTILE, HOSTILE, HOSTILE, m, s) for m in ("plain", HOSTILE) for s in (0, 1)]
    path = page(
        tmp_path,
        runs,
        title=HOSTILE,
        description=HOSTILE,
        settings={HOSTILE: HOSTILE},
        figures=["comparison"],
        provenance={"version": HOSTILE, "packages": {HOSTILE: HOSTILE}},
    )
    parser = Loads()
    parser.feed(path.read_text())
    assert parser.tags.count("script") == 1
    assert parser.tags.count("img") == 1
    assert "<script>" not in (tmp_path / "out" / "tables" / "results.md").read_text()


def test_a_page_without_figures_or_provenance_is_made(tmp_path: Path) -> None:
    text = page(tmp_path, [metrics()], provenance={}, title="", tables=["results"]).read_text()
    assert "<h1>invented</h1>" in text
    assert "Figures" not in text
    assert (tmp_path / "out" / "figures").is_dir()  # DVC asks for the folder


def test_the_page_says_which_figures_are_left_out_and_why(tmp_path: Path) -> None:
    text = page(tmp_path, [metrics()], tables=["results"], figures=["ablation"]).read_text()
    assert "<li>Left out. Figure ablation needs runs of two methods with hits@20.</li>" in text
    assert "0.5000" in text


# --- in a browser -----------------------------------------------------------------------------

CHECK = """
<script>
addEventListener("load", () => {
  const found = {
    errors: window.faults, overflow: document.documentElement.scrollWidth - innerWidth,
    tables: document.querySelectorAll("table tbody tr").length,
    pictures: [...document.images].map((image) => image.naturalWidth),
  };
  const table = document.querySelector("table"), button = table.querySelectorAll("th button")[5];
  const order = () => [...table.tBodies[0].rows].map((row) => Number(row.cells[5].dataset.order));
  const field = document.querySelector(".filter input");
  field.value = "mebns citeseer"; field.dispatchEvent(new Event("input"));
  found.filtered = [...table.tBodies[0].rows].filter((row) => !row.hidden).map(
    (row) => `${row.cells[0].textContent} ${row.cells[3].textContent}`);
  field.value = ""; field.dispatchEvent(new Event("input"));
  found.left = [...table.tBodies[0].rows].filter((row) => row.hidden).length;
  button.click(); found.up = order(); button.click(); found.down = order();
  document.title = JSON.stringify(found);
});
</script>
"""
FAULTS = """
<script>
window.faults = [];
addEventListener("error", (event) => faults.push(event.message), true);
addEventListener("securitypolicyviolation", (event) => faults.push(event.violatedDirective));
console.error = console.warn = (...words) => faults.push(words.join(" "));
</script>
"""


def browse(path: Path, folder: Path, width: int) -> dict[str, Any]:
    """What a browser finds in the page, as the scripts put beside the page's own report it."""
    name = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if name is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is installed")
    framed = folder / "framed.html"
    text = path.read_text().replace("<title>", FAULTS + "<title>", 1)
    framed.write_text(text.replace("</body>", CHECK + "</body>"))
    # headless Chromium has no window below 500 pixels: narrower pages are looked at in a frame
    outer = folder / "outer.html"
    outer.write_text(
        f'<iframe id="f" src="framed.html" style="width:{width}px;height:900px;border:0"></iframe>'
    )
    command = [
        *(name, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        *("--allow-file-access-from-files", f"--user-data-dir={folder / 'profile'}"),
        *("--virtual-time-budget=5000", "--window-size=1400,1000", "--dump-dom"),
    ]
    outer.write_text(
        outer.read_text()
        + "<script>f.onload = () => setTimeout(() => "
        + "{ document.title = f.contentDocument.title }, 100)</script>"
    )
    done = subprocess.run(
        [*command, outer.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    title = re.search(r"<title>(.*?)</title>", done.stdout)
    assert title, done.stdout[-500:]
    found: dict[str, Any] = json.loads(title[1].replace("&amp;", "&").replace("&quot;", '"'))
    return found


@pytest.mark.parametrize("width", [400, 1280])
def test_a_browser_shows_the_page_without_fault_or_overflow(
    full: Path, tmp_path: Path, width: int
) -> None:
    found = browse(full, tmp_path, width)
    assert found["errors"] == []
    assert found["overflow"] <= 0
    assert found["tables"] > 100
    assert len(found["pictures"]) == 3
    assert all(size > 300 for size in found["pictures"])
    assert found["filtered"]
    assert all(re.fullmatch("citeseer mebns.*", row) for row in found["filtered"])
    assert found["left"] == 0
    assert found["up"] == sorted(found["up"])
    assert found["down"] == found["up"][::-1]
