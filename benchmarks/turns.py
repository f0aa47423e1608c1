"""Programs in processes of their own that take turns, and what is read off them.

A turn of one program is followed by a turn of the next (A B A B …), so that a machine whose speed
drifts slows all of them; the figure is the median of the ratios within turns.
"""

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from types import TracebackType
from typing import Any

import torch

Work = Callable[[int], Any]
"""What a turn times, given its number; may return a number, such as how many pairs it handled."""


def serve(make: Callable[..., dict[str, Work]], arguments: list[str]) -> None:
    """The child: make the programs, then run what each line of the input asks for.

    A line is [program, first number, how many]; the answer has the seconds they took, the value of
    the last one, and the peak memory of the process so far.
    """
    base = memory("VmRSS")
    works = make(*arguments)
    _answer({"ready": True, "base_mb": base})
    for line in sys.stdin:
        program, first, count = json.loads(line)
        value, start = None, perf_counter()
        for number in range(first, first + count):
            value = works[program](number)
        seconds = perf_counter() - start
        _answer({"seconds": seconds, "value": value, "peak_mb": memory("VmHWM")})


def _answer(values: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def memory(what: str) -> float:
    """`VmRSS`, resident now, or `VmHWM`, the most so far, of this process in MB (2^20 bytes).

    The resource module's figure is no lower than the parent's at the time of the fork, so it only
    serves where there is no /proc.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(lines[what].split()[0]) / 1024


def forget_peak() -> None:
    """Count `VmHWM` anew from what is resident now, where the system can (Linux)."""
    counter = Path("/proc/self/clear_refs")
    if counter.exists():
        counter.write_text("5")


class Child:
    """Programs of one section in a process of their own; starting does not wait."""

    def __init__(self, section: str, *arguments: str) -> None:
        command = [
            sys.executable,
            "-m",
            "benchmarks",
            "--threads",
            str(torch.get_num_threads()),
            "--serve",
            section,
            *arguments,
        ]
        self.what = " ".join((section, *arguments))
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.peak = self.base = 0.0
        self.ready = False

    def wait(self) -> None:
        """Return when the child is ready for its first turn."""
        if not self.ready:
            self.base = self._read()["base_mb"]
            self.ready = True

    def run(self, program: str, first: int = 0, count: int = 1) -> tuple[float, Any]:
        """Seconds for `count` calls of the program, and the value of the last."""
        self.wait()
        assert self.process.stdin
        self.process.stdin.write(json.dumps([program, first, count]) + "\n")
        self.process.stdin.flush()
        answer = self._read()
        self.peak = answer["peak_mb"]
        return answer["seconds"], answer["value"]

    def __enter__(self) -> "Child":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        assert self.process.stdin
        if error is not None:
            self.process.kill()  # this child alone, and only after an error
        self.process.stdin.close()
        self.process.wait()

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"`python -m benchmarks --serve {self.what}` ended; see its error")
        values: dict[str, Any] = json.loads(line)
        return values


@dataclass(frozen=True)
class Ratio:
    """Median and range of the ratios of two series taken in turns."""

    ratio: float
    least: float
    greatest: float

    @classmethod
    def of(cls, first: list[float], second: list[float]) -> "Ratio":
        """First over second, turn by turn."""
        ratios = sorted(a / b for a, b in zip(first, second, strict=True))
        return cls(median(ratios), ratios[0], ratios[-1])


def duel(
    first: Child, second: Child, program: str, turns: int, *, warm: int = 2, count: int = 1
) -> dict[str, float]:
    """The same program of two children in turns: milliseconds a call, ratio, peak memories."""
    times: list[list[float]] = [[], []]
    for turn in range(-warm, turns):
        for child, series in zip((first, second), times, strict=True):
            seconds, _ = child.run(program, count * max(turn, 0), count)
            if turn >= 0:
                series.append(seconds / count)
    return {
        "first_ms": 1000 * median(times[0]),
        "second_ms": 1000 * median(times[1]),
        **vars(Ratio.of(*times)),
        "first_peak_mb": first.peak,
        "second_peak_mb": second.peak,
        "turns": turns,
    }


def agreed(first: Child, second: Child, program: str) -> Any:
    """The value that the program of both children gives.

    Raises:
        RuntimeError: the values differ.
    """
    values = [child.run(program)[1] for child in (first, second)]
    if values[0] != values[1]:
        raise RuntimeError(
            f"{first.what}: {values[0]}; {second.what}: {values[1]}; they must agree"
        )
    return values[0]


def ratio_cells(row: dict[str, float], places: int = 2) -> str:
    """Ratio and range as two cells of a page's table."""
    ratio, least, greatest = (f"{row[key]:.{places}f}" for key in ("ratio", "least", "greatest"))
    return f"**{ratio}** | {least}–{greatest}"


def peak_cell(row: dict[str, float]) -> str:
    """Peak memories of a duel as a cell."""
    return f"{row['first_peak_mb']:.0f} / {row['second_peak_mb']:.0f}"
