"""`make benchmark`: every section, one after the other, written to results.json and RESULTS.md.

`python -m benchmarks samplers seal` runs some of them and leaves the results of the others as they
are. Data come from data/raw, NEGLINK_MIRROR or the network; a graph that cannot be had is named and
left out.
"""

import argparse
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from benchmarks import epochs, growth, kappa, neighbours, samplers, seal, systems, turns
from neglink.files import read_json, write_json, write_text
from neglink.steps.provenance import provenance

HERE = Path(__file__).parent
SECTIONS: dict[str, Any] = {
    "epochs": epochs,
    "samplers": samplers,
    "kappa": kappa,
    "seal": seal,
    "neighbours": neighbours,
    "growth": growth,
    "systems": systems,
}

HEAD = """# Speed and memory

Written by `make benchmark`; one section with `python -m benchmarks SECTION`. Ratios are between
programs that take turns in one run.
"""


def as_markdown(results: dict[str, Any]) -> str:
    """All sections as a page."""
    text = HEAD
    for name, section in SECTIONS.items():
        if name not in results:
            continue
        values = results[name]
        made = values["made_with"]
        packages = ", ".join(f"{p} {made['packages'][p]}" for p in ("torch", "torch-geometric"))
        text += f"\n{section.as_markdown(values)}"
        for what, why in values["left_out"].items():
            text += f"\nLeft out: {what}: {why}\n"
        text += (
            f"\nMeasured in {values['seconds']:.0f} s: {made['machine']}, {values['threads']} "
            f"threads; neglink {made['version']} ({made['commit']}), Python {made['python']}, "
            f"{packages}.\n"
        )
    return text


def save(results: dict[str, Any], folder: Path) -> None:
    """Write the results, the page and the figure, these two in the order of the file."""
    write_json(folder / "results.json", results)
    results = read_json(folder / "results.json")
    if "growth" in results:
        growth.draw(results["growth"], folder)
    write_text(folder / "RESULTS.md", as_markdown(results))


def main() -> None:
    """Run the sections asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; all by default"
    )
    parser.add_argument("--only", action="append", default=[], metavar="NAME",
                        help="a data set, predictor (kappa), stage (growth) or system")  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="two turns, for a trial")
    parser.add_argument("--threads", type=int, default=2, help="of torch, in every program")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of the results")
    parser.add_argument("--serve", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.serve:
        section, *rest = arguments.serve
        turns.serve(SECTIONS[section].programs, rest)
        return
    if unknown := set(arguments.sections) - set(SECTIONS):
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    stored = arguments.out / "results.json"
    results = read_json(stored) if stored.exists() else {}
    results = {name: value for name, value in results.items() if name in SECTIONS}
    for name in arguments.sections or SECTIONS:
        start = perf_counter()
        made = provenance()
        for part in SECTIONS[name].measure(arguments.quick, arguments.only):
            seconds = perf_counter() - start
            results[name] = {
                **part, "made_with": made, "threads": arguments.threads,
                "seconds": round(seconds, 1),
            }  # fmt: skip
            save(results, arguments.out)  # after each part: nothing finished is lost
            sys.stdout.write(f"{name}: {seconds:.0f} s\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
