"""Subjects: what the payloads of the usual kinds say, in as few bytes as a receipt has room for.

    run         [id, chain of the journal, count of its events, its length in bytes]
    model       [name, version, digest of the content, id of the run]; dataset the same
    artifact    [name, digest of the content, id of the run]
    decision    [id, digest of what the registry's file commits to]
    import      [shard, origin, size, root]

Each is a msgpack list; a later version may add to its end. An id that is a ULID is its 16 bytes, any other is
text. The payload of every other kind is a msgpack map in words of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from whence.errors import DamagedError
from whence.ledger.entries import Statement
from whence.vocab import DIGEST_BYTES, decode_content, encode_content

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# By pairs: a quarter of all verifying is ids.
_PAIRS = [first + second for first in _CROCKFORD for second in _CROCKFORD]
_ULID_LETTERS = 26
_ULID_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedRun:
    """A run as far as it had come when it ended, or when it was found lost.

    Args:
        run_id: the run's id.
        chain: the chain value of its journal's last frame, 32 bytes: it commits to all of the journal.
        event_count: how many events that are.
        size_bytes: how long the journal was; of a run that was gone on with, that much is its beginning.
    """

    run_id: str
    chain: bytes
    event_count: int
    size_bytes: int

    def statement(self, at_ms: int) -> Statement:
        """State it."""
        said = [_packed(self.run_id), self.chain, self.event_count, self.size_bytes]
        return Statement("run", at_ms, encode_content(said))


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedVersion:
    """A version of a model, or of a dataset.

    Args:
        kind: which of them.
        name: its name.
        version: its number; 0 where it was given none.
        digest: of its content, 32 bytes.
        run_id: the run that logged it.
    """

    kind: Literal["model", "dataset"]
    name: str
    version: int
    digest: bytes
    run_id: str

    def statement(self, at_ms: int) -> Statement:
        """State it."""
        said = [self.name, self.version, self.digest, _packed(self.run_id)]
        return Statement(self.kind, at_ms, encode_content(said))


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedArtifact:
    """A file that a run left: its name, the digest of its content, and the run's id."""

    name: str
    digest: bytes
    run_id: str

    def statement(self, at_ms: int) -> Statement:
        """State it."""
        return Statement("artifact", at_ms, encode_content([self.name, self.digest, _packed(self.run_id)]))


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedDecision:
    """A decision of the registry: its id, and the digest of the event that its file begins with."""

    decision_id: str
    digest: bytes

    def statement(self, at_ms: int) -> Statement:
        """State it."""
        return Statement("decision", at_ms, encode_content([_packed(self.decision_id), self.digest]))


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedShard:
    """A shard of another workspace's ledger as it came here: its name, origin, size and root."""

    shard: str
    origin: str
    size: int
    root: bytes

    def statement(self, at_ms: int) -> Statement:
        """State it."""
        return Statement("import", at_ms, encode_content([self.shard, self.origin, self.size, self.root]))


Subject = SealedRun | LoggedVersion | LoggedArtifact | LoggedDecision | ImportedShard


def subject_of(kind: str, payload: bytes) -> Subject | None:
    """Read what a payload says; None for a kind that says it in words of its own.

    Raises:
        DamagedError: it doesn't have the form of its kind.
    """
    read = _READERS.get(kind)
    if read is None:
        return None
    try:
        return read(decode_content(payload))
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise DamagedError(f"the payload of an entry of kind {kind} isn't of its form") from error


def _run(said: list[Any]) -> SealedRun:
    return SealedRun(
        run_id=_unpacked(said[0]), chain=_digest(said[1]), event_count=_count(said[2]),
        size_bytes=_count(said[3]),
    )  # fmt: skip


def _version(kind: Literal["model", "dataset"]) -> Callable[[list[Any]], LoggedVersion]:
    def read(said: list[Any]) -> LoggedVersion:
        return LoggedVersion(
            kind=kind, name=_text(said[0]), version=_count(said[1]), digest=_digest(said[2]),
            run_id=_unpacked(said[3]),
        )  # fmt: skip

    return read


def _artifact(said: list[Any]) -> LoggedArtifact:
    return LoggedArtifact(name=_text(said[0]), digest=_digest(said[1]), run_id=_unpacked(said[2]))


def _decision(said: list[Any]) -> LoggedDecision:
    return LoggedDecision(decision_id=_unpacked(said[0]), digest=_digest(said[1]))


def _import(said: list[Any]) -> ImportedShard:
    return ImportedShard(
        shard=_text(said[0]), origin=_text(said[1]), size=_count(said[2]), root=_digest(said[3])
    )


_READERS: dict[str, Callable[[list[Any]], Subject]] = {
    "run": _run,
    "model": _version("model"),
    "dataset": _version("dataset"),
    "artifact": _artifact,
    "decision": _decision,
    "import": _import,
}


def _packed(name: str) -> bytes | str:
    """Spell an id in 16 bytes, if it is a ULID."""
    if len(name) != _ULID_LETTERS or name[0] > "7" or not set(name) <= set(_CROCKFORD):
        return name
    value = 0
    for letter in name:
        value = value << 5 | _CROCKFORD.index(letter)
    return value.to_bytes(_ULID_BYTES, "big")


def _unpacked(said: bytes | str) -> str:
    if isinstance(said, str):
        if _packed(said) != said:
            raise ValueError(said)
        return said
    if len(said) != _ULID_BYTES:
        raise ValueError(said)
    value = int.from_bytes(said, "big")
    return "".join([_PAIRS[value >> shift & 1023] for shift in range(120, -1, -10)])


def _digest(said: bytes) -> bytes:
    if type(said) is not bytes or len(said) != DIGEST_BYTES:
        raise ValueError(said)
    return said


def _text(said: str) -> str:
    if type(said) is not str:
        raise TypeError(said)
    return said


def _count(said: int) -> int:
    if type(said) is not int or said < 0:
        raise TypeError(said)
    return said
