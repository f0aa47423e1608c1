"""docs/how-to/remotes.md: the commands of a remote, as two people would give them."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from moto.server import ThreadedMotoServer

from tests.pipeline.conftest import REPOSITORY, Project
from tests.unit.documents import only

pytestmark = pytest.mark.xdist_group("pipeline")

FOLDER, INSTALL, CLOUD, KEYS, SEND, RECEIVE, OWN, LOOK, PRUNE = only("how-to/remotes.md", "bash")
SECRET = "not-for-git"


@pytest.fixture(scope="module")
def cloud() -> Iterator[str]:
    """Address of an S3 store on loopback, with the page's bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    requests.put(f"{address}/bucket", timeout=30).raise_for_status()
    yield address
    server.stop()


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_results_travel_to_a_colleague_and_come_back_with_a_further_seed(
    tracked: Project, kind: str, cloud: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def follow(project: Project, text: str) -> str:
        text = text.replace("/path/to", str(tmp_path)).replace("https://s3.example.org", cloud)
        return project.call("bash", "-ec", text)

    def has_nothing_to_do(told: str) -> bool:
        return "Data and pipelines are up to date" in told and "Nothing to be done" in told

    mine, theirs = tracked, Project(tmp_path / "theirs", tracked.home)
    origin = str(tmp_path / "origin.git")
    mine.call("git", "init", "--quiet", "--bare", origin)
    mine.call("git", "remote", "add", "origin", origin)
    mine.call("git", "push", "--quiet", "--set-upstream", "origin", "HEAD")
    follow(mine, FOLDER if kind == "folder" else CLOUD)
    with monkeypatch.context() as mine_alone:
        mine_alone.setenv("AWS_ACCESS_KEY_ID", "mine")
        mine_alone.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        assert "files pushed" in follow(mine, SEND)

    mine.call("git", "clone", "--quiet", origin, str(theirs.folder))
    assert not (theirs.folder / "results/metrics").exists()
    monkeypatch.setenv("KEY", "theirs")
    monkeypatch.setenv("SECRET", SECRET)
    if kind == "s3":
        follow(theirs, KEYS)
    assert has_nothing_to_do(follow(theirs, RECEIVE))
    assert theirs.files("results/*/*.json").keys() >= mine.files("results/metrics/*").keys()

    before = theirs.files("data/*/*", "results/metrics/*", "results/checkpoints/*/*")
    theirs.set("seeds", 2)
    theirs.build()
    after = theirs.files("data/*/*", "results/metrics/*", "results/checkpoints/*/*")
    assert {path: after[path] for path in before} == before
    assert len(theirs.files("results/metrics/*")) == 2 * len(mine.files("results/metrics/*"))
    assert "files pushed" in follow(theirs, SEND)

    with monkeypatch.context() as mine_alone:
        mine_alone.setenv("AWS_ACCESS_KEY_ID", "mine")
        mine_alone.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        assert has_nothing_to_do(follow(mine, RECEIVE))
    received = mine.files("data/*/*", "results/metrics/*", "results/checkpoints/*/*")
    assert {path: text for path, (_, text) in received.items()} == {
        path: text for path, (_, text) in after.items()
    }
    for project in (mine, theirs):
        project.call("git", "grep", "--text", SECRET, "HEAD", fails=True)
    if kind == "s3":
        held = requests.get(f"{cloud}/bucket?list-type=2&prefix=neglink/", timeout=30).text
        assert held.count("<Key>neglink/files/md5/") > len(received)
    else:
        assert any((tmp_path / "store").rglob("*"))
        follow(theirs, OWN)
        assert any((tmp_path / "scratch").rglob("*"))
        assert "scratch" not in (theirs.folder / ".dvc/config").read_text()


def test_the_package_for_s3_is_pinned() -> None:
    pip, *arguments = INSTALL.split()
    command = (sys.executable, "-m", pip, *arguments, "--dry-run", "--disable-pip-version-check")
    told = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert "dvc-s3" in told.stdout
    assert "Would install" not in told.stdout
