"""Every file is verified before it is read, wherever it comes from."""

import hashlib
import http.server
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from neglink.datasets import Counts, Entry, KnownHash, RawFile, obtain
from neglink.datasets import fetch as fetching
from neglink.datasets.fetch import git_blob_sha1, locate, mirror_folder, own_hashes
from neglink.errors import DataError, ParamsError

CONTENT = b"0 1\n1 2\n"
SHA = hashlib.sha256(CONTENT).hexdigest()
UNREACHABLE = "http://127.0.0.1:9/edges.txt"  # the discard port: refuses at once


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "PAUSE", 0.0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def entry(
    *hashes: KnownHash, url: str = UNREACHABLE, member: str | None = None, count: int = 1
) -> Entry:
    files = tuple(
        RawFile(f"edges{i or ''}", f"toy/raw/edges{i or ''}.txt", url, hashes, 8, member)
        for i in range(count)
    )
    return Entry("toy", "Toy", files, "none:read", Counts(3, 2, 0), "none", "nobody")


def sha(value: str = SHA) -> KnownHash:
    return KnownHash("sha256", value)


def put(folder: Path, content: bytes = CONTENT) -> Path:
    path = folder / "toy/raw/edges.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """A local web server: its address, its folder, and the paths asked for."""
    served, asked = tmp_path / "served", []
    served.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(served))  # type: ignore[arg-type]

        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            asked.append(self.path)
            if self.path.startswith("/broken"):
                self.send_error(503)
            elif self.path.startswith("/short"):
                self.send_response(200)
                self.send_header("Content-Length", "800")
                self.end_headers()
                self.wfile.write(CONTENT)
            else:
                super().do_GET()

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}", served, asked
        running.shutdown()
        thread.join()


def test_a_file_in_raw_is_taken_as_it_is(tmp_path: Path) -> None:
    path = put(tmp_path)
    assert obtain(entry(sha()), tmp_path) == {"edges": path}


def test_a_git_blob_id_is_as_good_as_a_sha256(tmp_path: Path) -> None:
    path = put(tmp_path)
    # git hash-object of the same eight bytes
    expected = hashlib.sha1(b"blob 8\0" + CONTENT).hexdigest()
    assert git_blob_sha1(path) == expected
    obtain(entry(KnownHash("git_blob_sha1", expected)), tmp_path)


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"\n", b""])
def test_a_wrong_or_truncated_file_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = put(tmp_path, content)
    with pytest.raises(DataError) as refused:
        obtain(entry(sha()), tmp_path)
    text = str(refused.value)
    assert str(path) in text
    assert SHA in text
    assert hashlib.sha256(content).hexdigest() in text
    assert "Delete it" in text
    assert "\n" not in text


def test_a_mirror_file_is_copied_in(tmp_path: Path) -> None:
    put(tmp_path / "mirror")
    files = obtain(entry(sha()), tmp_path / "raw", tmp_path / "mirror")
    assert files["edges"] == tmp_path / "raw/toy/raw/edges.txt"
    assert files["edges"].read_bytes() == CONTENT


def test_a_wrong_mirror_file_is_not_copied_in(tmp_path: Path) -> None:
    wrong = put(tmp_path / "mirror", b"0 1\n")
    with pytest.raises(DataError, match=str(wrong)):
        obtain(entry(sha()), tmp_path / "raw", tmp_path / "mirror")
    assert not [path for path in (tmp_path / "raw").rglob("*") if path.is_file()]


def test_a_missing_file_is_said_in_one_line_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    with pytest.raises(DataError) as missing:
        obtain(entry(sha()), tmp_path / "raw", tmp_path / "mirror")
    text = str(missing.value)
    for part in ("toy: ", str(tmp_path / "raw/toy/raw/edges.txt"), str(tmp_path / "mirror/toy")):
        assert part in text
    assert UNREACHABLE in text
    assert "no connection after 3 attempts" in text
    assert "NEGLINK_MIRROR" in text
    assert "\n" not in text


def test_without_a_known_hash_a_file_is_not_used_and_its_sha256_is_printed(tmp_path: Path) -> None:
    put(tmp_path)
    with pytest.raises(DataError, match="no hash is known") as refused:
        obtain(entry(), tmp_path)
    assert SHA in str(refused.value)
    assert "data.hashes" in str(refused.value)


def test_without_a_known_hash_nothing_is_downloaded(
    tmp_path: Path, server: tuple[str, Path, list[str]]
) -> None:
    url, _, asked = server
    with pytest.raises(DataError, match=r"state its SHA-256 in data\.hashes"):
        obtain(entry(url=f"{url}/edges.txt"), tmp_path)
    assert not asked


def test_a_stated_hash_makes_a_file_usable(tmp_path: Path) -> None:
    put(tmp_path)
    obtain(entry(), tmp_path, hashes={"toy/raw/edges.txt": SHA.upper()})


def test_a_stated_hash_replaces_the_known_one(tmp_path: Path) -> None:
    put(tmp_path)
    with pytest.raises(DataError, match=r"stated in data\.hashes"):
        obtain(entry(sha()), tmp_path, hashes={"toy/raw/edges.txt": "0" * 64})


@pytest.mark.parametrize("stated", [{"toy/edges.txt": SHA}, {"toy/raw/edges.txt": "abc"}])
def test_a_hash_of_no_file_or_of_no_length_is_refused(stated: dict[str, str]) -> None:
    with pytest.raises(ParamsError, match=r"data\.hashes"):
        own_hashes(entry(), stated)


def test_hashes_of_other_data_sets_are_passed_over() -> None:
    assert own_hashes(entry(), {"WikiCS/raw/data.json": SHA}) == {}


def test_any_of_several_known_hashes_will_do(tmp_path: Path) -> None:
    put(tmp_path)
    obtain(entry(sha("0" * 64), sha()), tmp_path)


def test_a_file_is_downloaded_and_verified(
    tmp_path: Path, server: tuple[str, Path, list[str]]
) -> None:
    url, served, _ = server
    (served / "edges.txt").write_bytes(CONTENT)
    files = obtain(entry(sha(), url=f"{url}/edges.txt"), tmp_path / "raw")
    assert files["edges"].read_bytes() == CONTENT


def test_members_of_an_archive_cost_one_download(
    tmp_path: Path, server: tuple[str, Path, list[str]]
) -> None:
    url, served, asked = server
    with zipfile.ZipFile(served / "toy.zip", "w") as archive:
        archive.writestr("some/folder/edges.txt", CONTENT)
        archive.writestr("some/folder/not_edges.txt", b"")
    toy = entry(sha(), url=f"{url}/toy.zip", member="edges.txt", count=2)
    files = obtain(toy, tmp_path / "raw")
    assert [path.read_bytes() for path in files.values()] == [CONTENT] * 2
    assert asked == ["/toy.zip"]


@pytest.mark.parametrize(
    ("path", "attempts", "reason"),
    [
        ("gone", 1, "the server answered 404"),
        ("broken", 3, "the server answered 503"),
        ("short", 3, "is missing"),
        ("other.txt", 1, "is not the file it should be"),
        ("no.zip", 1, "not a zip file"),
    ],
)
def test_a_failed_download_leaves_nothing_behind(
    tmp_path: Path, server: tuple[str, Path, list[str]], path: str, attempts: int, reason: str
) -> None:
    url, served, asked = server
    (served / "other.txt").write_bytes(b"<html>quota exceeded</html>")
    (served / "no.zip").write_bytes(b"<html>quota exceeded</html>")
    member = "edges.txt" if path.endswith("zip") else None
    with pytest.raises(DataError, match=reason):
        obtain(entry(sha(), url=f"{url}/{path}", member=member), tmp_path / "raw")
    assert len(asked) == attempts
    assert not [left for left in (tmp_path / "raw").rglob("*") if left.is_file()]


def test_places_from_near_to_far(tmp_path: Path) -> None:
    toy, raw, mirror = entry(sha()), tmp_path / "raw", tmp_path / "mirror"
    assert locate(toy, toy.files[0], raw, mirror).kind == "url"
    assert locate(entry(), toy.files[0], raw, mirror).kind == "url"  # the file's own hashes count
    assert locate(entry(), entry().files[0], raw, mirror).kind == "nowhere"
    put(mirror)
    assert locate(toy, toy.files[0], raw, mirror).kind == "mirror"
    put(raw)
    assert locate(toy, toy.files[0], raw, mirror).kind == "raw"


def test_the_mirror_is_the_setting_then_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NEGLINK_MIRROR", raising=False)
    assert mirror_folder() is None
    monkeypatch.setenv("NEGLINK_MIRROR", str(tmp_path))
    assert mirror_folder() == tmp_path
    with pytest.raises(DataError, match=r"data\.mirror"):
        mirror_folder(tmp_path / "none")
    monkeypatch.setenv("NEGLINK_MIRROR", str(tmp_path / "none"))
    with pytest.raises(DataError, match="NEGLINK_MIRROR"):
        mirror_folder()
