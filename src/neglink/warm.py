"""Warm workers: a process that has imported torch once forks a child for each job.

Each job of the pipeline is a command of its own, whose imports cost about as much as training on a
small graph. Where Snakemake has started a server (`start`), the command `neglink` hands its
arguments, folder, environment and standard streams to a child of that server, waits, and exits as
the child did (`main`). Everywhere else, and whenever anything differs from what a fresh process
would find (the code, the packages, Python, an environment variable), it goes on as a fresh process.
Only little of the standard library is imported here: `main` is the start of every command.

The server runs no step and no torch operation, so it has one thread and may fork. Linux only:
Windows cannot fork, and macOS's own libraries do not survive it.
"""

import contextlib
import json
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

VARIABLE = "NEGLINK_WARM"
"""Environment variable: the server's socket, or "off"."""

STEPS = frozenset(
    {
        "graph",
        "split",
        "train",
        "teacher",
        "metadata",
        "student",
        "tune",
        "evaluate",
        "nodes",
        "migration",
    }
)
"""Commands that a server takes."""

FEWEST = 4
"""Jobs from which on a server is worth its own imports."""

MOST = 200
"""Jobs at once; each needs two file descriptors. Further commands go on by themselves."""

LONGEST_ADDRESS = 100  # bytes; Linux allows 107
PATIENCE = 60.0  # s for each other's answers; the server's first one comes after its imports
IDLE = 900.0  # s without a job after which a server ends by itself
GRACE = 2.0  # s between SIGINT and SIGKILL for a child whose command has gone
THREADS = (
    "OMP_NUM_THREADS", "GOTO_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS",
)  # fmt: skip
"""What Snakemake sets to a job's threads. All rules ask for one; a job with more is not taken."""

FREE = frozenset(
    {VARIABLE, "TMPDIR", "TMP", "TEMP", "TEMPDIR", "LINES", "COLUMNS"}  # set for each job
    | {"_", "SHLVL", "PWD", "OLDPWD", "PS1", "PS2", "PS4"}  # set or unset by a shell
)
"""Variables that may differ between server and job, as no import reads them."""

HERE = os.path.dirname(os.path.abspath(__file__))
MODULES = (
    "neglink.cli", "neglink.memory", "neglink.steps.graph", "neglink.steps.split",
    "neglink.steps.train", "neglink.steps.evaluate", "neglink.steps.nodes",
    "neglink.steps.migration",
)  # fmt: skip
PACKAGES = ("graph", "samplers", "predictors", "methods", "splits", "evaluation", "datasets")
LATER = ("torch._dynamo", "scipy.optimize", "scipy.stats")
"""What steps import while at work; an optimiser of torch imports torch._dynamo."""

HEADER = struct.Struct("!Q")
ACCEPTED, GO = b"+", b"g"
PR_SET_PDEATHSIG = 1  # from Linux's prctl.h
Json = dict[str, Any]


def main() -> None:
    """The command `neglink`: by a warm worker where there is one, else in this process."""
    address = os.environ.get(VARIABLE, "")
    if address.startswith("/") and sys.platform == "linux" and STEPS.intersection(sys.argv[1:2]):
        status = ask(address)
        if status is not None:
            sys.exit(status)
    from neglink.cli import main as run

    run()


# The command's side


def ask(address: str) -> int | None:
    """Exit status of this command, carried out by the server at `address`; None if it was not."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        try:
            server.settimeout(PATIENCE)
            server.connect(address)
            free = {key: value for key, value in os.environ.items() if is_free(key)}
            _send(server, {"argv": sys.argv, "cwd": os.getcwd(), "free": free,
                           "made_for": made_for(sys.path[1:])})  # fmt: skip
            if server.recv(1) != ACCEPTED:
                return None
            server.sendall(GO)
        except OSError:
            return None
        # From here on the job is the child's: it is never begun a second time.
        return _wait(server)


def _send(server: socket.socket, request: Json) -> None:
    body = json.dumps(request).encode()
    socket.send_fds(server, [HEADER.pack(len(body))], [0, 1, 2])
    server.sendall(body)


def _wait(server: socket.socket) -> int:
    """The child's exit status; as a shell has it, 128 + signal where one ended it."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # the child shows the traceback
    answer = b""
    with contextlib.suppress(OSError):
        server.settimeout(None)
        while part := server.recv(16):
            answer += part
    if not answer:
        sys.stderr.write("neglink: error: the process of this step was lost; run it again\n")
        return 1
    status = int(answer)
    return status if status >= 0 else 128 - status


# What both sides must agree on


def is_free(variable: str) -> bool:
    """Whether an environment variable may differ; a shell writes its functions in its own way."""
    return variable in FREE or variable.startswith("BASH_FUNC_")


def made_for(path: list[str]) -> Json:
    """What decides which code an import finds and how it behaves: Python, places, environment."""
    return {
        "python": [sys.version, sys.prefix, os.path.realpath(sys.executable)],
        "path": path,
        "package": HERE,
        "environ": {key: value for key, value in os.environ.items() if not is_free(key)},
    }


def stamp() -> list[tuple[str, int, int, int]]:
    """Name, time, size and inode of each file of the package, and times of site-packages.

    The latter change when a package is installed, removed or replaced.
    """
    import sysconfig

    folders = {sysconfig.get_path(which) for which in ("purelib", "platlib")}
    found = [(folder, os.stat(folder).st_mtime_ns, 0, 0) for folder in folders]
    for folder, inner, names in os.walk(HERE):
        inner[:] = [name for name in inner if name != "__pycache__"]
        for name in names:
            file = f"{folder}/{name}"
            about = os.stat(file)
            found.append((file, about.st_mtime_ns, about.st_size, about.st_ino))
    return sorted(found)


# The server's side


class Job:
    """A child at work, and the connection to the command that waits for it."""

    def __init__(self, pid: int, command: socket.socket) -> None:
        self.pid = pid
        self.command = command
        self.ended = os.pidfd_open(pid)
        self.kill_at: float | None = None

    def close(self) -> None:
        """Give the file descriptors back; the child goes on."""
        os.close(self.ended)
        self.command.close()

    def abandon(self) -> None:
        """Let the child, whose command has gone, remove its temporary files and end."""
        signal.pidfd_send_signal(self.ended, signal.SIGINT)
        self.kill_at = time.monotonic() + GRACE

    def kill_if_overdue(self) -> None:
        """End a child that has not ended by itself after `abandon`."""
        if self.kill_at is not None and time.monotonic() > self.kill_at:
            signal.pidfd_send_signal(self.ended, signal.SIGKILL)

    def finish(self) -> None:
        """Reap the child and tell its command how it ended."""
        _, status = os.waitpid(self.pid, 0)
        with contextlib.suppress(OSError):  # nobody waits any more
            self.command.send(b"%d" % os.waitstatus_to_exitcode(status))
        self.close()


def serve() -> None:
    """The server's whole life, in the process that `start` makes for it.

    The command line gives the file descriptor of the listening socket, the socket's folder, and
    the process whose end is the server's too.
    """
    listener, folder, parent = socket.socket(fileno=int(sys.argv[1])), sys.argv[2], int(sys.argv[3])
    server, command = os.getpid(), None
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is meant for the jobs
        mine, code = made_for(sys.path.copy()), stamp()
        end_with_parent = _prepare()
        if stamp() == code:
            command = _fork_for_each(listener, parent)
    finally:
        if os.getpid() == server:
            clear(folder)
    if command is None:
        os._exit(0)
    end_with_parent(server)
    if not _take_over(command, mine, code):
        os._exit(1)
    # by it `Job.abandon` ends a child, in the background too, where shells have it ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _work()


def _prepare() -> Callable[[int], None]:
    """Import all that steps import; gives the call by which a child ends with its parent.

    Raises:
        RuntimeError: an import began a thread, so that this process must not fork.
    """
    import ctypes
    import gc
    import pkgutil
    from importlib import import_module

    for name in MODULES:
        import_module(name)
    for package in PACKAGES:
        places = import_module(f"neglink.{package}").__path__
        for module in pkgutil.walk_packages(places, f"neglink.{package}."):
            import_module(module.name)
    for name in LATER:
        with contextlib.suppress(ImportError):
            import_module(name)
    if len(os.listdir("/proc/self/task")) > 1:
        raise RuntimeError("an import began a thread")
    os.close(os.pidfd_open(os.getpid()))  # an old kernel says here that it has none
    prctl = ctypes.CDLL(None).prctl

    def end_with_parent(parent: int) -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    gc.collect()
    gc.freeze()  # a collection in a child would copy every page that it marks
    return end_with_parent


def _fork_for_each(listener: socket.socket, parent: int) -> socket.socket | None:
    """Fork for each command that connects: its connection in the child, None in the server.

    The server comes back when `parent` has gone or no job has come for long.
    """
    import select

    poll = select.poll()
    poll.register(listener, select.POLLIN)
    ends: dict[int, Job] = {}
    commands: dict[int, Job] = {}
    busy = time.monotonic()
    while os.getppid() == parent and (ends or time.monotonic() - busy < IDLE):
        leaving = [job for job in ends.values() if job.kill_at is not None]
        for job in leaving:
            job.kill_if_overdue()
        for descriptor, _ in poll.poll(100 if leaving else 1000):
            busy = time.monotonic()
            if descriptor in ends:
                job = ends.pop(descriptor)
                poll.unregister(job.ended)
                if commands.pop(job.command.fileno(), None):
                    poll.unregister(job.command)
                job.finish()
            elif descriptor in commands:
                poll.unregister(descriptor)
                commands.pop(descriptor).abandon()
            elif descriptor == listener.fileno():
                command, _ = listener.accept()
                pid = _fork() if len(ends) < MOST else None
                if pid is None:
                    command.close()
                    continue
                if pid == 0:
                    listener.close()
                    for job in ends.values():
                        job.close()
                    return command
                job = Job(pid, command)
                ends[job.ended] = commands[command.fileno()] = job
                poll.register(job.ended, select.POLLIN)
                poll.register(command, select.POLLRDHUP)
    return None


def _fork() -> int | None:
    """os.fork, or None where there is no room for a further process."""
    try:
        return os.fork()
    except OSError:
        return None


def _take_over(command: socket.socket, mine: Json, code: list[tuple[str, int, int, int]]) -> bool:
    """Become the process that the command would have been; False if that differs, or it left."""
    command.settimeout(PATIENCE)
    try:
        header, streams, _, _ = socket.recv_fds(command, HEADER.size, 3)
        request = json.loads(_receive(command, HEADER.unpack(header)[0]))
        if request["made_for"] != mine or stamp() != code:
            return False
        os.chdir(request["cwd"])
        command.sendall(ACCEPTED)
        if command.recv(1) != GO:
            return False
    except (OSError, ValueError, struct.error):
        return False
    command.close()  # the server has its own copy
    for target, stream in enumerate(streams):
        os.dup2(stream, target)
        os.close(stream)
    sys.stdout.reconfigure(line_buffering=os.isatty(1))  # type: ignore[union-attr]
    for key in filter(is_free, list(os.environ)):
        del os.environ[key]
    os.environ.update(request["free"])
    sys.argv = request["argv"]
    _forget()
    return True


def _forget() -> None:
    """Drop what the server's process chose for itself: folder and global random states.

    No step draws from the latter; were one to, children must differ as fresh processes do.
    """
    if tempfile := sys.modules.get("tempfile"):
        tempfile.tempdir = None  # type: ignore[attr-defined]
    if torch := sys.modules.get("torch"):
        torch.default_generator.seed()
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()


def _receive(command: socket.socket, size: int) -> bytes:
    parts = []
    while size > 0 and (part := command.recv(min(size, 2**16))):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _work() -> NoReturn:
    """Run the command line and end as the interpreter would, without taking every module apart.

    That dismantling takes longer than a small training.
    """
    import atexit
    import threading

    from neglink.cli import main as run

    status: object = 0
    try:
        run()
    except SystemExit as end:
        status = end.code
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        status = 128 + signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    if threading.active_count() > 1:
        sys.exit(status)  # type: ignore[arg-type]  # the interpreter waits for them
    atexit._run_exitfuncs()
    if not isinstance(status, int | None):
        sys.stderr.write(f"{status}\n")
        status = 1
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            status = 120  # as the interpreter has it
    os._exit((status or 0) & 0xFF)


# Snakemake's side

_started: tuple[int, Any, str] | None = None
"""The process that started a server, the server, its folder."""


def start(jobs: int) -> bool:
    """Start a server for about so many jobs, and name it in the environment; False if it is off.

    Commands may connect at once: they wait while it imports. It ends by `stop`, with this
    process, or when it has been idle for long.
    """
    global _started
    wanted = os.environ.get(VARIABLE, "") != "off" and jobs >= FEWEST
    if not wanted or sys.platform != "linux":
        return False
    import atexit
    import tempfile
    from subprocess import DEVNULL, Popen

    stop()
    try:
        folder = tempfile.mkdtemp(prefix="neglink-")  # for this user alone
    except OSError:
        return False
    address = f"{folder}/socket"
    process = None
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as listener:
        if len(os.fsencode(address)) <= LONGEST_ADDRESS:
            listener.bind(address)
            listener.listen(socket.SOMAXCONN)
            told = (str(listener.fileno()), folder, str(os.getpid()))
            process = Popen(
                [sys.executable, "-P", "-c", "from neglink.warm import serve; serve()", *told],
                stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, pass_fds=[listener.fileno()],
                env=os.environ | dict.fromkeys(THREADS, "1"),
            )  # fmt: skip
    if process is None:
        clear(folder)
        return False
    _started = os.getpid(), process, folder
    os.environ[VARIABLE] = address
    atexit.register(stop)
    return True


def stop() -> None:
    """End the server that this process started, if any, and whatever it still does."""
    global _started
    if _started is None or _started[0] != os.getpid():
        return
    _, process, folder = _started
    _started = None
    process.terminate()
    process.wait()
    clear(folder)
    os.environ.pop(VARIABLE, None)


def clear(folder: str) -> None:
    """Remove a server's socket and its folder."""
    with contextlib.suppress(OSError):
        os.unlink(f"{folder}/socket")
    with contextlib.suppress(OSError):
        os.rmdir(folder)
