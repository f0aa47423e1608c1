"""Raw files at hand, each verified before anything reads it.

A file is looked for below data/raw, then in a mirror folder of the same layout, then at its URL.
Whatever is not of a known hash is refused by name; nothing half written is left behind.
"""

import hashlib
import os
import re
import shutil
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from neglink.datasets.catalog import CATALOG
from neglink.datasets.entry import Entry, KnownHash, RawFile
from neglink.errors import DataError, ParamsError
from neglink.files import atomic, sha256
from neglink.registry import suggest

MIRROR_VARIABLE = "NEGLINK_MIRROR"
"""Environment variable that names a mirror where params.yaml does not."""

TRIES = 3
"""Attempts at one URL before giving up."""

TIMEOUT = (5.0, 30.0)
"""Seconds to connect, and to wait between bytes."""

PAUSE = 0.5
"""Seconds before the second attempt; doubled after each further one."""


def mirror_folder(setting: Path | str | None = None) -> Path | None:
    """The mirror: `setting` (data.mirror), else the environment's NEGLINK_MIRROR, else none.

    Raises:
        DataError: a folder is named, and is not there.
    """
    named = setting or os.environ.get(MIRROR_VARIABLE)
    if not named:
        return None
    folder = Path(named).expanduser()
    if not folder.is_dir():
        where = "data.mirror" if setting else MIRROR_VARIABLE
        raise DataError(f"{where} = {str(named)!r}: no such folder")
    return folder


def git_blob_sha1(path: Path) -> str:
    """The id that git gives to a file's content: SHA-1 over "blob", its size and its bytes."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def accepted(file: RawFile, stated: Mapping[str, str]) -> tuple[KnownHash, ...]:
    """The hashes that `file` may have: the one the user states, else those of the catalog."""
    if file.path in stated:
        return (KnownHash("sha256", stated[file.path].lower(), "stated in data.hashes"),)
    return file.hashes


def own_hashes(entry: Entry, stated: Mapping[str, str] | None) -> dict[str, str]:
    """Those of the stated hashes that are of this data set's files.

    Raises:
        ParamsError: a hash is no SHA-256, or of a file that no data set has.
    """
    own = {file.path for file in entry.files}
    all_paths = own | {file.path for item in CATALOG.values() for file in item.files}
    for path, value in (stated or {}).items():
        if path not in all_paths:
            raise ParamsError(f"data.hashes: {path!r} is no data set's file{suggest(path, own)}")
        if not re.fullmatch(r"[0-9a-fA-F]{64}", value):
            raise ParamsError(f"data.hashes[{path!r}] = {value!r}: not a SHA-256 (64 hex digits)")
    return {path: value for path, value in (stated or {}).items() if path in own}


def verify(
    entry: Entry, file: RawFile, found: Path, stated: Mapping[str, str], origin: str = ""
) -> KnownHash:
    """The accepted hash that the file at `found` has.

    Messages call it by `origin`, where its bytes came from; by default that is `found`.

    Raises:
        DataError: its hash is another one, or none is known.
    """
    expected = accepted(file, stated)
    for known in expected:
        if known.value == (sha256 if known.kind == "sha256" else git_blob_sha1)(found):
            return known
    raise DataError(_refusal(entry, file, found, expected, origin or str(found)))


def _refusal(
    entry: Entry, file: RawFile, found: Path, expected: tuple[KnownHash, ...], origin: str
) -> str:
    actual = f"SHA-256 {sha256(found)}"
    state = f'state it in data.hashes: {{"{file.path}": "<SHA-256>"}}'
    if not expected:
        return (
            f"{entry.name}: no hash is known for {file.path}, so it is not read. The file at "
            f"{origin} has {actual}; if you trust it, {state}"
        )
    if expected[0].kind == "git_blob_sha1":
        actual += f", git_blob_sha1 {git_blob_sha1(found)}"
    wanted = " or ".join(map(str, expected))
    return (
        f"{entry.name}: {origin} is not the file it should be: it has {actual}, expected {wanted}. "
        f"Delete it or put the right file there; if you trust this one, {state}"
    )


@dataclass(frozen=True)
class Place:
    """Where a file is taken from."""

    kind: str
    """"raw", "mirror", "url" or "nowhere" (not at hand, and without a hash not downloaded)."""
    path: Path | None


def locate(
    entry: Entry,
    file: RawFile,
    raw: Path,
    mirror: Path | None,
    stated: Mapping[str, str] | None = None,
) -> Place:
    """Where `obtain` would take `file` from. Nothing is read or copied."""
    if (raw / file.path).is_file():
        return Place("raw", raw / file.path)
    if mirror and (mirror / file.path).is_file():
        return Place("mirror", mirror / file.path)
    return Place("url" if accepted(file, stated or {}) else "nowhere", None)


def obtain(
    entry: Entry, raw: Path, mirror: Path | None = None, hashes: Mapping[str, str] | None = None
) -> dict[str, Path]:
    """The data set's raw files below `raw`, all there and all verified; role → path.

    Args:
        entry: the data set.
        raw: data/raw; what is missing is put there.
        mirror: a folder of the same layout, asked before the network.
        hashes: SHA-256 that the user trusts, by path; they replace those of the catalog. Those of
            other data sets' files are passed over.

    Raises:
        DataError: a file is nowhere to be had, or is not of an accepted hash.
        ParamsError: `hashes` is wrong.
    """
    stated = own_hashes(entry, hashes)
    with _Downloads() as downloads:
        return {
            file.role: _obtain_file(entry, file, raw, mirror, stated, downloads)
            for file in entry.files
        }


def _obtain_file(
    entry: Entry,
    file: RawFile,
    raw: Path,
    mirror: Path | None,
    stated: Mapping[str, str],
    downloads: "_Downloads",
) -> Path:
    target = raw / file.path
    place = locate(entry, file, raw, mirror, stated)
    if place.kind == "raw":
        verify(entry, file, target, stated)
        return target
    if place.kind == "nowhere":
        raise DataError(_nowhere(entry, file, raw, mirror))
    with _writing(target) as temporary:
        if place.path:
            shutil.copyfile(place.path, temporary)
        else:
            _download(entry, file, raw, mirror, temporary, downloads)
        # the copy is what will be read, so the copy is what is verified
        verify(entry, file, temporary, stated, origin=str(place.path or file.url))
    return target


@contextmanager
def _writing(target: Path) -> Iterator[Path]:
    try:
        with atomic(target) as temporary:
            yield temporary
    except OSError as error:
        raise DataError(f"cannot write {target}: {error}") from None


def _searched(file: RawFile, raw: Path, mirror: Path | None) -> str:
    on_mirror = f"{mirror / file.path}" if mirror else "no mirror is set"
    return f"looked for at {raw / file.path} and on the mirror ({on_mirror})"


def _nowhere(entry: Entry, file: RawFile, raw: Path, mirror: Path | None) -> str:
    member = f" (member {file.member})" if file.member else ""
    return (
        f"{entry.name}: {file.path} is missing: {_searched(file, raw, mirror)}. No hash is known "
        f"for it, so it is not downloaded: get it from {file.url}{member}, put it at "
        f'{raw / file.path} and state its SHA-256 in data.hashes: {{"{file.path}": "<SHA-256>"}}'
    )


def _download(
    entry: Entry,
    file: RawFile,
    raw: Path,
    mirror: Path | None,
    temporary: Path,
    downloads: "_Downloads",
) -> None:
    try:
        downloads.take(file, temporary)
    except (OSError, KeyError, zipfile.BadZipFile) as error:  # requests' own are OSErrors
        raise DataError(
            f"{entry.name}: {file.path} is missing: {_searched(file, raw, mirror)}, then at "
            f"{file.url} ({_plainly(error)}). Put the file at {raw / file.path}, or set "
            f"data.mirror or {MIRROR_VARIABLE} to a folder that holds {file.path}"
        ) from None


def _plainly(error: Exception) -> str:
    """The reason in a few words; the messages of requests run over several lines."""
    import requests  # slow to import, and only needed when something is downloaded

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the server answered {error.response.status_code}"
    if isinstance(error, requests.Timeout):
        return "the server did not answer in time"
    if isinstance(error, requests.ConnectionError):
        return f"no connection after {TRIES} attempts"
    return " ".join(str(error).split())[:200] or type(error).__name__


class _Downloads:
    """The URLs asked for in one `obtain`, each downloaded once, in a folder that then goes."""

    def __enter__(self) -> "_Downloads":
        self._folder = tempfile.TemporaryDirectory(prefix="neglink-")
        self._done: dict[str, Path] = {}
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def take(self, file: RawFile, target: Path) -> None:
        """Write the file that `file.url` gives, or the member of that archive, to `target`."""
        if file.url not in self._done:
            place = Path(self._folder.name) / str(len(self._done))
            _fetch_url(file.url, place)
            self._done[file.url] = place
        if file.member is None:
            shutil.copyfile(self._done[file.url], target)
        else:
            _extract(self._done[file.url], file.member, target)


def _extract(archive: Path, member: str, target: Path) -> None:
    """Write the one member whose path ends in `member`. Paths in the archive are never followed."""
    with zipfile.ZipFile(archive) as opened:
        names = [name for name in opened.namelist() if f"/{name}".endswith(f"/{member}")]
        if len(names) != 1:
            raise KeyError(f"the archive has {len(names)} members called {member}")
        with opened.open(names[0]) as source, target.open("wb") as sink:
            shutil.copyfileobj(source, sink)


def _fetch_url(url: str, target: Path) -> None:
    """Download with `TRIES` attempts; an answer of the 4xx kind is final."""
    import requests
    from pooch import HTTPDownloader

    downloader = HTTPDownloader(progressbar=False, timeout=TIMEOUT)
    for attempt in range(TRIES):
        try:
            downloader(url, str(target), None)
            return
        except requests.RequestException as error:
            answer = error.response
            final = answer is not None and 400 <= answer.status_code < 500
            if final or attempt == TRIES - 1:
                raise
            time.sleep(PAUSE * 2**attempt)
