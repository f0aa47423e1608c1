"""Files that are whole or absent: atomic writes, hashes, JSON."""

import contextlib
import errno
import hashlib
import io
import json
import os
import re
import shutil
import struct
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from neglink.errors import DataError, OutputError

UNFINISHED = ".unfinished-"
"""How the name of a file begins while it is written."""

FINISHED = ".finished-"
"""How the second name of a file begins, which outlives the removal of its first one."""

DEAD_AFTER = 24 * 3600.0
"""Seconds untouched after which such a file has no writer any more: the longest pause while a file
is written is a download's. A process number would say nothing, as writers run on other machines."""

_WAYS_OUT = {
    "free some space there": (errno.ENOSPC, errno.EDQUOT),
    "raise the limit on the size of a file (ulimit -f)": (errno.EFBIG,),
    "make the folder writable, or work in another one": (errno.EACCES, errno.EPERM, errno.EROFS),
    "move away what stands in its place": (errno.EEXIST, errno.ENOTDIR, errno.EISDIR),
    "look after that disk": (errno.EIO, errno.ENODEV, errno.ESTALE),
    "shorten the name of the data set, predictor, sampler or method": (errno.ENAMETOOLONG,),
}
_WAY_OUT = {number: way for way, numbers in _WAYS_OUT.items() for number in numbers}


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success flush it and move it into place.

    A reader sees the old file or the whole new one; after an error nothing is left behind, after
    a kill or a power cut a file that `litter` finds. The temporary name keeps the suffix of `path`,
    on which numpy and matplotlib choose the format.

    Raises:
        OutputError: the file cannot be written.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=UNFINISHED, suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)  # mkstemp gives 0600, too strict for a shared results folder
        temporary.replace(path)
        _flush_folder(path.parent)
    except Exception as error:
        number = _cause(error, path)
        if number is None:
            raise
        raise OutputError(
            f"cannot write {path}: {os.strerror(number).lower()}; {_WAY_OUT[number]} and run "
            "again (nothing half written is left, and what was finished stays)"
        ) from None
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):  # a disk that has become read-only
                temporary.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Make a folder and those above it, where they are not there.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno not in _WAY_OUT:
            raise
        raise _no_folder(path, error.errno) from None


def refuse_file_in_place_of(folder: Path) -> None:
    """Look whether a folder can be made or is there; nothing is made.

    Raises:
        OutputError: a file stands in its place, or in that of a folder above it.
    """
    for place in (*reversed(folder.parents), folder):
        if place.exists() and not place.is_dir():
            raise _no_folder(place, errno.ENOTDIR)


def _no_folder(path: Path, number: int) -> OutputError:
    return OutputError(
        f"cannot make the folder {path}: {os.strerror(number).lower()}; {_WAY_OUT[number]} and run "
        "again"
    )


def _flush_folder(folder: Path) -> None:
    """Make a rename last through a power cut: what a step has reported as finished stays so."""
    with contextlib.suppress(OSError):  # not every system can; the file itself is whole
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _cause(error: Exception, path: Path) -> int | None:
    """Number of the system's error that kept `path` from being written; None for other errors.

    safetensors has no OSError: its text ends in "(os error 28)".
    """
    if isinstance(error, OSError):
        named = error.filename
        if isinstance(named, str | Path):  # else an open file, which is the temporary one
            place, wanted = Path(named).absolute(), path.absolute()
            if place.parent != wanted.parent and place not in wanted.parents:
                return None
        number = error.errno
    else:
        found = re.search(r"\(os error (\d+)\)", str(error))
        number = int(found[1]) if found else None
    return number if number in _WAY_OUT else None


def litter(folders: Iterable[Path], dead_after: float = DEAD_AFTER) -> list[Path]:
    """Files below these folders that a killed process was writing, sorted.

    Those that another process may still be at work on are left out: all that were touched in the
    last `dead_after` seconds.
    """
    found, latest = [], time.time() - dead_after
    for folder in folders:
        for path in folder.rglob(f"{UNFINISHED}*"):
            with contextlib.suppress(FileNotFoundError):  # its writer has just moved it
                if path.is_file() and path.stat().st_mtime < latest:
                    found.append(path)
    return sorted(found)


def keep_finished(*paths: Path) -> None:
    """Give these files a second name each, for `bring_back`.

    Before it submits a batch job again, Snakemake deletes the files of all its steps, also of those
    that had succeeded.
    """
    for path in paths:
        with atomic(path.with_name(FINISHED + path.name)) as temporary:
            temporary.unlink()
            try:
                temporary.hardlink_to(path)
            except OSError:  # some file systems have no second names
                shutil.copyfile(path, temporary)


def bring_back(*paths: Path) -> bool:
    """Give all these files their first names again; False where one has not been kept."""
    kept = [path.with_name(FINISHED + path.name) for path in paths]
    if not all(path.exists() for path in kept):
        return False
    try:
        for there, path in zip(kept, paths, strict=True):
            there.replace(path)
    except FileNotFoundError:  # another run in this folder has just forgotten its own, and these
        return False
    return True


def forget_finished(folders: Iterable[Path]) -> None:
    """Remove the second names of all files below these folders."""
    for folder in folders:
        for path in folder.rglob(f"{FINISHED}*"):
            path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


_SEAL = "checksum"
"""Key of a JSON object under which the digest of all the others stands."""


def write_json(path: Path, value: Any, sealed: bool = True) -> None:
    """Write `value` as indented JSON with sorted keys, atomically. NaN and infinity are refused.

    `sealed` adds a checksum to an object, which `read_json` verifies and takes away.
    """
    if sealed and isinstance(value, dict):
        plain = parse_json(canonical(value))  # keys that are no strings become strings
        value = {**plain, _SEAL: _checksum(plain)}
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """The value stored in a JSON file.

    One without a checksum is taken as it is: another program, or an earlier version, wrote it.

    Raises:
        DataError: the file is damaged.
    """
    try:
        value = parse_json(path.read_bytes())
    except ValueError as error:  # no UTF-8 or no JSON
        raise DataError(_damaged(path, error)) from None
    if isinstance(value, dict) and _SEAL in value and value.pop(_SEAL) != _checksum(value):
        raise DataError(_damaged(path, "its checksum does not fit its content"))
    return value


def _checksum(value: Any) -> str:
    """SHA-256 of a JSON value."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def parse_json(text: str | bytes) -> Any:
    """The value that a JSON text from outside holds.

    Raises:
        ValueError: no JSON, which has no NaN and no infinity; or lists within lists without end.
    """
    try:
        return json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("lists within lists beyond any use") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def write_arrays(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write arrays as one compressed npz, atomically. Object arrays are refused."""
    with atomic(path) as temporary:
        np.savez_compressed(temporary, allow_pickle=False, **arrays)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of an npz file, each checked against its CRC-32 first; nothing is unpickled.

    Raises:
        DataError: the file is damaged.
    """
    try:
        with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            members = archive.infolist()
            if len(members) != _stated_members(stream):
                raise zipfile.BadZipFile("an array is missing")
            if any(member.compress_type not in _COMPRESSIONS for member in members):
                raise zipfile.BadZipFile("an array is packed in a way that numpy never does")
            return {
                member.filename.removesuffix(".npy"): np.lib.format.read_array(
                    io.BytesIO(archive.read(member)), allow_pickle=False
                )
                for member in members
            }
    except _DAMAGE as error:
        raise DataError(_damaged(path, error)) from None
    except OSError as error:
        if error.errno != errno.EINVAL:  # a place before the file's begin, read from the file
            raise
        raise DataError(_damaged(path, error)) from None


_DAMAGE = (ValueError, EOFError, zipfile.BadZipFile, zlib.error, struct.error, RuntimeError)
"""What zipfile and numpy raise on a damaged file; a flag that is set by chance asks for a password,
which is a RuntimeError."""
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def _damaged(path: Path, error: Exception | str) -> str:
    return f"{path}: damaged ({error}); delete it and run again"


def _stated_members(archive: io.BufferedReader) -> int:
    """How many members a zip file without a comment says at its end that it has.

    zipfile does not compare: one changed length can hide the members that follow.
    """
    archive.seek(-22, io.SEEK_END)
    signature, count = struct.unpack("<4s6xH10x", archive.read(22))
    return int(count) if signature == b"PK\5\6" else -1


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def canonical(value: Any) -> str:
    """JSON text that is equal for equal values: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest_of(value: Any, length: int = 12) -> str:
    """Short hexadecimal digest of a JSON value."""
    return _checksum(value)[:length]
