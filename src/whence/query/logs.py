"""One log, read as an outsider would: whose key, what it signed, every file, and who else vouches for it.

Only files are read, of a folder as C2SP tlog-tiles lays it out. What entries say is judged in `logged`.
"""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from whence.errors import InputError, NotFoundError, SignatureError, WhenceError
from whence.ledger import (
    WIDTH,
    Checkpoint,
    Grower,
    HashReader,
    Note,
    NoteVerifier,
    Policy,
    Verifier,
    audit,
    check_note,
    decode_bundle,
    entries_path,
    parse_checkpoint,
    parse_entry,
    parse_note,
    parse_vkey,
)
from whence.query.verdicts import KeyFrom, LogVerdict, Tally
from whence.store import explained_reading
from whence.trust import Checked, Trust, check_anchors

Each = Callable[[int, bytes], object]

CHECKPOINT = "checkpoint"
"""The file of a log that says what the others must lead to."""


@dataclass(frozen=True, slots=True)
class LogFolder:
    """A log's folder, to be read.

    Args:
        path: the folder.
        vkey: the key that signs it, once that is known.
    """

    path: pathlib.Path
    vkey: str = ""

    def checkpoint(self) -> bytes:
        """Read its newest signed checkpoint; raises `NotFoundError`, `StoreError`."""
        return self.read(CHECKPOINT)

    def read(self, path: str) -> bytes:
        """Read one of its files; raises `NotFoundError`, `StoreError`."""
        place = self.path / path
        with explained_reading(place):
            return place.read_bytes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """A checkpoint that somebody kept: how large the log was, and its root.

    Args:
        size: how many entries it had.
        root: of its tree.
        by: who kept it, in words.
    """

    size: int
    root: bytes
    by: str


def _signed_nothing(origin: str) -> Checkpoint | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What whoever verifies knows, and asks for.

    Args:
        policy: the logs that are known, and the witnesses that must have cosigned.
        keys: keys of logs that were given.
        own: the public keys of the own key ring.
        signed: tells what the own key ring signed last for a log, by its origin.
        trust: whom to believe about anchors, by kind.
        since: a checkpoint that was kept elsewhere.
        is_copy: whether it is about a copy, which may be older than what the own key ring remembers.
    """

    policy: Policy | None = None
    keys: tuple[Verifier, ...] = ()
    own: tuple[bytes, ...] = ()
    signed: Callable[[str], Checkpoint | None] = _signed_nothing
    trust: Mapping[str, Trust] = field(default_factory=dict)
    since: Note | None = None
    is_copy: bool = False

    def told(self) -> dict[str, Any] | None:
        """Say what the policy asks for; None where there is none."""
        if self.policy is None:
            return None
        return {
            "logs": [log.verifier.name for log in self.policy.logs],
            "witnesses": [witness.name for witness in self.policy.witnesses],
            "quorum": self.policy.quorum,
        }

    def keys_of(self, origin: str) -> tuple[list[Verifier], KeyFrom]:
        """Find who may sign for a log, and who says so.

        A policy that names logs and keys that were given have the only word.
        """
        named = [] if self.policy is None else [log.verifier for log in self.policy.logs]
        if named or self.keys:
            given = [verifier for verifier in self.keys if verifier.name == origin]
            known = [verifier for verifier in named if verifier.name == origin]
            return [*known, *given], "policy" if known or not given else "given"
        return list(self._own_of(origin)), "key ring"

    def is_foreign(self, note: Note) -> bool:
        """Whether a checkpoint is somebody else's: no own key is under it, nor ever signed for its log."""
        origin = parse_checkpoint(note.text).origin
        mine = {(verifier.name, verifier.key_id) for verifier in self._own_of(origin)}
        if any((signature.name, signature.key_id) in mine for signature in note.signatures):
            return False
        return self.signed(origin) is None

    def _own_of(self, origin: str) -> Iterator[Verifier]:
        """Give the own keys under a log's name; none under an origin that can't be a key's name."""
        with contextlib.suppress(InputError):
            yield from [NoteVerifier(origin, public) for public in self.own]

    def check_policy(self, tally: Tally) -> None:
        """Find a policy that demands nothing: whatever meets it proves nothing."""
        if self.policy is not None and not self.policy.logs and self.policy.quorum == "none":
            problem = "it names no log and asks for no witness, so that anything would meet it"
            tally.find("the policy", problem, kind="unmet")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSeen:
    """A log whose checkpoint is signed by its key.

    Args:
        name: of its folder.
        folder: its files.
        note: the checkpoint with its signatures.
        checkpoint: what it says.
        key_from: who named the key.
    """

    name: str
    folder: LogFolder
    note: Note
    checkpoint: Checkpoint
    key_from: KeyFrom

    @property
    def is_known(self) -> bool:
        """Whether somebody else than the log itself names its key."""
        return self.key_from != "log"

    def root_at(self, size: int) -> bytes:
        """Find the root of its first entries, from tiles that lead to its checkpoint.

        Raises:
            EvidenceError, NotFoundError, StoreError: the tiles don't, or aren't there.
        """
        if size == self.checkpoint.size:
            return self.checkpoint.root
        reader = HashReader(self.folder.read, size=self.checkpoint.size, root=self.checkpoint.root)
        return Grower.read(reader, size).root


def read_log(name: str, path: pathlib.Path, demand: Demand, tally: Tally) -> LogSeen | None:
    """Read what a log's checkpoint says, and check that its key signed that; None where it didn't."""
    folder = LogFolder(path)
    try:
        note = parse_note(folder.checkpoint())
        checkpoint = parse_checkpoint(note.text)
    except NotFoundError:
        tally.find(path / CHECKPOINT, "is missing: nothing says what this log must lead to")
        return None
    except WhenceError as error:
        tally.find(path / CHECKPOINT, error.message)
        return None
    keys, key_from = demand.keys_of(checkpoint.origin)
    if not keys and key_from != "key ring":
        problem = f"no key that the policy names, or that was given, is of the log {checkpoint.origin}"
        tally.find(path / CHECKPOINT, problem, kind="unmet")
        return None
    try:
        if key_from == "key ring" and demand.is_foreign(note):
            keys, key_from = [_key_in(folder, checkpoint.size)], "log"
        _, signed = check_note(note, keys)
    except WhenceError as error:
        tally.find(path / CHECKPOINT, error.message)
        return None
    if checkpoint.origin.rpartition("/")[2] != name:
        tally.find(
            path / CHECKPOINT, f"renamed: this is the log {checkpoint.origin}, in a folder of another name"
        )
    if key_from == "log":
        problem = (
            f"only the log itself names the key of {checkpoint.origin}, which says nothing of who signed it; "
            "name the key with --key, or in a policy"
        )
        tally.find(path / CHECKPOINT, problem, kind="unmet")
    known = LogFolder(path, signed[0].vkey)
    return LogSeen(name=name, folder=known, note=note, checkpoint=checkpoint, key_from=key_from)


def _key_in(folder: LogFolder, size: int) -> Verifier:
    """Find the key that a log's first entry names.

    Raises:
        SignatureError: it names none.
    """
    try:
        width = min(size, WIDTH)
        first = parse_entry(decode_bundle(folder.read(entries_path(0, width)), width)[0])
        return parse_vkey(str((first.public or {})["vkey"]))
    except (WhenceError, KeyError, IndexError) as error:
        raise SignatureError("nobody names a key of this log, neither does its first entry") from error


def audit_log(seen: LogSeen, tally: Tally, *, each: Each, listing: Iterable[str], is_newest: bool) -> None:
    """Hash every entry and every tile of a log again.

    Args:
        seen: the log.
        tally: takes what is found.
        each: is given each entry that leads to the root of the checkpoint.
        listing: the paths of the files that lie in its folder.
        is_newest: whether nothing newer was ever signed; files of a larger log are then no sign of a
            checkpoint that was put back, but what a writer left that died before it signed.
    """
    done = audit(seen.folder.read, seen.checkpoint, each=each, listing=listing)
    for finding in done.findings:
        place = f":{finding.places[0]}" if finding.places else ""
        where, problem = f"{seen.folder.path / finding.path}{place}", f"{finding.kind}: {finding.message}"
        if finding.kind == "ahead" and is_newest:
            tally.note(f"{where}: was never signed; its writer died")
        else:
            tally.find(where, problem)
    tally.count("entries", done.entries)
    if not seen.checkpoint.size:
        tally.find(
            seen.folder.path / CHECKPOINT, "the log has no entry, so that nothing in it can be checked"
        )


def compare_remembered(seen: LogSeen, remembered: Iterable[Remembered], tally: Tally) -> None:
    """Compare a log with what others kept of it: it must continue each checkpoint that it ever had."""
    now = seen.checkpoint
    for kept in remembered:
        if kept.size > now.size:
            problem = (
                f"rolled back: {kept.by} says that the log had {kept.size:,} entries, and here are "
                f"{now.size:,}; a backup was restored, or entries were taken away"
            )
            tally.find(seen.folder.path / CHECKPOINT, problem)
            continue
        try:
            root = seen.root_at(kept.size)
        except WhenceError:
            continue  # the audit names the tile
        if root != kept.root:
            problem = (
                f"{kept.by} says that the first {kept.size:,} entries were others: two histories of one log"
            )
            tally.find(seen.folder.path / CHECKPOINT, problem, kind="forked")


def judge_vouchers(seen: LogSeen, demand: Demand, tally: Tally) -> LogVerdict:
    """Find who else vouches for a log: the quorum of a policy, and anchors that the reader trusts."""
    size, words = 0, []
    if demand.policy is not None:
        try:
            met = demand.policy.met_by(seen.note, logs=demand.keys)
            if met.times_s:
                size, words = met.checkpoint.size, [f"witness {name}" for name in met.times_s]
            tally.count("cosignatures", len(met.times_s))
        except SignatureError as error:
            tally.find(seen.folder.path / CHECKPOINT, error.message, kind="unmet")
    for anchor in _anchors(seen, demand, tally):
        if anchor.anchored is not None and anchor.anchor is not None:
            size = max(size, anchor.anchor.size)
            words.append(f"{anchor.anchor.kind}: {anchor.anchored.by}")
    return LogVerdict(
        name=seen.name,
        origin=seen.checkpoint.origin,
        size=seen.checkpoint.size,
        root=seen.checkpoint.root.hex(),
        vkey=seen.folder.vkey,
        key_from=seen.key_from,
        vouched_size=size,
        vouchers=tuple(words),
    )


def _anchors(seen: LogSeen, demand: Demand, tally: Tally) -> list[Checked]:
    """Check the anchors of a log; gives those that hold and rest on something that the reader trusts."""
    found = []
    try:
        checked = check_anchors(seen.folder, trust=demand.trust)
    except WhenceError as error:
        tally.find(seen.folder.path / "anchors", error.message)
        return []
    for each in checked:
        tally.count("anchors")
        if each.state in ("false", "damaged", "foreign", "other-key", "ahead"):
            tally.find(each.path, each.problem)
        elif each.state == "differs":
            tally.find(each.path, each.problem, kind="forked")
        elif each.state == "holds" and each.anchored is not None and each.anchored.is_trusted:
            found.append(each)
        else:
            tally.note(f"{each.path.name}: {_why_not(each)}")
    return found


def _why_not(anchor: Checked) -> str:
    if anchor.problem:
        return anchor.problem
    by = "" if anchor.anchored is None else f", attested by {anchor.anchored.by}"
    return (
        f"is still awaited{by}" if anchor.state == "pending" else f"holds{by}, whom nobody named as trusted"
    )
