"""The whole chain of a workspace: from what keys signed to entries, payloads, journals and objects."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping

from whence.errors import NotFoundError, WhenceError
from whence.ledger import WIDTH, SealedRun, check_note, entries_path, parse_checkpoint, parse_vkey
from whence.query.logged import EntryReader, Pending, judge_pending, rolled_back
from whence.query.logs import (
    CHECKPOINT,
    Demand,
    LogSeen,
    Remembered,
    audit_log,
    compare_remembered,
    judge_vouchers,
    read_log,
)
from whence.query.verdicts import Tally, Verdict
from whence.query.verify import RunSeen, check_runs, note_redacted, see_run
from whence.runs import RunRecord
from whence.store import Folder, Registry, Shard, decision_digest, explained_reading, list_files, scan_frames

Told = Callable[[str], None]

_LEDGER = "ledger"
_OWN = "own"
_OURS = ("payload/", "anchors/")
_NO_SHARDS = ("staging", _OWN, "lock")
_ATTEMPTS = 5
_TOLD_EVERY = 10_000
_NAMED = 5


class RecordHere:
    """The record of a workspace, as its logs may speak of it.

    Args:
        folder: the workspace.
        seen: its runs, by id.
    """

    def __init__(self, folder: Folder, seen: dict[str, RunSeen]) -> None:
        self._folder = folder
        self._seen = seen
        self._gone: set[str] = set()

    def run(self, run_id: str) -> RunSeen | None:
        """See a run; one that came since all runs were read is read now.

        Raises:
            WhenceError: it is here and can't be read, which is found elsewhere.
        """
        if run_id not in self._seen and run_id not in self._gone:
            try:
                self._seen[run_id] = see_run(RunRecord.read(self._folder, run_id))
            except NotFoundError:
                self._gone.add(run_id)
        return self._seen.get(run_id)

    def has_chain(self, sealed: SealedRun) -> bool:
        """Whether a run's journal begins with what was sealed; looks at the disk."""
        try:
            scan = scan_frames(
                self._folder.run_path(sealed.run_id) / "journal", keep=False, within=sealed.size_bytes
            )
        except WhenceError:
            return False
        found = (scan.sound_bytes, scan.count, scan.chain)
        return not scan.damages and found == (sealed.size_bytes, sealed.event_count, sealed.chain)

    def decision(self, decision_id: str) -> bytes | None:
        """Find the digest of a decision; None where it isn't here."""
        if not (self._folder.path / "registry" / decision_id).exists():
            return None
        try:
            return decision_digest(self._folder, decision_id)[0]
        except WhenceError:
            return b""


def verify_folder(
    folder: Folder,
    *,
    demand: Demand,
    notes: Iterable[str] = (),
    with_sources: bool = False,
    tell: Told = lambda _: None,
) -> Verdict:
    """Verify a workspace: its logs, everything that they speak of, and everything that they don't yet.

    Args:
        folder: the workspace; only read.
        demand: what whoever verifies knows, and asks for.
        notes: what should be known beside what is found.
        with_sources: compare the files that were read with what is there now.
        tell: hears how far it is.
    """
    tally = Tally(notes=list(notes), policy=demand.told())
    for damage in Registry(folder).damages():
        tally.find(damage.path, damage.problem)
    root = folder.path / _LEDGER
    logs = {
        seen.name: seen
        for name in _shard_names(root)
        for seen in [read_log(name, root / name, demand, tally)]
        if seen is not None
    }  # first, so that what ends meanwhile isn't missed: a log speaks only of what is on the disk
    seen: dict[str, RunSeen] = {}
    for run in check_runs(_records(folder, tally), tally, with_sources=with_sources):
        seen[run.id] = run
        tell(f"{len(seen):,} runs")
    pending = Pending()
    record = RecordHere(folder, seen)
    for name, log in list(logs.items()):
        logs[name] = _check_log(log, record, demand, tally, pending, tell)
    judge_pending(pending, logs, tally)
    left_at = rolled_back(pending)
    copied_at = _copied_at(root, pending)
    for log in logs.values():
        _judge_remembered(log, left_at, copied_at, demand, tally)
    _judge_unlogged(seen, pending, tally, is_demanded=demand.policy is not None)
    _judge_missing(root, logs, demand, tally)
    return tally.verdict()


def _records(folder: Folder, tally: Tally) -> Iterator[RunRecord]:
    """Read run after run, oldest first; what can't be read is a finding."""
    for run_id in folder.run_ids():
        try:
            yield RunRecord.read(folder, run_id)
        except NotFoundError:
            tally.note(f"{run_id}: its process died before it wrote anything")
        except WhenceError as error:
            tally.find(folder.run_path(run_id), error.message)


def _shard_names(root: pathlib.Path) -> list[str]:
    try:
        with explained_reading(root):
            names = [path.name for path in root.iterdir() if path.is_dir()]
            return sorted(name for name in names if name not in _NO_SHARDS and not name.startswith("."))
    except NotFoundError:
        return []


def _check_log(
    log: LogSeen, record: RecordHere, demand: Demand, tally: Tally, pending: Pending, tell: Told
) -> LogSeen:
    """Check one log; where somebody logs meanwhile, what it has come to by then.

    Returns:
        The log as it was checked.
    """
    for attempt in range(_ATTEMPTS):
        part, waiting = Tally(), Pending()
        reader = EntryReader(log, Shard(log.folder.path).openings, record, part, waiting)

        def take(index: int, entry: bytes, reader: EntryReader = reader, log: LogSeen = log) -> None:
            reader.take(index, entry)
            if index % _TOLD_EVERY == 0:
                tell(f"{log.name}: {index:,} of {log.checkpoint.size:,} entries")

        beside, others = _listing(log.folder.path)
        is_newest = _is_newest(log, demand)
        audit_log(log, part, each=take, listing=beside, is_newest=is_newest)
        _judge_others(log, others, is_newest, part)
        part.count("openings", reader.opened)
        if part.findings and attempt < _ATTEMPTS - 1:
            again = read_log(log.name, log.folder.path, demand, Tally())
            if again is not None and again.checkpoint != log.checkpoint:
                log = again
                continue
        break
    tally.absorb(part)
    pending.absorb(waiting)
    tally.logs.append(judge_vouchers(log, demand, tally))
    return log


def _is_newest(log: LogSeen, demand: Demand) -> bool:
    """Whether nothing newer was ever signed, as far as the own key ring knows."""
    try:
        signed = demand.signed(log.checkpoint.origin)
    except WhenceError:
        return False
    now = log.checkpoint
    return signed is not None and (signed.size, signed.root) == (now.size, now.root)


def _listing(path: pathlib.Path) -> tuple[list[str], list[str]]:
    """List the files of a shard: those that should be the log's, and ours beside them.

    Hidden ones are what a writer is about to put in place, or died before it did.
    """
    files = [name for name in list_files(path) if not name.startswith(_OURS)]
    return files, [name for name in list_files(path) if name.startswith(_OURS)]


def _judge_others(log: LogSeen, others: Iterable[str], is_newest: bool, tally: Tally) -> None:
    """Find what lies among our files beside the log, and no entry commits to."""
    size = log.checkpoint.size
    known = {
        entries_path(bundle).replace("tile/entries/", "payload/", 1): min(WIDTH, size - bundle * WIDTH)
        for bundle in range(-(-size // WIDTH))
    }
    for name in others:
        if not name.startswith("payload/"):
            continue
        behind = _behind(log, name, known[name]) if name in known else 1
        if not behind:
            continue
        problem = "holds payloads that no entry of this log commits to"
        if is_newest:
            tally.note(f"{log.folder.path / name}: {problem}; its writer died, or logs at this moment")
        else:
            tally.find(log.folder.path / name, f"stray: {problem}")


def _behind(log: LogSeen, name: str, count: int) -> int:
    """Count the bytes behind the payloads of a bundle; none where it ends before."""
    try:
        data = log.folder.read(name)
    except WhenceError:
        return 0
    at = 0
    for _ in range(count):
        at += 2 + int.from_bytes(data[at : at + 2])
    return max(0, len(data) - at)


def _begun_here(root: pathlib.Path) -> list[str]:
    """List the logs that were begun in this workspace."""
    try:
        with explained_reading(root / _OWN):
            return (root / _OWN).read_text("utf-8", "replace").split()
    except NotFoundError:
        return []


def _copied_at(root: pathlib.Path, pending: Pending) -> dict[str, int]:
    """Find the logs that came from elsewhere, as one begun here says: by origin, from which size on.

    Whoever writes them there goes on, perhaps with the same keys.
    """
    own = _begun_here(root)
    return {
        each.origin: each.size
        for (name, _), each in reversed(pending.imported)
        if name in own and each.shard not in own
    }


def _judge_remembered(
    log: LogSeen,
    left_at: Mapping[str, int],
    copied_at: Mapping[str, int],
    demand: Demand,
    tally: Tally,
) -> None:
    """Compare a log with what its signer signed last, and with a checkpoint that somebody saved.

    Args:
        log: the log.
        left_at: the logs of which a later one says that they were left because they had been rolled back, by
            origin: at which size.
        copied_at: the logs that came from elsewhere, by origin: from which size on.
        demand: knows what was kept.
        tally: takes what is found.
    """
    now, where = log.checkpoint, log.folder.path / CHECKPOINT
    try:
        signed = demand.signed(now.origin)
    except WhenceError as error:
        tally.note(f"{log.name}: {error.message}")
        signed = None
    is_copy = demand.is_copy or copied_at.get(now.origin, now.size + 1) <= now.size
    if signed is not None and now.size < signed.size and is_copy:
        tally.note(
            f"{log.name}: a copy, with {now.size:,} of the {signed.size:,} entries that are signed by now"
        )
    elif signed is not None and left_at.get(now.origin) == now.size < signed.size:
        words = (
            f"rolled back: {signed.size:,} entries were signed, and {now.size:,} are here; "
            "the log that follows says so"
        )
        if demand.policy is None:
            tally.note(f"{log.name}: {words}")
        else:
            tally.find(where, words)
    elif signed is not None:
        kept = Remembered(size=signed.size, root=signed.root, by="its signer's memory, in the key ring,")
        compare_remembered(log, [kept], tally)
    if demand.since is None or parse_checkpoint(demand.since.text).origin != now.origin:
        return
    try:
        check_note(demand.since, [parse_vkey(log.folder.vkey)])
    except WhenceError as error:
        tally.find(
            where, f"its key didn't sign the checkpoint that was saved ({error.message})", kind="unmet"
        )
        return
    saved = parse_checkpoint(demand.since.text)
    compare_remembered(log, [Remembered(size=saved.size, root=saved.root, by="the saved checkpoint")], tally)


def _judge_unlogged(seen: dict[str, RunSeen], pending: Pending, tally: Tally, *, is_demanded: bool) -> None:
    """Say which runs have ended, or gone on since, and are in no log as they are now."""
    left = [
        run for run in seen.values() if run.is_ended and pending.logged.get(run.id, 0) < max(run.chain_at_end)
    ]
    for run in seen.values():
        if run.id not in pending.logged:
            note_redacted(run, tally)
    if not left:
        return
    named = ", ".join(run.name for run in left[:_NAMED]) + (", …" if len(left) > _NAMED else "")
    runs = "1 run that ended is" if len(left) == 1 else f"{len(left):,} runs that ended are"
    words = f"{runs} not logged yet: {named}"
    if is_demanded:
        tally.find("ledger", words, kind="unmet")
    else:
        tally.note(words + " (whence seal logs them)")


def _judge_missing(root: pathlib.Path, logs: dict[str, LogSeen], demand: Demand, tally: Tally) -> None:
    """Find the logs that must be here and aren't; and demands that demand nothing."""
    here = {log.checkpoint.origin for log in logs.values()}
    for name in _begun_here(root):
        if name not in logs and not (root / name / CHECKPOINT).exists():
            tally.find(root / name, "this log was begun here, and isn't here any more")
    wanted = {} if demand.policy is None else {log.verifier.name: "the policy" for log in demand.policy.logs}
    wanted |= {verifier.name: "--key" for verifier in demand.keys}
    if demand.since is not None:
        wanted[parse_checkpoint(demand.since.text).origin] = "the checkpoint that was saved"
    for origin, by in wanted.items():
        if origin not in here:
            tally.find(root, f"{by} names the log {origin}, which isn't here", kind="unmet")
    demand.check_policy(tally)
    if demand.policy is not None and not here:
        tally.find(root, "no log is here that could meet the policy", kind="unmet")
