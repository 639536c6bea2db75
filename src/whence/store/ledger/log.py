"""The ledger of a workspace: shards that lie side by side, and what is staged for the one that is written.

    ledger/<shard>/     a log each: see `shard.py`; one that is hidden is on its way
    ledger/staging/     what isn't logged yet
    ledger/own          the names of the shards that were begun here; only these are written here
    ledger/lock         held by who commits, and whether he finished: boot, `busy` or `clean`

Of these only shards go with a copy. Committing and opening after a crash are one function: what a dead
process had signed is put in place first, then all that is staged is logged, by whomever it was staged.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import secrets
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from whence.errors import DamagedError, InputError, NotFoundError, SignatureError, StoreError, WhenceError
from whence.ledger import SALT_BYTES, Statement, leaf_hashes, parse_note
from whence.store.files import explained, make_folder, write_whole
from whence.store.folder import Folder
from whence.store.ledger.keyring import KeyRing
from whence.store.ledger.locks import locked, wait_for_others
from whence.store.ledger.payloads import PAYLOAD_BYTES, destroy_openings
from whence.store.ledger.scribe import OWN, OwnShards, Scribe, newest_of
from whence.store.ledger.shard import CHECKPOINT, LoggedAt, Shard
from whence.store.ledger.staging import Addition, Since, Staged, Staging, Taken
from whence.store.ledger.together import Together
from whence.store.liveness import own_boot

LOCAL_NAMES = frozenset({"staging", OWN, "lock"})
"""What of a ledger's folder belongs to this workspace alone, and never goes with a copy."""

_AGAIN = "Check the disk, and try it again."
_SINCE_S = 0.2
_LOOKS = 20
_ORIGIN = "whence.invalid"
_STATE_BYTES = 64
_FRAME_COUNT = 4096
_ROUND_COUNT = 1 << 16


class Ticket(NamedTuple):
    """Something that is staged: the leaf hash that it has in the log, and where to look for it."""

    leaf: bytes
    since: Since
    project: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """What a commit logged: how many entries that were staged, and the shards that they are in now."""

    count: int = 0
    shards: tuple[Shard, ...] = ()


class Ledger:
    """The logs of a workspace.

    Args:
        folder: the workspace.
        keys: sign; found when they are needed first, if not given.
        project: whose shard is written; by default what `WHENCE_LEDGER_PROJECT` says.
        origin: what the names of new logs begin with; by default what `WHENCE_LEDGER_ORIGIN` says.
        now_ms: the clock.
    """

    def __init__(
        self,
        folder: Folder,
        keys: KeyRing | None = None,
        *,
        project: str | None = None,
        origin: str | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._folder = folder
        self.path = folder.path / "ledger"
        self._own = OwnShards(self.path)
        self.staging = Staging(self.path / "staging")
        self.project = os.environ.get("WHENCE_LEDGER_PROJECT", "") if project is None else project
        self._origin = origin or os.environ.get("WHENCE_LEDGER_ORIGIN") or _ORIGIN
        self._append = Together(self._log)
        self._since = (-_SINCE_S, Since("", 0))
        self._keys = keys
        self._now_ms = now_ms

    @property
    def keys(self) -> KeyRing:
        """The keys that sign.

        Raises:
            KeyUnusableError: there is nowhere to keep any, or they lie in the workspace.
        """
        if self._keys is None:
            self._keys = KeyRing.find()
        self._keys.check_outside(self._folder.path)
        return self._keys

    def shards(self) -> list[Shard]:
        """List the shards by name, those that came from other workspaces too."""
        try:
            names = sorted(os.listdir(self.path))
        except FileNotFoundError:
            return []
        return [
            Shard(self.path / name)
            for name in names
            if not name.startswith(".") and name not in LOCAL_NAMES and (self.path / name).is_dir()
        ]

    def current(self) -> Shard | None:
        """Find the shard that was written last for this project; None before there is one."""
        return newest_of(self._own.list(), self.project, lambda vkey: True)

    # what is staged, and logged

    def stage(self, statements: Sequence[Statement]) -> list[Ticket]:
        """Keep statements until somebody commits; they are on the disk when this returns.

        Raises:
            InputError: one is too long.
            StoreFullError, StoreReadOnlyError, StoreError: none of them is kept.

        Cost: one sync, shared by threads that stage at once.
        """
        tickets, staged = self._spell(statements)
        if staged:
            self.staging.put(staged)
        return tickets

    def commit(self) -> Committed:
        """Log all that is staged, by anybody; what is logged is covered by a signed checkpoint.

        Raises:
            KeyUnusableError: no key can be used; what is staged stays.
            StoreError: the disk refused; what is staged stays.
            DamagedError: something that was staged doesn't check, and was set aside; the rest is logged.

        Cost: 8 syncs for entries that fit the bundle of the last one.
        """
        if not self._has_work():
            return Committed()
        with self._alone() as held:
            return self._commit(held)

    def append(self, statements: Sequence[Statement]) -> list[LoggedAt]:
        """Stage statements and log them, with all that others staged; raises as `stage` and `commit` do.

        What couldn't be logged stays staged.

        Returns:
            Where each of them is.
        """
        found: list[LoggedAt] = []
        for start in range(0, len(statements), _ROUND_COUNT):
            _, staged = self._spell(statements[start : start + _ROUND_COUNT])
            found += self._append(staged)
        return found

    def place(self, ticket: Ticket) -> LoggedAt | None:
        """Find where something that was staged is logged; None while it isn't."""
        return _find(self._sizes(), ticket.leaf, ticket.since, ticket.project)

    def damaged(self) -> list[pathlib.Path]:
        """List what was staged and didn't check when it was to be logged: files that were set aside."""
        return self.staging.damaged()

    def rotate(self) -> Shard | None:
        """Make a new key; the shard that is written is closed, and another one begun with it.

        Returns:
            The new shard; None where none was written yet.

        Raises:
            InputError, KeyUnusableError, StoreError: as `KeyRing.rotate` and `commit` do.
        """
        self.keys.rotate()
        if self.current() is None:
            return None
        with self._alone() as held:
            self._commit(held, begins=True)
        return self.current()

    def add_signatures(self, shard: Shard, note: bytes) -> bool:
        """Put signatures of others under the newest checkpoint.

        Args:
            shard: whose.
            note: the same checkpoint, with signatures of the log and of others.

        Returns:
            Whether it still was the newest one; else nothing is changed.

        Raises:
            SignatureError: the note lacks a signature that the checkpoint has.
        """
        with self._alone():
            ours, theirs = parse_note(shard.checkpoint()), parse_note(note)
            if ours.text != theirs.text:
                return False
            if not set(ours.signatures) <= set(theirs.signatures):
                raise SignatureError(f"{shard.path}: the note lacks a signature that the checkpoint has")
            write_whole(shard.path / CHECKPOINT, note)
            return True

    def destroy(self, shard: Shard, indices: Collection[int]) -> None:
        """Destroy what entries commit to; no byte of it is left in the ledger's files.

        Raises:
            PositionError: there is no such entry.
            StoreError, DamagedError: some of it may still be there; it can be tried again.
        """
        for index in indices:
            shard.entry(index)
        with self._alone() as held, self._at_work(held) as is_clean:
            with contextlib.suppress(DamagedError):  # what was set aside is overwritten too
                self._commit_all(is_clean=is_clean)
            left = self.staging.take()
            if sum(len(each.frames) for each in left) > len(self._unlogged(left)):
                raise StoreError(
                    f"{self.staging.path}: what is logged couldn't be overwritten", remedy=_AGAIN
                )
            self.staging.sync()
            self.staging.overwrite_damaged()
            destroy_openings(shard.path, indices, shard.size)

    # how

    def _spell(self, statements: Sequence[Statement]) -> tuple[list[Ticket], list[Staged]]:
        for each in statements:
            if len(each.payload) > PAYLOAD_BYTES:
                raise InputError(
                    f"a payload of {len(each.payload)} bytes, and at most {PAYLOAD_BYTES} fit",
                    remedy="Log it as an artifact, and its digest here.",
                )
        salts = secrets.token_bytes(SALT_BYTES * len(statements))
        additions = []
        for number, each in enumerate(statements):
            salt = salts[number * SALT_BYTES : (number + 1) * SALT_BYTES]
            additions.append(Addition(each.entry(salt), salt, each.payload))
        since = self._lower_bound()
        leaves = leaf_hashes([each.entry for each in additions])
        tickets = [Ticket(leaf, since, self.project) for leaf in leaves]
        staged = [
            Staged(
                first=tickets[start].leaf,
                since=since,
                project=self.project,
                additions=tuple(additions[start : start + _FRAME_COUNT]),
            )
            for start in range(0, len(additions), _FRAME_COUNT)
        ]
        return tickets, staged

    def _lower_bound(self) -> Since:
        """Tell how far the log has come, or had a moment ago: what is staged now isn't logged before."""
        looked_s, since = self._since
        if time.monotonic() - looked_s >= _SINCE_S:
            current = self.current()
            since = Since("", 0) if current is None else Since(current.name, current.size)
            self._since = (time.monotonic(), since)
        return since

    def _places(self, staged: Sequence[Staged]) -> list[LoggedAt] | None:
        """Find where entries are that were staged together; None if one isn't logged."""
        sizes = self._sizes()
        found: list[LoggedAt] = []
        for each in staged:
            place = _find(sizes, each.first, each.since, each.project)
            if place is None:
                return None
            found += [LoggedAt(place.shard, place.index + step) for step in range(len(each.additions))]
        return found

    def _has_work(self) -> bool:
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(self.path):
                if name.startswith(".") and (self.path / name).is_dir():
                    return True
        return any(self.staging.take())

    @contextlib.contextmanager
    def _alone(self) -> Iterator[int]:
        """Hold the ledger; gives what is held."""
        with explained(self.path):
            self._folder.make()
            make_folder(self.path)
        with locked(self.path / "lock") as descriptor:
            yield descriptor

    @contextlib.contextmanager
    def _at_work(self, held: int) -> Iterator[bool]:
        """Note who is at work; gives whether the last one finished, since the machine was started."""
        boot = own_boot().encode()
        with explained(self.path):
            is_clean = bool(boot) and os.pread(held, _STATE_BYTES, 0) == _state(boot, b"clean")
            os.pwrite(held, _state(boot, b"busy"), 0)
        yield is_clean
        with explained(self.path):
            os.pwrite(held, _state(boot, b"clean"), 0)

    def _log(self, wishes: Sequence[Sequence[Staged]]) -> Sequence[list[LoggedAt]]:
        """Log what several threads want to be logged, and tell each where it is."""
        self.staging.put([each for staged in wishes for each in staged], sync=False)
        try:
            for _ in range(_LOOKS):  # who waits to hold it is passed by those who needn't wait any more
                if not wait_for_others(self.path / "lock"):
                    break
                found = [self._places(staged) for staged in wishes]
                if None not in found:
                    return [_all_there(self.staging.path, places) for places in found]
            with self._alone() as held:
                found = [self._places(staged) for staged in wishes]
                if None in found:  # nobody who held it before logged them too
                    with contextlib.suppress(DamagedError):  # what doesn't check of others' is set aside
                        self._commit(held)
                    found = [self._places(staged) for staged in wishes]
            return [_all_there(self.staging.path, places) for places in found]
        except BaseException:
            with contextlib.suppress(WhenceError):
                self.staging.sync()
            raise

    def _commit(self, held: int, *, begins: bool = False) -> Committed:
        with self._at_work(held) as is_clean:
            return self._commit_all(is_clean=is_clean, begins=begins)

    def _commit_all(self, *, is_clean: bool, begins: bool = False) -> Committed:
        taken = self.staging.take()
        scribe = self._scribe()
        scribe.finish_begun()
        if not is_clean:
            scribe.clean()
        projects = {frame.project for each in taken for frame in each.frames.values()}
        heads = {
            project: scribe.open(project)
            for project in sorted(projects | ({self.project} if begins else set()))
        }
        waiting = self._unlogged(taken)  # what was signed and is in place only now may be some of it
        count = 0
        for project, head in heads.items():
            additions = [each for frame in waiting if frame.project == project for each in frame.additions]
            if additions or head.beginning:
                heads[project] = scribe.extend(head, additions, project=project)
            count += len(additions)
        self._clear(taken)
        return Committed(count=count, shards=tuple(head.shard for head in heads.values()))

    def _scribe(self) -> Scribe:
        return Scribe(self._own, self.keys, origin=self._origin, now_ms=self._now_ms)

    def _clear(self, taken: Sequence[Taken]) -> None:
        """Overwrite what is logged, and set aside what doesn't check."""
        for each in taken:
            self.staging.set_aside(each)
        with contextlib.suppress(StoreError):  # it is logged, and is overwritten by whoever commits next
            self.staging.wipe(taken)
        problems = [
            f"{each.path}, byte {at}: {problem}"
            for each in taken
            for at, (_, problem) in each.damages.items()
        ]
        if problems:
            raise DamagedError(
                f"{problems[0]}; it can't be logged, and was set aside in {self.staging.path}",
                place=problems[0],
                remedy="Check the disk, and log again what was lost: whence seal",
            )

    def _unlogged(self, taken: Sequence[Taken]) -> list[Staged]:
        """Find what isn't logged yet; damage of what is logged is none."""
        sizes = self._sizes()
        waiting: list[Staged] = []
        for each in taken:
            known = {
                at: _find(sizes, staged.first, staged.since, staged.project)
                for at, staged in each.frames.items()
            }
            waiting += [staged for at, staged in each.frames.items() if known[at] is None]
            for at, first in each.broken.items():
                if any(shard.find_leaf(first, 0) is not None for shard, _ in sizes):
                    each.damages.pop(at, None)
        return waiting

    def _sizes(self) -> list[tuple[Shard, int]]:
        found: list[tuple[Shard, int]] = []
        for shard in self._own.list():
            with contextlib.suppress(NotFoundError, SignatureError):
                found.append((shard, shard.size))
        return found


def _all_there(path: pathlib.Path, places: list[LoggedAt] | None) -> list[LoggedAt]:
    if places is None:
        raise DamagedError(f"{path}: what was staged doesn't check, and isn't logged", place=str(path))
    return places


def _state(boot: bytes, state: bytes) -> bytes:
    return (boot + b" " + state).ljust(_STATE_BYTES)[:_STATE_BYTES]


def _find(sizes: Sequence[tuple[Shard, int]], leaf: bytes, since: Since, project: str) -> LoggedAt | None:
    """Find a leaf in the shards of a project, as far as they grew since."""
    begun = next((shard.beginning.at_ms for shard, _ in sizes if shard.name == since.shard), 0)
    for shard, size in sizes:
        start = since.size if shard.name == since.shard else 0
        if start < size and shard.beginning.project == project and shard.beginning.at_ms >= begun:
            index = shard.find_leaf(leaf, start)
            if index is not None:
                return LoggedAt(shard.name, index)
    return None
