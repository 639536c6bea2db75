"""What a witness remembers: of each log the last checkpoint that it cosigned, as long as its key lives.

    <state>/<SHA-256 of the origin>/checkpoint    the note: signed by the log, cosigned by the witness
    <key file>.memory/<SHA-256 of the origin>/checkpoint    the same once more, beside the key

The note vouches for itself: its last line is the witness's own cosignature, so that no flipped bit and no
edit passes. A restored state is older than what lies beside the key, and refused: a witness that has
forgotten would cosign a second history. What is remembered is on the disk in both places before a
cosignature leaves, the state first: a kill in between leaves a state that is ahead, which is no harm.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
from collections.abc import Iterator, Sequence

from whence.errors import DamagedError, NotFoundError, SignatureError, StoreError
from whence.ledger import Checkpoint, Note, Verifier, check_note, parse_checkpoint
from whence.store import explained, explained_reading, make_folder, write_whole
from whence.vocab import digest_bytes

_FILE = "checkpoint"


class Memory:
    """The memory of one witness key; many threads and processes may use it at once.

    Args:
        state: the folder of the state.
        beside: the folder beside the key.
        own: the witness's own key.
    """

    def __init__(self, state: pathlib.Path, beside: pathlib.Path, own: Verifier) -> None:
        self.state = state
        self._places = (state, beside)
        self._own = own

    @contextlib.contextmanager
    def of(self, origin: str, verifiers: Sequence[Verifier]) -> Iterator[Slot]:
        """Hold what is remembered of a log: nobody else looks or changes it until the end.

        Args:
            origin: which log.
            verifiers: the keys that sign it.

        Raises:
            DamagedError: what lies there isn't what was written, or older than that.
            StoreError: it can't be read, or not be locked.
        """
        name = digest_bytes(origin.encode()).hex()
        paths = [place / name / _FILE for place in self._places]
        with _locked(paths[1].parent):
            _clear(paths)
            notes = [self._read(path, origin, verifiers) for path in paths]
            yield Slot(paths, _latest(paths, *notes))

    def _read(self, path: pathlib.Path, origin: str, verifiers: Sequence[Verifier]) -> Note | None:
        try:
            with explained_reading(path):
                data = path.read_bytes()
        except NotFoundError:
            return None
        try:
            note, signers = check_note(data, [self._own, *verifiers])
            known = {(each.name, each.key_id) for each in signers}
            if self._own not in signers or len(note.signatures) != len(known):
                raise SignatureError("it isn't signed by this witness and by keys of the log alone")
            if parse_checkpoint(note.text).origin != origin:
                raise SignatureError("it is about another log")
        except SignatureError as error:
            raise DamagedError(
                f"{path}: not what this witness wrote of {origin} ({error.message})",
                remedy="Use the witness key and the log's vkeys of then; else take the other copy.",
                place=str(path),
            ) from error
        return note


class Slot:
    """What is remembered of one log, as long as it is held.

    Args:
        paths: where it lies.
        note: the last checkpoint that was cosigned; None where none was.
    """

    def __init__(self, paths: Sequence[pathlib.Path], note: Note | None) -> None:
        self._paths = paths
        self.note = note

    @property
    def checkpoint(self) -> Checkpoint | None:
        """What the last cosigned checkpoint says."""
        return None if self.note is None else parse_checkpoint(self.note.text)

    def remember(self, note: Note) -> None:
        """Put a cosigned checkpoint in the place of the last; when this returns, it is on the disk.

        Raises:
            StoreError: it isn't, or not in both places; the cosignature mustn't leave.
        """
        for path in self._paths:
            write_whole(path, note.encode())
        self.note = note


def _latest(paths: Sequence[pathlib.Path], note: Note | None, beside: Note | None) -> Note | None:
    if beside is None:
        return note
    known = parse_checkpoint(beside.text)
    here = None if note is None else parse_checkpoint(note.text)
    if here is None or here.size < known.size:
        raise DamagedError(
            f"{paths[0]}: the state was rolled back: this witness cosigned {known.size:,} entries of "
            f"{known.origin}, and the state remembers {0 if here is None else here.size:,}",
            remedy=f"Copy {paths[1]} there, after finding out why.",
            place=str(paths[0]),
        )
    if here.size == known.size and here.root != known.root:
        raise DamagedError(
            f"{paths[0]}: this witness cosigned two histories of {known.origin} at {known.size:,} entries",
            remedy=f"Compare it with {paths[1]}; do not use this witness key any more.",
            place=str(paths[0]),
        )
    return note


def _clear(paths: Sequence[pathlib.Path]) -> None:
    """Take away what a process left that was killed while it wrote."""
    with contextlib.suppress(OSError):
        for path in paths:
            for left in path.parent.glob(f".{_FILE}.*"):
                left.unlink()


@contextlib.contextmanager
def _locked(folder: pathlib.Path) -> Iterator[None]:
    """Hold a folder alone, against threads and processes.

    Raises:
        StoreError: it can't be locked; a witness that can't lock might cosign two histories.
    """
    with explained(folder):
        make_folder(folder)
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            raise StoreError(
                f"{folder}: can't be locked ({error.strerror})",
                remedy="Keep a witness's key and state on a local disk.",
            ) from error
        yield
    finally:
        os.close(descriptor)
