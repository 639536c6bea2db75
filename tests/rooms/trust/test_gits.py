"""Git as an anchor: real repositories, real pushes; the object's id is computed again without Git."""

from __future__ import annotations

import hashlib
import os
import pathlib
import subprocess
import threading

import pytest

from tests.rooms.trust.logs import MadeLog, make_log
from whence.errors import EvidenceError, InputError, RemoteError
from whence.trust import Trust, bytes_of, find_kind, spelled
from whence.trust.gits import Git


def git(folder: pathlib.Path, *arguments: str, given: bytes = b"") -> bytes:
    """Run Git as its user does."""
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], input=given, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def make_repository(folder: pathlib.Path, *, algorithm: str = "sha1") -> pathlib.Path:
    """Make a repository with a commit, a change that is staged, one that isn't, and a stray file."""
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main", f"--object-format={algorithm}")
    git(folder, "config", "user.name", "Ada Ørsted")
    git(folder, "config", "user.email", "ada@example.org")
    (folder / "train.py").write_text("epochs = 3\n")
    git(folder, "add", "train.py")
    git(folder, "commit", "--quiet", "-m", "first")
    (folder / "train.py").write_text("epochs = 4\n")
    git(folder, "add", "train.py")
    (folder / "train.py").write_text("epochs = 5\n")
    (folder / "stray.txt").write_text("not kept\n")
    return folder


@pytest.fixture(autouse=True)
def nobody(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration but the repository's own."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)


@pytest.fixture
def log(tmp_path: pathlib.Path) -> MadeLog:
    return make_log(tmp_path / "log")


@pytest.fixture
def repository(tmp_path: pathlib.Path) -> pathlib.Path:
    return make_repository(tmp_path / "repository")


def state_of(folder: pathlib.Path) -> tuple[bytes, ...]:
    """What anchoring must not touch: index, working tree, what is checked out, configuration."""
    index = (folder / ".git/index").read_bytes()
    files = [path.read_bytes() for path in sorted(folder.glob("*")) if path.is_file()]
    return index, *files, git(folder, "rev-parse", "HEAD"), (folder / ".git/config").read_bytes()


def trusting(*repositories: pathlib.Path, **settings: object) -> Trust:
    return Trust(settings={"repositories": [str(each) for each in repositories], **settings})


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
@pytest.mark.parametrize("branch", [None, "anchors"], ids=["tag", "commit"])
def test_a_checkpoint_is_carried_and_its_object_has_its_id(
    tmp_path: pathlib.Path, log: MadeLog, algorithm: str, branch: str | None
) -> None:
    repository = make_repository(tmp_path / "repository", algorithm=algorithm)
    before = state_of(repository)
    evidence = Git(repository=str(repository), branch=branch).anchor(log.checkpoint())
    assert state_of(repository) == before
    assert evidence["type"] == ("commit" if branch else "tag")
    raw = bytes_of(evidence, "object")
    head = f"{evidence['type']} {len(raw)}\0".encode()
    assert hashlib.new(algorithm, head + raw).hexdigest() == evidence["id"]
    assert raw.endswith(b"\n\n" + log.checkpoint())
    found = Git.check(evidence, log.checkpoint(), Trust())
    assert not found.is_trusted
    assert found.by.startswith("Ada Ørsted <ada@example.org> in Git")
    (file,) = Git.export(evidence).items()
    assert file[0] == f".{evidence['type']}"
    assert (
        git(repository, "hash-object", "-t", evidence["type"], "--stdin", given=file[1]).decode().strip()
        == (evidence["id"])
    )
    if branch:
        assert git(repository, "show", f"{branch}:checkpoint") == log.checkpoint()


def test_the_same_checkpoint_takes_the_same_tag_and_the_same_commit(
    log: MadeLog, repository: pathlib.Path
) -> None:
    for branch in (None, "anchors"):
        kind = Git(repository=str(repository), branch=branch)
        assert kind.anchor(log.checkpoint()) == kind.anchor(log.checkpoint())
    assert git(repository, "rev-list", "--count", "anchors") == b"1\n"


def test_a_branch_of_anchors_grows(log: MadeLog, repository: pathlib.Path) -> None:
    kind = Git(repository=str(repository), branch="anchors")
    first = log.checkpoint()
    evidences = [kind.anchor(first), kind.anchor(log.grow("another"))]
    assert kind.anchor(first) == evidences[0]
    assert git(repository, "rev-list", "anchors").decode().split() == [each["id"] for each in evidences[::-1]]


@pytest.mark.parametrize("branch", [None, "anchors"], ids=["tags", "commits"])
def test_anchorers_at_the_same_moment_lose_nothing(
    log: MadeLog, repository: pathlib.Path, branch: str | None
) -> None:
    """Four logs' checkpoints, twice each, into one repository at once."""
    checkpoints = [log.checkpoint(), *(log.grow(f"more {number}") for number in range(3))]
    barrier = threading.Barrier(8)
    ids: list[str] = []

    def anchor(checkpoint: bytes) -> None:
        barrier.wait()
        ids.append(Git(repository=str(repository), branch=branch).anchor(checkpoint)["id"])

    threads = [threading.Thread(target=anchor, args=(each,)) for each in checkpoints * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 8
    kept = git(repository, "for-each-ref", "--format=%(objectname)", "refs/tags").decode().split()
    if branch:
        kept = git(repository, "rev-list", branch).decode().split()
    assert set(ids) <= set(kept)
    assert len(set(ids)) == 4


def test_a_branch_that_is_checked_out_is_never_moved(log: MadeLog, repository: pathlib.Path) -> None:
    for name in ("main", "elsewhere"):
        if name == "elsewhere":
            git(repository, "worktree", "add", "--quiet", "-b", name, str(repository.parent / "other"))
        before = git(repository, "rev-parse", name)
        with pytest.raises(InputError, match="is checked out"):
            Git(repository=str(repository), branch=name).anchor(log.checkpoint())
        assert git(repository, "rev-parse", name) == before


def test_a_repository_that_git_names_for_its_hooks_is_not_taken_for_the_one_that_is_named(
    tmp_path: pathlib.Path, log: MadeLog, repository: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_repository(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git/index"))
    Git(repository=str(repository)).anchor(log.checkpoint())
    monkeypatch.delenv("GIT_DIR")
    assert git(other, "tag") == b""
    assert git(repository, "tag") != b""


def test_nothing_is_pushed_unasked_and_what_is_not_pushed_is_said(
    tmp_path: pathlib.Path, log: MadeLog, repository: pathlib.Path
) -> None:
    shared = tmp_path / "shared.git"
    git(tmp_path, "init", "--quiet", "--bare", str(shared))
    git(repository, "remote", "add", "origin", str(shared))
    checkpoint = log.checkpoint()
    kind = Git(repository=str(repository), branch="anchors")
    evidence = kind.anchor(checkpoint)
    assert git(shared, "for-each-ref") == b""
    found = Git.check(evidence, checkpoint, trusting(repository))
    assert not found.is_trusted
    assert "not pushed, or taken back" in found.rests_on
    assert "hasn't got it" in Git.check(evidence, checkpoint, trusting(shared)).rests_on
    assert Git(repository=str(repository), branch="anchors", push="origin").anchor(checkpoint) == evidence
    assert git(shared, "rev-parse", "anchors").decode().strip() == evidence["id"]
    for place, ref in ((repository, "refs/remotes/origin/anchors"), (shared, "refs/heads/anchors")):
        found = Git.check(evidence, checkpoint, trusting(place))
        assert found.is_trusted
        assert f"{ref} leads to it" in found.rests_on
    assert not Git.check(evidence, checkpoint, trusting(shared, refs=["refs/heads/main"])).is_trusted


def test_a_repository_that_shows_another_object_in_its_place_has_not_got_it(
    log: MadeLog, repository: pathlib.Path
) -> None:
    """`git replace` makes every command show something else under an id."""
    evidence = Git(repository=str(repository)).anchor(log.checkpoint())
    other = bytes_of(evidence, "object").replace(b"Ada", b"Eve")
    name = git(repository, "hash-object", "-w", "-t", "tag", "--stdin", given=other).decode().strip()
    git(repository, "replace", evidence["id"], name)
    found = Git.check(evidence, log.checkpoint(), trusting(repository, refs=["refs/tags"]))
    assert not found.is_trusted
    assert "another object of that id" in found.rests_on


@pytest.mark.parametrize("remote", ["--mirror", "-f"])
def test_a_remote_is_never_taken_for_an_option(log: MadeLog, repository: pathlib.Path, remote: str) -> None:
    with pytest.raises(InputError, match="name of a remote"):
        Git(repository=str(repository), push=remote).anchor(log.checkpoint())


def test_a_branch_that_was_rewritten_elsewhere_no_longer_vouches(
    tmp_path: pathlib.Path, log: MadeLog, repository: pathlib.Path
) -> None:
    shared = tmp_path / "shared.git"
    git(tmp_path, "init", "--quiet", "--bare", str(shared))
    git(repository, "remote", "add", "origin", str(shared))
    evidence = Git(repository=str(repository), branch="anchors", push="origin").anchor(log.checkpoint())
    git(repository, "push", "--quiet", "--force", "origin", "main:anchors")
    found = Git.check(evidence, log.checkpoint(), trusting(shared))
    assert not found.is_trusted
    assert "taken back" in found.rests_on


def test_a_tag_is_pushed_and_found_where_it_went(
    tmp_path: pathlib.Path, log: MadeLog, repository: pathlib.Path
) -> None:
    shared = tmp_path / "shared.git"
    git(tmp_path, "init", "--quiet", "--bare", str(shared))
    evidence = Git(repository=str(repository), push=str(shared)).anchor(log.checkpoint())
    found = Git.check(evidence, log.checkpoint(), trusting(shared))
    assert found.is_trusted
    assert evidence["ref"] in found.rests_on


def test_a_push_that_fails_says_so_and_can_be_made_good(
    tmp_path: pathlib.Path, log: MadeLog, repository: pathlib.Path
) -> None:
    shared = tmp_path / "shared.git"
    with pytest.raises(RemoteError, match=r"(?s)was made, and not pushed.*anchor again"):
        Git(repository=str(repository), push=str(shared)).anchor(log.checkpoint())
    git(tmp_path, "init", "--quiet", "--bare", str(shared))
    evidence = Git(repository=str(repository), push=str(shared)).anchor(log.checkpoint())
    assert git(shared, "rev-parse", evidence["ref"]).decode().strip() == evidence["id"]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        pytest.param(lambda folder: folder.mkdir(), "not a git repository", id="no repository"),
        pytest.param(lambda folder: None, "No such file", id="no folder"),
        pytest.param(
            lambda folder: git(folder.parent, "init", "-q", folder.name), "no commit", id="no commit"
        ),
    ],
)
def test_where_there_is_nothing_to_tag_the_user_is_told(
    tmp_path: pathlib.Path, log: MadeLog, make: object, said: str
) -> None:
    assert callable(make)
    make(tmp_path / "nothing")
    with pytest.raises(InputError, match=rf"(?s){said}.*--repository"):
        Git(repository=str(tmp_path / "nothing")).anchor(log.checkpoint())


class TestAnObjectIsRefused:
    """Whatever isn't exactly the object of exactly this checkpoint."""

    @pytest.mark.parametrize("branch", [None, "anchors"], ids=["tag", "commit"])
    def test_every_flipped_bit(self, log: MadeLog, repository: pathlib.Path, branch: str | None) -> None:
        evidence = Git(repository=str(repository), branch=branch).anchor(log.checkpoint())
        raw = bytes_of(evidence, "object")
        for place in range(len(raw) * 8):
            flipped = bytearray(raw)
            flipped[place // 8] ^= 1 << place % 8
            with pytest.raises(EvidenceError):
                Git.check({**evidence, "object": spelled(bytes(flipped))}, log.checkpoint(), Trust())

    def test_another_checkpoint(self, log: MadeLog, repository: pathlib.Path) -> None:
        evidence = Git(repository=str(repository)).anchor(log.checkpoint())
        with pytest.raises(EvidenceError, match="doesn't carry this checkpoint"):
            Git.check(evidence, log.grow("one more"), Trust())

    @pytest.mark.parametrize(
        ("before", "behind"),
        [(b"See:\n\n", b""), (b"", b"and more\n"), (b"", b"\n-----BEGIN x"), (b"> ", b"")],
    )
    def test_a_message_that_quotes_it(
        self, log: MadeLog, repository: pathlib.Path, before: bytes, behind: bytes
    ) -> None:
        evidence = Git(repository=str(repository)).anchor(log.checkpoint())
        head, line, rest = bytes_of(evidence, "object").partition(b"\n\n")
        raw = head + line + before + rest + behind
        name = git(repository, "hash-object", "-w", "-t", "tag", "--stdin", given=raw).decode().strip()
        with pytest.raises(EvidenceError, match="doesn't carry this checkpoint"):
            Git.check({**evidence, "object": spelled(raw), "id": name}, log.checkpoint(), Trust())

    def test_one_without_end(self, log: MadeLog, repository: pathlib.Path) -> None:
        evidence = Git(repository=str(repository)).anchor(log.checkpoint())
        raw = bytes_of(evidence, "object").replace(b"tagger ", b"tagger " + b"A" * (1 << 20))
        name = hashlib.sha1(b"tag %d\0" % len(raw) + raw).hexdigest()
        with pytest.raises(EvidenceError, match="no tag and no commit"):
            Git.check({**evidence, "object": spelled(raw), "id": name}, log.checkpoint(), Trust())

    @pytest.mark.parametrize(
        "change",
        [
            {"type": "blob"},
            {"type": "commit"},
            {"type": 3},
            {"id": "00" * 20},
            {"id": ""},
            {"object": "!"},
            {"object": ""},
            {"object": None},
        ],
    )
    def test_other_fields(self, log: MadeLog, repository: pathlib.Path, change: dict[str, object]) -> None:
        evidence = Git(repository=str(repository)).anchor(log.checkpoint())
        with pytest.raises(EvidenceError):
            Git.check({**evidence, **change}, log.checkpoint(), Trust())


class TestASignedTag:
    """Git's own signature stays on the object, and is checked against the reader's allowed signers."""

    @pytest.fixture
    def keys(self, tmp_path: pathlib.Path, repository: pathlib.Path) -> pathlib.Path:
        for name in ("key", "other"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(tmp_path / name)]
            subprocess.run(command, check=True)
            public = (tmp_path / f"{name}.pub").read_text()
            (tmp_path / f"{name}.signers").write_text(f"ada@example.org {public}")
        git(repository, "config", "gpg.format", "ssh")
        git(repository, "config", "user.signingKey", str(tmp_path / "key"))
        return tmp_path

    @pytest.mark.parametrize("branch", [None, "anchors"], ids=["tag", "commit"])
    def test_it_is_checked_where_signers_are_named(
        self, log: MadeLog, repository: pathlib.Path, keys: pathlib.Path, branch: str | None
    ) -> None:
        evidence = Git(repository=str(repository), branch=branch, sign=True).anchor(log.checkpoint())
        assert b"BEGIN SSH SIGNATURE" in bytes_of(evidence, "object")
        assert "by whom isn't checked" in Git.check(evidence, log.checkpoint(), Trust()).by
        good = Trust(settings={"signers": "key.signers"}, folder=keys)
        assert "signed by one of" in Git.check(evidence, log.checkpoint(), good).by
        bad = Trust(settings={"signers": "other.signers"}, folder=keys)
        with pytest.raises(EvidenceError, match="signature on Git"):
            Git.check(evidence, log.checkpoint(), bad)


def test_it_is_found_by_its_name() -> None:
    assert find_kind("git") is Git
