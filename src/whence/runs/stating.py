"""What is stated of a run when it is logged, and of a decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whence.errors import DamagedError, NotFoundError, StoreBusyError
from whence.ledger import LoggedArtifact, LoggedDecision, LoggedVersion, SealedRun, Statement
from whence.store import Folder, Journal, Logged, decision_digest, find_writer, read_journal


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
