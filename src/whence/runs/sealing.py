"""What goes into the ledger, and when: runs that ended with what they logged by name, and decisions.

Whoever ends a run says first, in the logbook, that it waits; then the journal is sealed, then the ledger has
it, and then it waits no more. So a death at any moment leaves something that whoever logs next takes up, and
whatever the ledger refuses costs the run nothing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from whence.errors import DamagedError, NotFoundError, RecordWarning, StoreBusyError, WhenceError
from whence.ledger import (
    WIDTH,
    LoggedArtifact,
    LoggedDecision,
    LoggedVersion,
    Opening,
    SealedRun,
    Statement,
    parse_entry,
    subject_of,
)
from whence.store import (
    Folder,
    Journal,
    Ledger,
    Logbook,
    Logged,
    RunWriter,
    Shard,
    decision_digest,
    decision_ids,
    depth_of_caller,
    find_writer,
    read_journal,
)

_AT_ONCE = 500
"""So many entries are appended together at most, where much waits."""
_LOOKED_AT_ONCE = 1 << 17
_TAKEN_UP = 20
"""So many others are logged at most with a run that ends, which shouldn't wait for them."""

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """Something that can be logged.

    Args:
        what: the id of a run or of a decision.
        statements: what is stated of it.
        size_bytes: how long the run's journal is; 0 of a decision.
        event_count: how many events it has.
        is_lost: whether its process died before it had ended.
    """

    what: str
    statements: list[Statement]
    size_bytes: int = 0
    event_count: int = 0
    is_lost: bool = False


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


def statements_of(journal: Journal, *, since: int = 0) -> list[Statement]:
    """State how far a run has come, and what it logged by name.

    Args:
        journal: the run.
        since: the number of the first event that wasn't stated before.
    """
    run_id = journal.run_id
    last = journal.events[-1]
    sealed = SealedRun(
        run_id=run_id, chain=journal.chain, event_count=len(journal.events), size_bytes=journal.size
    )
    stated = [sealed.statement(last.at_ns // 1_000_000)]
    for event in journal.events[since:]:
        body, at_ms = event.body, event.at_ns // 1_000_000
        if body is None:
            continue
        if event.kind in ("model", "dataset"):
            stated.append(
                LoggedVersion(
                    kind="model" if event.kind == "model" else "dataset",
                    name=body["name"],
                    version=body.get("version") or 0,
                    digest=body["digest"],
                    run_id=run_id,
                ).statement(at_ms)
            )
        elif event.kind == "artifact":
            found = LoggedArtifact(name=body["name"], digest=body["digest"], run_id=run_id)
            stated.append(found.statement(at_ms))
    return stated


def ready_run(folder: Folder, run_id: str, known: Sequence[Logged] = (), *, with_lost: bool = False) -> Ready:
    """Find what is to be stated of a run that nobody writes; nothing where all of it is logged.

    Args:
        folder: the workspace.
        run_id: the run.
        known: where it was logged before.
        with_lost: also of one whose process died before it had ended.

    Raises:
        NotFoundError: there is no such run, or nothing was recorded in it.
        DamagedError: it isn't whole, or less than was logged.
        StoreBusyError: it goes on, or may.
    """
    journal = read_journal(folder, run_id)
    if journal.damages:
        damage = journal.damages[0]
        raise DamagedError(damage.problem, place=damage.path)
    if not journal.events:
        raise NotFoundError(f"{journal.path}: nothing was recorded in it")
    writer = find_writer(journal.path)
    if writer.state != "gone":
        raise StoreBusyError(writer.words)
    if journal.end is None and not with_lost:
        raise StoreBusyError("its process died before it had ended", remedy="whence seal logs it as it is.")
    longest = max(known, key=lambda each: each.size_bytes, default=None)
    if longest is not None and longest.size_bytes > journal.size:
        problem = f"its journal had {longest.size_bytes} bytes when it was logged, and has {journal.size}"
        raise DamagedError(problem, place=str(journal.path))
    stated: list[Statement] = []
    if longest is None or longest.size_bytes < journal.size:
        stated = statements_of(journal, since=0 if longest is None else longest.event_count)
    return Ready(
        what=run_id, statements=stated, size_bytes=journal.size, event_count=len(journal.events),
        is_lost=journal.end is None,
    )  # fmt: skip


def ready_decision(folder: Folder, decision_id: str, known: Sequence[Logged] = ()) -> Ready:
    """Find what is to be stated of a decision; raises as `ready_run` does."""
    digest, at_ns = decision_digest(folder, decision_id)
    subject = LoggedDecision(decision_id=decision_id, digest=digest)
    return Ready(what=decision_id, statements=[] if known else [subject.statement(at_ns // 1_000_000)])


@contextlib.contextmanager
def logged_at_end(folder: Folder, writer: RunWriter, *, is_resumed: bool = False) -> Iterator[None]:
    """Have a run that is sealed within this logged, and others that wait; nothing of that raises.

    Args:
        folder: the workspace.
        writer: the run's.
        is_resumed: whether some of it may be logged already.
    """
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
    book, done = Logbook(folder), Sealed()
    _look_up(folder, book)
    unlogged = list(_unlogged(folder, book))
    for at in range(0, len(unlogged), _AT_ONCE):
        tell(f"{at:,} of {len(unlogged):,}")
        with contextlib.ExitStack() as stack:
            ready = []
            for what in unlogged[at : at + _AT_ONCE]:
                writer = find_writer(folder.run_path(what))
                if writer.state != "gone":
                    done.left.append((what, writer.words))
                    continue
                book.wait(what)
                if not stack.enter_context(book.claim(what)):
                    continue  # somebody else is at it
                try:
                    ready.append(_ready(folder, book, what, with_lost=True))
                except WhenceError as error:
                    book.done(what)
                    if not isinstance(error, NotFoundError):  # only begun
                        done.left.append((what, error.message))
            done.logged += log_ready(folder, book, ready)
            done.lost += [each.what for each in ready if each.is_lost and each.statements]
    return done


def unlogged(folder: Folder) -> list[str]:
    """Name what has ended, or was decided, and isn't in the ledger as far as it has come.

    Cost: one look at the length of each journal.
    """
    book = Logbook(folder)
    catch_up(Ledger(folder), book)
    return [what for what in _unlogged(folder, book) if not _may_go_on(folder, what)]


def _unlogged(folder: Folder, book: Logbook) -> Iterator[str]:
    latest = book.latest()
    for what in (*folder.run_ids(), *decision_ids(folder)):
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
        size, first = shard.size, before.get(shard.name, 0)
        for start in range(first if first <= size else 0, size, _LOOKED_AT_ONCE):
            book.note(_logged_in(shard, start, min(size, start + _LOOKED_AT_ONCE)))
        reach[shard.name] = size
    if reach != before:
        book.note_reach(reach)


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
