"""Every error that whence raises, one tree, named by what the caller can do about it.

    WhenceError
    ├── InputError                 correct the input                     exit 2
    │   ├── PlanError              an operation or stream was put together wrongly
    │   │   ├── UnknownLengthError a length that only reading would tell
    │   │   └── UnshippableError   a function or value that can't be sent to another process
    │   ├── SourceError            something to read is missing, unreadable or malformed
    │   ├── OpError                a user's function failed on a sample, or broke its contract
    │   ├── WorkerError            a process that did part of the work is gone, or can't be begun
    │   ├── ExhaustedError         a one-time source was read again
    │   ├── PositionError          a position outside its stream
    │   ├── StateError             a state from which this stream can't go on
    │   ├── CanonicalError         a value that has no canonical bytes
    │   └── MissingExtraError      an optional package isn't installed
    ├── NotFoundError              name something that exists            exit 3
    ├── StoreError                 free, move or reopen the store        exit 4
    │   ├── StoreFullError         no space left
    │   ├── StoreReadOnlyError     the folder can't be written
    │   ├── StoreBusyError         another process writes the run
    │   ├── StoreVersionError      written by a newer whence
    │   ├── KeyUnusableError       a key is missing, locked, or readable by others
    │   └── RemoteError            a server outside doesn't answer, or not as it must
    └── EvidenceError              distrust the evidence                 exit 1
        ├── DamagedError           bytes on disk aren't the ones that were recorded
        ├── ProofError             a proof doesn't lead to the root that it should
        ├── SignatureError         nobody who is trusted signed this, or not this
        ├── ForkError              two histories where there must be one
        └── ReplayError            a sample can't be made again, or not the same

    RecordWarning                  a training goes on though its record has, or may get, a gap

The message says where, what was wanted and what came; it is bounded in length and holds no sample
content. Nothing is decided here but words: exit codes are used only by the command line.
"""

from __future__ import annotations

from typing import ClassVar

_MESSAGE_LIMIT = 2_000


class WhenceError(Exception):
    """Base of all errors of whence.

    Args:
        message: where it happened, what was wanted, what came.
        remedy: what the caller can do now, one sentence.
    """

    code: ClassVar[str] = "whence"
    exit_code: ClassVar[int] = 70

    def __init__(self, message: str, *, remedy: str = "") -> None:
        self.message = _bounded(message)
        self.remedy = remedy
        super().__init__(f"{self.message}\n  {remedy}" if remedy else self.message)

    def __str__(self) -> str:
        return f"{self.message}\n  {self.remedy}" if self.remedy else self.message


class InputError(WhenceError, ValueError):
    """The caller's input is at fault."""

    code = "input"
    exit_code = 2


class PlanError(InputError):
    """An operation or a stream was put together wrongly."""

    code = "plan"


class UnknownLengthError(PlanError, TypeError):
    """The length of a stream that only reading it would tell."""

    code = "unknown-length"


class UnshippableError(PlanError, TypeError):
    """A function or value that can't be sent to another process, or not be made again there."""

    code = "unshippable"


class SourceError(InputError, OSError):
    """Something to read is missing, unreadable or malformed; `place` says where."""

    code = "source"

    def __init__(self, message: str, *, remedy: str = "", place: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.place = place


class OpError(InputError, RuntimeError):
    """A user's function failed on a sample, or broke its contract.

    Args:
        message: what happened.
        remedy: what the caller can do now.
        op: the operation's name.
        position: the sample's position in the operation's input, -1 where it has none.
        origin: where the sample came from, as `source:row` or a path.
    """

    code = "op"

    def __init__(
        self, message: str, *, remedy: str = "", op: str = "", position: int = -1, origin: str = ""
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.op = op
        self.position = position
        self.origin = origin


class WorkerError(InputError, RuntimeError):
    """A process that did part of the work is gone, or can't be begun."""

    code = "worker"


class ExhaustedError(InputError):
    """A one-time source was read again."""

    code = "exhausted"


class PositionError(InputError, IndexError):
    """A position outside its stream."""

    code = "position"


class StateError(InputError):
    """A state from which this stream, or this run, can't go on; the message names what differs."""

    code = "state"


class CanonicalError(InputError, TypeError):
    """A value that has no canonical bytes; `path` says where in the value."""

    code = "canonical"

    def __init__(self, message: str, *, remedy: str = "", path: str = "$") -> None:
        super().__init__(message, remedy=remedy)
        self.path = path


class MissingExtraError(InputError, ImportError):
    """An optional package isn't installed; the remedy is the command that installs it."""

    code = "missing-extra"

    def __init__(self, package: str, *, extra: str, need: str) -> None:
        super().__init__(
            f"{need} needs the package {package!r}, which is not installed",
            remedy=f"Install it with: pip install 'whence[{extra}]'",
        )
        self.package = package
        self.extra = extra


class NotFoundError(WhenceError, LookupError):
    """Nothing of that name is here."""

    code = "not-found"
    exit_code = 3


class StoreError(WhenceError, OSError):
    """The store can't be read or written."""

    code = "store"
    exit_code = 4


class StoreFullError(StoreError):
    """No space left where the store is."""

    code = "store-full"


class StoreReadOnlyError(StoreError):
    """The store's folder can't be written."""

    code = "store-read-only"


class StoreBusyError(StoreError):
    """Another process writes the run, or takes it over at this moment."""

    code = "store-busy"


class StoreVersionError(StoreError):
    """The store was written by a newer whence."""

    code = "store-version"


class KeyUnusableError(StoreError):
    """A key is missing, locked by a passphrase, or readable by others than its owner."""

    code = "key-unusable"


class RemoteError(StoreError, ConnectionError):
    """A server outside (a witness, a calendar, a chain) doesn't answer, or not as its protocol says."""

    code = "remote"


class EvidenceError(WhenceError):
    """The evidence doesn't hold."""

    code = "evidence"
    exit_code = 1


class DamagedError(EvidenceError):
    """Bytes on disk aren't the ones that were recorded; `place` says where."""

    code = "damaged"

    def __init__(self, message: str, *, remedy: str = "", place: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.place = place


class ProofError(EvidenceError):
    """A proof doesn't lead to the root that it should."""

    code = "proof"


class SignatureError(EvidenceError):
    """Nobody who is trusted signed this, or what was signed was something else."""

    code = "signature"


class ForkError(EvidenceError):
    """Two histories where there must be one: neither continues the other."""

    code = "fork"


class ReplayError(EvidenceError):
    """A sample can't be made again, or not the same."""

    code = "replay"


class RecordWarning(UserWarning):
    """The record of a run that goes on has trouble: the training isn't stopped, and what is lost is named."""


def _bounded(message: str) -> str:
    if len(message) <= _MESSAGE_LIMIT:
        return message
    return message[: _MESSAGE_LIMIT - 1] + "…"
