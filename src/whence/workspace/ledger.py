"""The ledger of a workspace as users hold it: what is in it, receipts of it, and what else is put in."""

from __future__ import annotations

import functools
import heapq
import itertools
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from whence.capture import unheard
from whence.errors import InputError, NotFoundError
from whence.ledger import (
    KINDS,
    LoggedArtifact,
    LoggedDecision,
    LoggedVersion,
    SealedRun,
    Statement,
    Subject,
)
from whence.runs import (
    Sealed,
    catch_up,
    forget_logged,
    is_logged,
    plain_pairs,
    seal_all,
    unlogged,
)
from whence.store import Folder, Ledger, Logbook, LoggedAt, Shard
from whence.vocab import encode_content
from whence.workspace.entry import LedgerEntry, entries_backwards, read_entry
from whence.workspace.keeping import Told, tell_nobody
from whence.workspace.shelf import Shelf

OWN_WORDS = KINDS - {"shard", "end", "run", "model", "dataset", "artifact", "decision", "import"}
"""The kinds of entries that anybody may add, in words of his own."""

_PLACE = re.compile(r"([0-9]{4}-[a-z2-7]{10}):([0-9]+)")
_ERASED_AT_ONCE = 5_000
"""So many indices an entry names at most: a bundle has room for 64 kB of it."""


class WorkspaceLedger:
    """The ledger of a workspace.

    Args:
        folder: the workspace.
        shelf: finds models and artifacts by their names.
        datasets: finds dataset versions by theirs.
        find_run: finds a run by its name or id.
    """

    def __init__(
        self, folder: Folder, *, shelf: Shelf, datasets: Shelf, find_run: Callable[[str], str]
    ) -> None:
        self._folder = folder
        self._shelf = shelf
        self._datasets = datasets
        self._find_run = find_run

    @property
    def shards(self) -> list[Shard]:
        """The logs of which it consists, each in a folder of its own."""
        return self._ledger.shards()

    @property
    def current(self) -> Shard | None:
        """The log that is written now; None before the first one."""
        return self._ledger.current()

    def entries(self, kind: str | None = None, limit: int | None = None) -> list[LedgerEntry]:
        """List what is in it, the newest first.

        Args:
            kind: only of this one.
            limit: at most how many.
        """
        found = heapq.merge(*map(entries_backwards, self.shards), key=lambda each: each.at, reverse=True)
        chosen = (each for each in found if kind in (None, each.kind))
        return list(itertools.islice(chosen, limit))

    def seal(self, *, tell: Told = tell_nobody) -> Sealed:
        """Log everything that can be logged and isn't.

        Args:
            tell: hears how far it is.

        Raises:
            KeyUnusableError, StoreError: it can't be logged.
        """
        return seal_all(self._folder, tell)

    def unlogged(self) -> list[str]:
        """Name by their ids the runs that have ended, and the decisions, that aren't in it yet."""
        return unlogged(self._folder)

    def check_keys(self) -> None:
        """Check that whoever asks has a key to sign with, if one was made; raises `KeyUnusableError`."""
        self._ledger.keys.keys()

    def append(
        self, kind: str, content: Mapping[str, Any], *, public: Mapping[str, Any] | None = None
    ) -> LedgerEntry:
        """Log something else: a policy, an approval.

        Args:
            kind: `policy`, `approval` or `erasure`.
            content: what it says, names and values; only a commitment to it is logged, and it can be erased.
            public: what must stay readable for ever: integers, strings, lists and dicts.

        Returns:
            The entry, which is covered by a signed checkpoint now.

        Raises:
            InputError: it isn't of a kind that is added so, or of the form wanted.
            KeyUnusableError, StoreError: it couldn't be logged.
        """
        if kind not in OWN_WORDS:
            raise InputError(
                f"append({kind!r:.40}): wanted one of {', '.join(sorted(OWN_WORDS))}",
                remedy="Runs, models, artifacts and decisions are logged by themselves.",
            )
        payload = encode_content(plain_pairs("content", content))
        statement = Statement(kind, time.time_ns() // 1_000_000, payload, public)
        with unheard():
            (place,) = self._ledger.append([statement])
        return self.entry(place)

    def entry(self, place: LoggedAt | str) -> LedgerEntry:
        """Read the entry at a place, `SHARD:INDEX`; raises `NotFoundError`."""
        shard, index = self._find_place(place)
        return read_entry(shard, index, shard.entry(index), shard.opening(index))

    def find(self, reference: str) -> LedgerEntry:
        """Find the entry of a run, a model, a dataset, an artifact or a decision; of several the latest.

        Args:
            reference: a run's name or id; a model or dataset, `digits@2`; an artifact, `RUN/NAME`; a
                decision's id; or the place of an entry, `SHARD:INDEX`.

        Raises:
            NotFoundError: there is no such thing, or it isn't logged.
        """
        if _PLACE.fullmatch(reference):
            return self.entry(reference)
        what, is_meant = self._meant(reference)
        book = Logbook(self._folder)
        if not is_logged(self._folder, book, what):
            catch_up(self._ledger, book)
        found, destroyed = self._search(book, what, is_meant)
        if found is None and not destroyed and book.find(what):
            forget_logged(self._folder)  # the logbook isn't this ledger's
            found, destroyed = self._search(book, what, is_meant)
        if found is not None:
            return found
        if destroyed:
            raise NotFoundError(
                f"{reference:.120}: what the ledger said of it was destroyed ({', '.join(destroyed[:5])})",
                remedy="whence log tells which entry allowed it.",
            )
        raise NotFoundError(f"{reference:.120} isn't in the ledger yet", remedy="Log it with whence seal.")

    def _search(
        self, book: Logbook, what: str, is_meant: Callable[[Subject], bool]
    ) -> tuple[LedgerEntry | None, list[str]]:
        """Look where the logbook says: for the latest entry that is meant, and for what was destroyed."""
        by_name = {shard.name: shard for shard in self.shards}
        destroyed: list[str] = []
        for logged in sorted(book.find(what), key=lambda each: each.size_bytes, reverse=True):
            shard = by_name.get(logged.shard)
            for index in logged.indices:
                if shard is None or index >= shard.size:
                    continue
                entry = self.entry(LoggedAt(logged.shard, index))
                if entry.redacted:
                    destroyed.append(entry.place)
                elif entry.subject is not None and is_meant(entry.subject):
                    return entry, destroyed
        return None, destroyed

    def prove(self, reference: str) -> bytes:
        """Make the receipt of something: one file that proves that it is in a log, without the log.

        Args:
            reference: as for `find`.

        Returns:
            A C2SP tlog-proof, a text in UTF-8.

        Raises:
            NotFoundError: there is no such thing, or it isn't logged.
            ProofError, DamagedError: the log isn't what its checkpoint says.
        """
        found = self.find(reference)
        shard, index = self._find_place(LoggedAt(found.shard, found.index))
        return shard.prove(index).encode()

    def redact(
        self, places: Sequence[LoggedAt | LedgerEntry | str], why: Mapping[str, Any]
    ) -> list[LedgerEntry]:
        """Destroy what entries commit to, everywhere in the workspace; the log holds as before, as redacted.

        First an entry of kind `erasure` is logged, which allows it for ever; then salts and payloads go.

        Args:
            places: entries, or where they are, `SHARD:INDEX`.
            why: what is said of it, names and values.

        Returns:
            The entries that allow it.

        Raises:
            NotFoundError: there is no such entry.
            InputError: one can't be erased: it is an erasure, or begins or ends a shard.
            KeyUnusableError, StoreError: it couldn't be logged, and nothing is destroyed; or not all of it
                could be destroyed, and the same call does it again.
        """
        by_shard: dict[str, set[int]] = {}
        for each in places:
            place = LoggedAt(each.shard, each.index) if isinstance(each, LedgerEntry) else each
            entry = self.entry(place)
            if entry.kind in ("erasure", "shard", "end"):
                raise InputError(
                    f"{entry.place} is of kind {entry.kind}: what allows or begins something stays",
                    remedy="Leave it out.",
                )
            by_shard.setdefault(entry.shard, set()).add(entry.index)
        said = encode_content(plain_pairs("why", why))
        ledger, found = self._ledger, list[LedgerEntry]()
        with unheard():
            for name, indices in by_shard.items():
                ordered = sorted(indices)
                for at in range(0, len(ordered), _ERASED_AT_ONCE):
                    public = {"shard": name, "indices": ordered[at : at + _ERASED_AT_ONCE]}
                    statement = Statement("erasure", time.time_ns() // 1_000_000, said, public)
                    (place,) = ledger.append([statement])
                    found.append(self.entry(place))
            for name, indices in by_shard.items():
                ledger.destroy(self._shard(name), sorted(indices))
        return found

    @property
    def _ledger(self) -> Ledger:
        return Ledger(self._folder)

    def _shard(self, name: str) -> Shard:
        return next(shard for shard in self.shards if shard.name == name)

    def _find_place(self, place: LoggedAt | str) -> tuple[Shard, int]:
        at = _parsed(place) if isinstance(place, str) else place
        for shard in self.shards:
            if shard.name == at.shard and at.index < shard.size:
                return shard, at.index
        raise NotFoundError(
            f"no entry {at.shard}:{at.index} in {self._folder.path / 'ledger'}",
            remedy="whence log lists the entries.",
        )

    def _meant(self, reference: str) -> tuple[str, Callable[[Subject], bool]]:
        """Find under which id something is in the logbook, and how its entry is told from others there."""
        run, slash, _ = reference.partition("/")
        if slash or "@" in reference:
            return self._named(reference)
        try:
            run_id = self._find_run(run)
        except NotFoundError as missing:
            if any(each.id == reference for each in self._shelf.registry.decisions()):
                return reference, lambda subject: isinstance(subject, LoggedDecision)
            try:
                return self._named(reference)
            except NotFoundError:
                raise missing from None
        return run_id, lambda subject: isinstance(subject, SealedRun)

    def _named(self, reference: str) -> tuple[str, Callable[[Subject], bool]]:
        missing: NotFoundError | None = None
        for shelf in (self._shelf, self._datasets):
            try:
                version = shelf.find(reference)
            except NotFoundError as error:
                missing = missing or error
                continue
            return version.place[0], functools.partial(
                _is_version, kind=shelf.kind, name=version.name, digest=version.digest
            )
        try:
            artifact = self._shelf.artifact(reference)
        except NotFoundError:
            raise missing or AssertionError from None
        wanted = (artifact.name, artifact.body["digest"])
        return (
            artifact.run_id,
            lambda subject: isinstance(subject, LoggedArtifact) and (subject.name, subject.digest) == wanted,
        )


def _is_version(subject: Subject, *, kind: str, name: str, digest: bytes) -> bool:
    """Whether an entry is about this version."""
    called = (kind, name, digest)
    return isinstance(subject, LoggedVersion) and (subject.kind, subject.name, subject.digest) == called


def _parsed(place: str) -> LoggedAt:
    found = _PLACE.fullmatch(place)
    if found is None:
        raise InputError(f"{place:.80} is no place of an entry", remedy="Write SHARD:INDEX.")
    return LoggedAt(found[1], int(found[2]))
