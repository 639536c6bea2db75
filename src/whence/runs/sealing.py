"""What goes into the ledger, and when: runs that ended with what they logged by name, and decisions.

Whoever ends a run says first, in the logbook, that it waits; then the journal is sealed, then the ledger has
it, and then it waits no more. So a death at any moment leaves something that whoever logs next takes up, and
whatever the ledger refuses costs the run nothing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from whence.capture import unheard
from whence.errors import (
    DamagedError,
    EvidenceError,
    InputError,
    NotFoundError,
    RecordWarning,
    StoreBusyError,
    WhenceError,
)
from whence.ledger import (
    WIDTH,
    ImportedShard,
    LoggedArtifact,
    LoggedDecision,
    LoggedVersion,
    Opening,
    SealedRun,
    parse_entry,
    subject_of,
)
from whence.runs.stating import Ready, ready_decision, ready_run
from whence.store import (
    Folder,
    Ledger,
    Logbook,
    Logged,
    RunWriter,
    Shard,
    decision_ids,
    depth_of_caller,
    find_writer,
    split_shards,
)

_AT_ONCE = 500
"""So many entries are appended together at most, where much waits."""
_LOOKED_AT_ONCE = 1 << 17
_DAMAGED = (EvidenceError, InputError, NotFoundError)
"""What a damaged shard raises: verify tells of it, and it hinders no other."""
_TAKEN_UP = 20
"""So many others are logged at most with a run that ends, which shouldn't wait for them."""

Told = Callable[[str], None]


@dataclass(slots=True, kw_only=True)
class Sealed:
    """What was logged, and what can't be.

    Args:
        logged: where each was.
        lost: those of them whose process had died.
        left: what isn't logged, by id, with the reason.
    """

    logged: list[Logged] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)


@contextlib.contextmanager
def logged_at_end(folder: Folder, writer: RunWriter, *, is_resumed: bool = False) -> Iterator[None]:
    """Have a run that is sealed within this logged, and others that wait; nothing of that raises.

    Args:
        folder: the workspace.
        writer: the run's.
        is_resumed: whether some of it may be logged already.
    """
    with unheard():
        is_new = Logbook(folder).wait(writer.run_id)
    yield
    if writer.is_sealed:
        log_waiting(folder, writer.run_id, is_new=is_new and not is_resumed)


def log_waiting(folder: Folder, first: str, *, is_new: bool) -> None:
    """Log something that waits, and some others with it; what hinders it is warned of, and never raised.

    Args:
        folder: the workspace.
        first: what is to be logged.
        is_new: whether nothing of it can be logged already.
    """
    try:
        with unheard():
            _log_waiting(folder, first, is_new=is_new)
    except Exception as error:  # whatever it is, it must not cost a training its end
        _warn(folder.path, error)


def _log_waiting(folder: Folder, first: str, *, is_new: bool) -> None:
    book = Logbook(folder)
    book.wait(first)  # again: somebody may have looked at it before it had ended
    others = [what for what in book.waiting() if what != first and not _may_go_on(folder, what)]
    if others or not is_new:
        try:
            _look_up(folder, book)
        except WhenceError:
            others = []  # what hinders it is met once more, with what is to be logged
    with contextlib.ExitStack() as stack:
        ready = []
        for what in [first, *others[:_TAKEN_UP]]:
            if stack.enter_context(book.claim(what)):
                try:
                    ready.append(_ready(folder, book, what))
                except StoreBusyError:
                    pass  # it goes on, and is logged when it ends
                except (NotFoundError, DamagedError):
                    book.done(what)  # whence seal tells of it
        log_ready(folder, book, ready)


def _look_up(folder: Folder, book: Logbook) -> None:
    """Log what is staged, by whomever, and note where everything is: of what waits, some may be logged."""
    ledger = Ledger(folder)
    ledger.commit()
    catch_up(ledger, book)


def log_ready(folder: Folder, book: Logbook, ready: Sequence[Ready]) -> list[Logged]:
    """Append what is ready to the ledger, and note where it is.

    Raises:
        StoreError: it couldn't be logged, or not all of it.
    """
    found: list[Logged] = []
    stated = [each for each in ready if each.statements]
    if stated:
        places = iter(Ledger(folder).append([one for each in stated for one in each.statements]))
        for each in stated:
            by_shard: dict[str, list[int]] = {}
            for place in (next(places) for _ in each.statements):
                by_shard.setdefault(place.shard, []).append(place.index)
            found += [
                Logged(
                    what=each.what, shard=shard, indices=tuple(indices), size_bytes=each.size_bytes,
                    event_count=each.event_count,
                )
                for shard, indices in by_shard.items()
            ]  # fmt: skip
        book.note(found)
    for each in ready:
        book.done(each.what)
    return found


def seal_all(folder: Folder, tell: Told = lambda _: None) -> Sealed:
    """Log everything that can be logged and isn't: runs that ended, or were lost, and decisions.

    Args:
        folder: the workspace.
        tell: hears how far it is.

    Raises:
        StoreError: the ledger can't be written, or no key be used.

    Cost: of what is logged, one look at the length of its journal.
    """
    book = Logbook(folder)
    with unheard():
        _look_up(folder, book)
        log_ready(folder, book, _imports(folder, book))
        return _log_all(folder, book, (*folder.run_ids(), *decision_ids(folder)), tell, with_lost=True)


def _log_all(
    folder: Folder, book: Logbook, whats: Iterable[str], tell: Told = lambda _: None, *, with_lost: bool
) -> Sealed:
    """Log which of some runs and decisions can be logged and aren't."""
    done, todo = Sealed(), list(_unlogged(folder, book, whats))
    for at in range(0, len(todo), _AT_ONCE):
        tell(f"{at:,} of {len(todo):,}")
        with contextlib.ExitStack() as stack:
            ready = []
            for what in todo[at : at + _AT_ONCE]:
                writer = find_writer(folder.run_path(what))
                if writer.state != "gone":
                    done.left.append((what, writer.words))
                    continue
                book.wait(what)
                if not stack.enter_context(book.claim(what)):
                    continue  # somebody else is at it
                try:
                    ready.append(_ready(folder, book, what, with_lost=with_lost))
                except WhenceError as error:
                    book.done(what)
                    if not isinstance(error, NotFoundError):  # only begun
                        done.left.append((what, error.message))
            done.logged += log_ready(folder, book, ready)
            done.lost += [each.what for each in ready if each.is_lost and each.statements]
    return done


def log_synced(folder: Folder, whats: Sequence[str]) -> None:
    """Log what came from another workspace: shards, and what is in none of them; nothing of that raises.

    Args:
        folder: the workspace.
        whats: the runs and decisions that came, or of which more came.
    """
    try:
        with unheard():
            book = Logbook(folder)
            _look_up(folder, book)
            log_ready(folder, book, _imports(folder, book))
            _log_all(folder, book, whats, with_lost=False)
    except Exception as error:  # what came is here all the same
        _warn(folder.path, error)


def _imports(folder: Folder, book: Logbook) -> list[Ready]:
    """Find what is to be stated of shards that came from other workspaces."""
    own, others = split_shards(folder)
    names = {shard.name for shard in own}
    found = []
    for shard in others:
        known = [each.size_bytes for each in book.find(shard.name) if each.shard in names]
        with contextlib.suppress(*_DAMAGED):
            tree = shard.tree
            if _says_more(shard, max(known, default=0), tree.size):
                subject = ImportedShard(shard=shard.name, origin=tree.origin, size=tree.size, root=tree.root)
                stated = subject.statement(time.time_ns() // 1_000_000)
                found.append(Ready(what=shard.name, statements=[stated], size_bytes=tree.size))
    return found


def _says_more(shard: Shard, before: int, size: int) -> bool:
    """Whether a shard has more than that others came there, or each sync would have the next one follow."""
    return any(parse_entry(data).kind != "import" for _, data in shard.entries(before, size))


def is_logged(folder: Folder, book: Logbook, what: str) -> bool:
    """Whether the logbook knows a run as long as it is, or a decision."""
    size = _journal_bytes(folder, what)
    return any(each.size_bytes == size for each in book.find(what))


def unlogged(folder: Folder) -> list[str]:
    """Name what has ended, or was decided, and isn't in the ledger as far as it has come.

    Cost: one look at the length of each journal.
    """
    book = Logbook(folder)
    catch_up(Ledger(folder), book)
    ids = (*folder.run_ids(), *decision_ids(folder))
    return [what for what in _unlogged(folder, book, ids) if not _may_go_on(folder, what)]


def _unlogged(folder: Folder, book: Logbook, whats: Iterable[str]) -> Iterator[str]:
    latest = book.latest()
    for what in whats:
        known = latest.get(what)
        if known is None or known.size_bytes != _journal_bytes(folder, what):
            yield what


def catch_up(ledger: Ledger, book: Logbook) -> None:
    """Note where things are that came into the ledger since it was last looked at, by whomever.

    Cost: of entries that were looked at, nothing; of others 10 µs each.
    """
    before = book.reach()
    reach = {}
    for shard in ledger.shards():
        with contextlib.suppress(*_DAMAGED):
            size, first = shard.size, before.get(shard.name, 0)
            for start in range(first if first <= size else 0, size, _LOOKED_AT_ONCE):
                book.note(_logged_in(shard, start, min(size, start + _LOOKED_AT_ONCE)))
            reach[shard.name] = size
    if reach != before:
        book.note_reach(reach)


def forget_logged(folder: Folder) -> None:
    """Look all of the ledger up again, of which it was known where things are."""
    book = Logbook(folder)
    book.forget()
    catch_up(Ledger(folder), book)


def _logged_in(shard: Shard, start: int, stop: int) -> Iterable[Logged]:
    """Tell what some entries of a shard log; those whose payload was destroyed tell nothing."""
    runs: dict[str, Logged] = {}
    bundle, openings = -1, list[Opening | None]()
    for index, entry in shard.entries(start, stop):
        if index // WIDTH != bundle:
            bundle = index // WIDTH
            openings = shard.openings(bundle)
        opening = openings[index % WIDTH]
        subject = None if opening is None else subject_of(parse_entry(entry).kind, opening.payload)
        if isinstance(subject, SealedRun):
            if subject.run_id in runs:
                yield runs[subject.run_id]
            runs[subject.run_id] = Logged(
                what=subject.run_id, shard=shard.name, indices=(index,), size_bytes=subject.size_bytes,
                event_count=subject.event_count,
            )  # fmt: skip
        elif isinstance(subject, LoggedVersion | LoggedArtifact):
            of_run = runs.get(subject.run_id, Logged(what=subject.run_id, shard=shard.name, indices=()))
            runs[subject.run_id] = dataclasses.replace(of_run, indices=(*of_run.indices, index))
        elif isinstance(subject, ImportedShard):
            yield Logged(what=subject.shard, shard=shard.name, indices=(index,), size_bytes=subject.size)
        elif isinstance(subject, LoggedDecision):
            yield Logged(what=subject.decision_id, shard=shard.name, indices=(index,))
    yield from runs.values()


def _ready(folder: Folder, book: Logbook, what: str, *, with_lost: bool = False) -> Ready:
    known = book.find(what)
    if folder.run_path(what).is_dir():
        return ready_run(folder, what, known, with_lost=with_lost)
    return ready_decision(folder, what, known)


def _may_go_on(folder: Folder, what: str) -> bool:
    """Whether somebody may write a run yet, or died before it had ended: one look."""
    return (folder.run_path(what) / "lease").exists()


def _journal_bytes(folder: Folder, what: str) -> int:
    """How long a run's journal is; 0 of a decision, as in the logbook."""
    try:
        return (folder.run_path(what) / "journal").stat().st_size
    except OSError:
        return 0


_warned: set[tuple[pathlib.Path, type[Exception]]] = set()


def _warn(path: pathlib.Path, error: Exception) -> None:
    """Say once that something isn't logged."""
    if (path, type(error)) in _warned:
        return
    _warned.add((path, type(error)))
    why, remedy = f"{type(error).__name__}: {error}", ""
    if isinstance(error, WhenceError):
        why, remedy = error.message, error.remedy
    warnings.warn(
        f"{path}: not in the ledger yet: {why}\n  The record is whole; it is logged with the next run that "
        f"ends, or by whence seal. {remedy}".rstrip(),
        RecordWarning,
        stacklevel=depth_of_caller(),
    )
