"""Warm workers: what a command and its server say to each other, and when they part."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from neglink import warm

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="warm workers are for Linux")

SOURCES = Path(warm.HERE).parent
COMMAND = "import sys; from neglink.warm import main; sys.argv[0] = 'neglink'; main()"

SLOW_STEP = """
import json, os, sys, time
from pathlib import Path
def main():
    arguments = sys.argv[1:]
    try: work(arguments)
    finally: "wait" not in arguments or Path("cleaned").touch()
def work(arguments):
    Path("seen").write_text(json.dumps({
        "pid": os.getpid(), "parent": os.getppid(), "arguments": arguments,
        "TMPDIR": os.environ.get("TMPDIR"), "cwd": os.getcwd(),
    }))
    print("said")
    if "fail" in arguments: sys.exit(7)
    if "raise" in arguments: raise ValueError("a step's own")
    if "text" in arguments: sys.exit("a reason")
    if "abort" in arguments: os.abort()
    if "wait" in arguments: time.sleep(60)
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package `neglink` that holds warm.py and a command line of a few lines: no torch here."""
    folder = tmp_path_factory.mktemp("sources")
    home = folder / "neglink"
    home.mkdir()
    (home / "__init__.py").touch()
    (home / "cli.py").write_text(SLOW_STEP)
    text = Path(warm.__file__).read_text(encoding="utf-8")
    begin, end = text.index("MODULES = ("), text.index("HEADER = ")
    light = 'MODULES, PACKAGES, LATER = ("neglink.cli",), (), ()\n'
    (home / "warm.py").write_text(text[:begin] + light + text[end:])
    return folder


STARTER = """
import sys, os
from neglink import warm
print(os.environ.get(warm.VARIABLE) if warm.start(int(sys.argv[1])) else "", flush=True)
sys.stdin.read()
"""


class Starter:
    """A process that holds a server, as Snakemake does."""

    def __init__(self, package: Path, environ: dict[str, str], jobs: int = 10) -> None:
        self.environ = {k: v for k, v in os.environ.items() if k != warm.VARIABLE} | {
            "PYTHONPATH": str(package), **dict.fromkeys(warm.THREADS, "1"), **environ,
        }  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, "-c", STARTER, str(jobs)], env=self.environ, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()
        self.environ[warm.VARIABLE] = self.address

    def begin(self, cwd: Path, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", COMMAND, *arguments], cwd=cwd, env=self.environ | environ,
            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def call(self, cwd: Path, *arguments: str, **environ: str) -> tuple[int, str, str]:
        command = self.begin(cwd, *arguments, **environ)
        output, errors = command.communicate(timeout=30)
        return command.returncode, output, errors

    def end(self) -> None:
        self.process.communicate(timeout=10)


@pytest.fixture
def starter(package: Path) -> Iterator[Starter]:
    made = Starter(package, {})
    yield made
    if made.process.poll() is None:
        made.end()


def seen(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / "seen").read_text())
    return found


def gone(pid: int, within: float) -> bool:
    """Whether a process ends within so many seconds; nobody may have reaped it yet."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def wait_for(path: Path) -> None:
    end = time.monotonic() + 20
    while not (path.exists() and path.stat().st_size):
        assert time.monotonic() < end, f"no {path}"
        time.sleep(0.02)


def test_a_step_runs_in_a_child_of_the_server_in_its_own_folder(
    starter: Starter, tmp_path: Path
) -> None:
    command = starter.begin(tmp_path, "train", "a b", TMPDIR=str(tmp_path))
    output, errors = command.communicate(timeout=30)
    assert (command.returncode, output, errors) == (0, "said\n", "")
    told = seen(tmp_path)
    assert told["pid"] != command.pid
    assert told["arguments"] == ["train", "a b"]
    assert told["cwd"] == told["TMPDIR"] == str(tmp_path)


@pytest.mark.parametrize("how", ["fail", "raise", "text"])
def test_errors_and_statuses_are_those_of_a_fresh_process(
    starter: Starter, tmp_path: Path, how: str
) -> None:
    here = starter.call(tmp_path, "train", how)
    there = starter.call(tmp_path, "train", how, **{warm.VARIABLE: "off"})
    assert here[:2] == there[:2]
    assert here[2].splitlines()[-1:] == there[2].splitlines()[-1:]


def test_a_signal_is_told_as_a_shell_tells_it(starter: Starter, tmp_path: Path) -> None:
    assert starter.call(tmp_path, "train", "abort")[0] == 128 + signal.SIGABRT


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_child_ends_with_its_command(
    starter: Starter, tmp_path: Path, how: signal.Signals
) -> None:
    command = starter.begin(tmp_path, "train", "wait")
    wait_for(tmp_path / "seen")
    child = int(str(seen(tmp_path)["pid"]))
    assert child != command.pid
    command.send_signal(how)
    command.communicate(timeout=10)
    assert command.returncode == -how
    assert gone(child, within=1)
    assert (tmp_path / "cleaned").exists()
    assert starter.call(tmp_path, "train")[0] == 0  # the server goes on


@pytest.mark.parametrize("whom", ["starter", "server"])
def test_all_ends_with_snakemake_and_with_the_server(
    starter: Starter, tmp_path: Path, whom: str
) -> None:
    command = starter.begin(tmp_path, "train", "wait")
    wait_for(tmp_path / "seen")
    told = seen(tmp_path)
    child, server = int(str(told["pid"])), int(str(told["parent"]))
    os.kill(starter.process.pid if whom == "starter" else server, signal.SIGKILL)
    _, errors = command.communicate(timeout=10)
    assert command.returncode == 1
    assert "lost" in errors
    assert gone(child, within=1)
    if whom == "starter":
        starter.process.communicate()
        assert gone(server, within=2)
    else:
        starter.end()
    assert not Path(starter.address).parent.exists()


def test_a_stopped_server_leaves_no_folder(starter: Starter) -> None:
    folder = Path(starter.address).parent
    assert folder.stat().st_mode & 0o777 == 0o700
    starter.end()
    assert not folder.exists()


def own_process(starter: Starter, folder: Path, *arguments: str, **environ: str) -> bool:
    """Whether the command did its step itself, rightly."""
    command = starter.begin(folder, *(arguments or ("train",)), **environ)
    output, errors = command.communicate(timeout=30)
    assert (command.returncode, output, errors) == (0, "said\n", "")
    return seen(folder)["pid"] == command.pid


def test_other_code_another_environment_or_no_socket_mean_a_fresh_process(
    starter: Starter, package: Path, tmp_path: Path
) -> None:
    assert not own_process(starter, tmp_path)
    assert not own_process(starter, tmp_path, PS1="$ ")
    assert own_process(starter, tmp_path, "report")
    assert own_process(starter, tmp_path, OMP_NUM_THREADS="2")
    assert own_process(starter, tmp_path, ANY_OTHER="1")
    assert own_process(starter, tmp_path, PYTHONPATH=f"{package}{os.pathsep}{tmp_path}")
    assert own_process(starter, tmp_path, **{warm.VARIABLE: str(tmp_path / "nothing")})
    assert own_process(starter, tmp_path, **{warm.VARIABLE: "off"})
    os.utime(package / "neglink" / "__init__.py")
    assert own_process(starter, tmp_path)


def test_many_commands_at_once_each_get_their_own_answer(starter: Starter, tmp_path: Path) -> None:
    commands = []
    for number in range(12):
        folder = tmp_path / str(number)
        folder.mkdir()
        commands.append((folder, starter.begin(folder, "train", *["fail"] * (number % 2))))
    for number, (folder, command) in enumerate(commands):
        command.communicate(timeout=60)
        assert command.returncode == 7 * (number % 2)
        assert seen(folder)["pid"] != command.pid


@pytest.mark.parametrize("why", ["few", "off", "long"])
def test_no_server_is_started(package: Path, tmp_path: Path, why: str) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    environ = {"off": {warm.VARIABLE: "off"}, "long": {"TMPDIR": str(long)}}.get(why, {})
    made = Starter(package, environ, jobs=3 if why == "few" else 10)
    made.end()
    assert made.address == ""
    assert not list(long.iterdir())


def test_a_command_starts_in_no_time() -> None:
    code = "import sys, neglink.warm; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert not {"torch", "numpy", "typer", "pydantic", "asyncio"} & set(loaded.split())
