"""docs/how-to/remotes.md: the commands of a remote, as two people would give them."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from moto.server import ThreadedMotoServer

from tests.pipeline.conftest import REPOSITORY, Project
from tests.unit.documents import only

FOLDER, INSTALL, CLOUD, KEYS, SEND, RECEIVE, OWN, LOOK, PRUNE = only("how-to/remotes.md", "bash")
SECRET = "not-for-git"

ALWAYS = "\ndata:\n\talways changed\nreport:\n\talways changed\n"
"""All that `dvc status` says where everything is there."""


@pytest.fixture(scope="module")
def cloud() -> Iterator[str]:
    """Address of an S3 store on loopback, with the page's bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    requests.put(f"{address}/bucket", timeout=30).raise_for_status()
    yield address
    server.stop()


class Shared:
    """Two people's clones, what they send going through git and one remote."""

    STORED = ("data/*/*", "results/metrics/*", "results/checkpoints/*/*")

    def __init__(self, mine: Project, kind: str, cloud: str, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.cloud, self.patch = mine.folder.parent, cloud, patch
        self.mine, self.theirs = mine, Project(self.folder / "theirs", mine.home)
        patch.setenv("KEY", "theirs")
        patch.setenv("SECRET", SECRET)
        origin = str(self.folder / "origin.git")
        mine.call("git", "init", "--quiet", "--bare", origin)
        mine.call("git", "remote", "add", "origin", origin)
        mine.call("git", "push", "--quiet", "--set-upstream", "origin", "HEAD")
        self.follow(mine, FOLDER if kind == "folder" else CLOUD)
        assert "files pushed" in self.follow(mine, SEND)
        mine.call("git", "clone", "--quiet", origin, str(self.theirs.folder))
        if kind == "s3":
            self.follow(self.theirs, KEYS)

    def follow(self, project: Project, text: str) -> str:
        """Give a block's commands; mine finds its keys in the environment, theirs in a file."""
        text = text.replace("/path/to", str(self.folder))
        text = text.replace("https://s3.example.org", self.cloud)
        with self.patch.context() as environment:
            for name, value in (("ACCESS_KEY_ID", "mine"), ("SECRET_ACCESS_KEY", SECRET)):
                if project is self.mine:
                    environment.setenv(f"AWS_{name}", value)
                else:
                    environment.delenv(f"AWS_{name}", raising=False)
            return project.call("bash", "-ec", text)

    def receive(self, project: Project) -> None:
        """Receive what the other has sent, after which nothing is left to do."""
        told = self.follow(project, RECEIVE)
        assert ALWAYS in told
        assert "Nothing to be done" in told
        mine, theirs = (p.files(*self.STORED) for p in (self.mine, self.theirs))
        assert {path: text for path, (_, text) in mine.items()} == {
            path: text for path, (_, text) in theirs.items()
        }


def test_a_colleague_gets_what_was_sent_to_a_folder(
    tracked: Project, cloud: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = Shared(tracked, "folder", cloud, monkeypatch)
    assert not (shared.theirs.folder / "results/metrics").exists()
    shared.receive(shared.theirs)
    assert any((tmp_path / "store").rglob("*"))


@pytest.mark.parametrize("kind", ["s3", pytest.param("folder", marks=pytest.mark.slow)])
def test_a_colleague_adds_a_seed_and_sends_it_back(
    tracked: Project, kind: str, cloud: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = Shared(tracked, kind, cloud, monkeypatch)
    theirs = shared.theirs
    shared.receive(theirs)
    before = theirs.files(*shared.STORED)
    theirs.set("suites.tiny.seeds", 2)
    theirs.build()
    after = theirs.files(*shared.STORED)
    assert {path: after[path] for path in before} == before
    new = [path for path in after.keys() - before.keys() if path.startswith("results/metrics")]
    assert len(new) == 2
    assert all("-s1-" in path for path in new)
    assert "files pushed" in shared.follow(theirs, SEND)
    shared.receive(shared.mine)

    shared.follow(theirs, OWN)
    own = [path for path in (tmp_path / "scratch/files/md5").rglob("*") if path.is_file()]
    assert len(own) > len(after)
    assert "scratch" not in (theirs.folder / ".dvc/config").read_text()
    if kind == "s3":
        listed = requests.get(f"{cloud}/bucket?list-type=2&prefix=neglink/", timeout=30).text
        held = re.findall("<Key>neglink/files/md5/(.*?)</Key>", listed)
        names = {path.relative_to(tmp_path / "scratch/files/md5").as_posix() for path in own}
        assert names <= set(held)  # and what only the first seed's folders had
    theirs.call("git", "grep", "--text", SECRET, "HEAD", fails=True)


def test_the_package_for_s3_is_pinned() -> None:
    pip, *arguments = INSTALL.split()
    command = (sys.executable, "-m", pip, *arguments, "--dry-run", "--disable-pip-version-check")
    told = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert "dvc-s3" in told.stdout
    assert "Would install" not in told.stdout
