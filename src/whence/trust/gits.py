"""Git: a tag or a commit whose message is the checkpoint.

The evidence is the object's bytes, from which its id is computed again without Git. Alone it proves little:
anyone can make an object with any date. What counts is that a repository out of the operator's hands has it:
the reader names one that he trusts, and there a branch or a tag must lead to it.

    message = one line about it, a blank line, the signed checkpoint; behind it, in a tag, Git's own signature

Neither the working tree nor the index is touched, no branch that is checked out is moved, nothing is pushed
unless that was asked for. Source: Git's gitformat-signature, gitformat-pack; git-tag, git-commit-tree.
"""

from __future__ import annotations

import datetime as dt
import os
import pathlib
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from whence.errors import EvidenceError, InputError, RemoteError
from whence.ledger import parse_checkpoint, parse_note
from whence.trust.kinds import Anchored, Trust, bytes_of, spelled, text_of
from whence.vocab import digest_bytes, git_object_id

_TIMEOUT_S = 30.0
_PUSH_TIMEOUT_S = 120.0
_TRIES = 10
_OBJECT_LIMIT = 1 << 20
_HASHES = {40: "sha1", 64: "sha256"}
_SIGNATURE = b"-----BEGIN "
_MADE = {"tag": re.compile(rb"^tagger (.*) (\d{1,11}) [+-]\d{4}$", re.MULTILINE)}
_MADE["commit"] = re.compile(rb"^committer (.*) (\d{1,11}) [+-]\d{4}$", re.MULTILINE)

# Git sets these for its hooks; they would send a command to another repository than the one that is named.
_LOCAL = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_WORK_TREE",
)
_QUIET = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


class Git:
    """A tag or a commit in a repository.

    Args:
        repository: a folder in it; by default the current one.
        branch: a branch to put a commit on, instead of a tag; it is made where there is none.
        sign: whether Git is to sign it, with the key that it is set up with.
        push: the remote to push it to; None pushes nothing.
    """

    kind: ClassVar[str] = "git"
    repeats: ClassVar[bool] = True

    def __init__(
        self,
        *,
        repository: str = ".",
        branch: str | None = None,
        sign: bool = False,
        push: str | None = None,
    ) -> None:
        self._repository = repository
        self._branch = branch
        self._sign = sign
        self._push = push

    def anchor(self, checkpoint: bytes) -> dict[str, Any]:
        """Make the tag or the commit; one that is there already is taken as it is.

        Raises:
            InputError: there is no such repository, or Git refuses.
            RemoteError: it was made, and couldn't be pushed.
        """
        self._git("rev-parse", "--git-dir")
        if self._branch is None:
            kind, ref = "tag", self._tag(checkpoint)
            name = self._find(ref)
        else:
            kind, ref = "commit", f"refs/heads/{self._branch}"
            name = self._commit(checkpoint, ref)
        if self._push is not None:
            self._pushed(ref)
        evidence = {
            "id": name,
            "object": spelled(self._git("cat-file", kind, name)),
            "ref": ref,
            "type": kind,
        }
        self.check(evidence, checkpoint, Trust())
        return evidence

    @staticmethod
    def check(evidence: Mapping[str, Any], checkpoint: bytes, trust: Trust) -> Anchored:
        """Check that an object has its id and carries the checkpoint, and who has it.

        Args:
            evidence: what `anchor` gave.
            checkpoint: the signed checkpoint.
            trust: `repositories`, folders of repositories out of the operator's hands; `refs`, the patterns
                of the branches and tags that count there, by default those of remotes, and all in a bare
                repository; `signers`, a file of allowed signers as ssh-keygen reads it.
        """
        found = _Object.of(evidence)
        found.check_carries(checkpoint)
        signed = _signed_words(found, trust)
        by = f"{found.maker} in Git {found.kind} {found.name[:12]}{signed}"
        places = trust.texts("repositories")
        said = [_reached(str(trust.folder / each), found, trust.texts("refs")) for each in places]
        good = next((each for each in said if each.is_reached), None)
        if good is not None:
            rests_on = f"{good.words}, and that its maker's clock was right"
        elif said:
            rests_on = "; ".join(each.words for each in said)
        else:
            rests_on = "nothing yet: no repository was named that must have it"
        return Anchored(at=found.at, by=by, rests_on=rests_on, is_trusted=good is not None)

    @staticmethod
    def export(evidence: Mapping[str, Any]) -> dict[str, bytes]:
        """The object's bytes, for `git hash-object -t TYPE --stdin`."""
        found = _Object.of(evidence)
        return {f".{found.kind}": found.data}

    def _tag(self, checkpoint: bytes) -> str:
        said = parse_checkpoint(parse_note(checkpoint).text)
        shard = re.sub(r"[^A-Za-z0-9_-]+", "-", said.origin.rpartition("/")[2]).strip("-") or "log"
        name = f"whence/{shard}-{said.size}-{digest_bytes(checkpoint).hex()[:8]}"
        self._git("rev-parse", "--verify", "--quiet", "HEAD^{commit}", problem="it has no commit to tag yet")
        signing = ["--sign"] if self._sign else []
        arguments = ("tag", "--annotate", *signing, "--cleanup=verbatim", "--file=-", name, "HEAD")
        for tries_left in reversed(range(_TRIES)):
            # anchored before, or by somebody else at this moment: one checkpoint needs one tag
            if self._has(f"refs/tags/{name}", checkpoint):
                break
            try:
                self._git(*arguments, given=_message(checkpoint))
            except InputError:
                if not tries_left:
                    raise
        return f"refs/tags/{name}"

    def _commit(self, checkpoint: bytes, ref: str) -> str:
        """Put a commit on a branch that isn't checked out anywhere."""
        self._git("check-ref-format", ref, problem=f"{self._branch!r} can't be the name of a branch")
        worktrees = self._git("worktree", "list", "--porcelain").decode("utf-8", "replace")
        if f"branch {ref}" in worktrees.splitlines():
            raise InputError(
                f"the branch {self._branch} is checked out, and a commit would change it under its user",
                remedy="Name a branch of its own for anchors, as --branch whence-anchors.",
            )
        blob = self._git("hash-object", "-w", "--stdin", given=checkpoint).decode().strip()
        tree = self._git("mktree", given=f"100644 blob {blob}\tcheckpoint\n".encode()).decode().strip()
        signing = ["-S"] if self._sign else []
        for _ in range(_TRIES):
            old = self._find(ref)
            if old and (known := self._find_commit(old, blob, checkpoint)):
                return known
            parent = ["-p", old] if old else []
            made = self._git("commit-tree", *signing, *parent, "-F", "-", tree, given=_message(checkpoint))
            name = made.decode().strip()
            try:  # the old value is compared, so that nobody else's commit is lost
                self._git("update-ref", ref, name, old or "0" * len(name))
            except InputError:
                continue
            return name
        raise InputError(f"the branch {self._branch} moves all the time", remedy="Try again.")

    def _find(self, ref: str) -> str:
        try:
            return self._git("rev-parse", "--verify", "--quiet", ref).decode().strip()
        except InputError:
            return ""

    def _find_commit(self, tip: str, blob: str, checkpoint: bytes) -> str:
        """Find the commit that brought a checkpoint to a branch; empty where there is none."""
        said = self._git("log", "--format=%H", "--reverse", f"--find-object={blob}", tip)
        names = said.decode().split()
        return next((name for name in names if self._has(name, checkpoint)), "")

    def _has(self, ref: str, checkpoint: bytes) -> bool:
        try:
            return checkpoint in self._git("cat-file", "-p", ref)
        except InputError:
            return False

    def _pushed(self, ref: str) -> None:
        assert self._push is not None
        if self._push.startswith("-"):
            raise InputError(f"{self._push!r} can't be the name of a remote")
        done = _run(self._repository, "push", self._push, ref, timeout_s=_PUSH_TIMEOUT_S)
        if isinstance(done, str):
            raise RemoteError(
                f"{ref} was made, and not pushed to {self._push}: {done}",
                remedy="See that the remote can be pushed to, and anchor again: the same object is taken.",
            )

    def _git(self, *arguments: str, given: bytes = b"", problem: str = "") -> bytes:
        said = _run(self._repository, *arguments, given=given)
        if isinstance(said, str):
            raise InputError(
                f"Git, in {self._repository}: {problem or said}",
                remedy="Name the repository with --repository, and see that git can tag and commit in it.",
            )
        return said


class _Object(NamedTuple):
    """A tag or a commit, its id checked."""

    kind: str
    name: str
    data: bytes
    at: dt.datetime
    maker: str

    @classmethod
    def of(cls, evidence: Mapping[str, Any]) -> _Object:
        kind, name, data = text_of(evidence, "type"), text_of(evidence, "id"), bytes_of(evidence, "object")
        if kind not in _MADE or len(name) not in _HASHES or len(data) > _OBJECT_LIMIT:
            raise EvidenceError("evidence: no tag and no commit of Git")
        wanted = git_object_id(kind, data, algorithm=_HASHES[len(name)])
        if wanted != name:
            raise EvidenceError(f"evidence: the object's id is {wanted}, not {name:.64}")
        made = _MADE[kind].search(data.partition(b"\n\n")[0])
        if made is None:
            raise EvidenceError(f"evidence: {kind} {name} doesn't say who made it, and when")
        at = dt.datetime.fromtimestamp(int(made[2]), dt.UTC)
        return cls(kind, name, data, at, made[1].decode("utf-8", "replace"))

    @property
    def message(self) -> bytes:
        """What its maker wrote, a tag's signature behind it."""
        return self.data.partition(b"\n\n")[2]

    def check_carries(self, checkpoint: bytes) -> None:
        """Check that the message is this checkpoint's; raises `EvidenceError`."""
        rest = self.message.removeprefix(_message(checkpoint))
        if rest == self.message or (rest and not rest.startswith(_SIGNATURE)):
            raise EvidenceError(f"evidence: Git {self.kind} {self.name} doesn't carry this checkpoint")

    @property
    def is_signed(self) -> bool:
        """Whether Git's own signature is on it."""
        head = self.data.partition(b"\n\n")[0]
        return b"\ngpgsig" in head if self.kind == "commit" else b"\n" + _SIGNATURE in self.data


class _Reach(NamedTuple):
    is_reached: bool
    words: str


def _reached(place: str, found: _Object, patterns: Sequence[str]) -> _Reach:
    """Tell whether branches or tags of a repository lead to an object."""
    kept = _run(place, "cat-file", found.kind, found.name)
    if isinstance(kept, str):
        return _Reach(False, f"the repository {place} hasn't got it ({kept})")
    if kept != found.data:
        return _Reach(False, f"the repository {place} has another object of that id")
    if not patterns:
        is_bare = _run(place, "rev-parse", "--is-bare-repository") == b"true\n"
        patterns = ["refs/"] if is_bare else ["refs/remotes/"]
    way = "--contains" if found.kind == "commit" else "--points-at"
    refs = _run(place, "for-each-ref", "--format=%(refname)", way, found.name, *patterns)
    first = refs.decode("utf-8", "replace").partition("\n")[0] if isinstance(refs, bytes) else ""
    if first:
        return _Reach(True, f"the repository {place}, where {first} leads to it")
    names = ", ".join(patterns)
    return _Reach(False, f"not pushed, or taken back: in {place} nothing of {names} leads to it")


def _signed_words(found: _Object, trust: Trust) -> str:
    """Say whether it is signed, and by whom, as far as the reader can know.

    Raises:
        EvidenceError: it is signed by somebody else than the reader's allowed signers.
    """
    signers = trust.texts("signers")
    if not found.is_signed:
        return ""
    if not signers:
        return ", signed, by whom isn't checked"
    with tempfile.TemporaryDirectory(prefix="whence-git-") as folder:
        algorithm = _HASHES[len(found.name)]
        _run(folder, "init", "--quiet", "--bare", f"--object-format={algorithm}")
        _run(folder, "hash-object", "-w", "-t", found.kind, "--stdin", given=found.data)
        allowed = pathlib.Path(trust.folder / signers[0]).absolute()
        setting = ("-c", f"gpg.ssh.allowedSignersFile={allowed}")
        done = _run(folder, *setting, f"verify-{found.kind}", "--raw", found.name)
    if isinstance(done, str):
        raise EvidenceError(f"evidence: the signature on Git {found.kind} {found.name} doesn't hold: {done}")
    return f", signed by one of {allowed}"


def _message(checkpoint: bytes) -> bytes:
    said = parse_checkpoint(parse_note(checkpoint).text)
    return f"whence: {said.size} entries of {said.origin}\n\n".encode() + checkpoint


def _run(folder: str, *arguments: str, given: bytes = b"", timeout_s: float = _TIMEOUT_S) -> bytes | str:
    """Run a command of Git's: what it said, or why it failed."""
    environment = {name: value for name, value in os.environ.items() if name not in _LOCAL} | _QUIET
    quiet = ("-c", "core.fsmonitor=false", "-c", "gc.auto=0", "-c", "advice.detachedHead=false")
    try:
        done = subprocess.run(
            ["git", *quiet, "-C", folder, *arguments],
            input=given,
            capture_output=True,
            env=environment,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"git took more than {timeout_s:g} s"
    except OSError as error:
        return f"the git command can't be run ({error.strerror})"
    if done.returncode:
        return " ".join(done.stderr.decode("utf-8", "replace").split())[:300] or f"exit {done.returncode}"
    return done.stdout
