"""A receipt, verified by itself: that something was in a log, without the log and without the network."""

from __future__ import annotations

import contextlib
import pathlib
from typing import Any

from whence.errors import DamagedError, WhenceError
from whence.ledger import (
    ImportedShard,
    LoggedArtifact,
    LoggedDecision,
    LoggedVersion,
    Receipt,
    SealedRun,
    Statement,
    Subject,
    check_note,
    parse_checkpoint,
    parse_extra,
    parse_receipt,
    subject_of,
)
from whence.query.logs import Demand
from whence.query.verdicts import KeyFrom, LogVerdict, Tally, Verdict
from whence.runs import digest_path
from whence.store import scan_frames
from whence.vocab import decode_content, digest_text


def verify_receipt(
    data: bytes, *, demand: Demand, name: str = "receipt", thing: pathlib.Path | None = None
) -> Verdict:
    """Verify a receipt: who signed, that its entry is in the log, what it says, and that a thing is the one.

    Args:
        data: the receipt, a C2SP tlog-proof.
        demand: what whoever verifies knows, and asks for; what is remembered of the log counts too.
        name: what findings call it.
        thing: a file or folder that is said to be what was logged; of a run its journal.
    """
    tally = Tally(policy=demand.told())
    try:
        receipt = parse_receipt(data)
        statement, salt = parse_extra(receipt.extra)
        receipt.check_entry(statement.entry(salt))
        subject = subject_of(statement.kind, statement.payload)
    except WhenceError as error:
        tally.find(name, error.message)
        return tally.verdict()
    tally.count("entries")
    vkey, key_from = _check_signed(receipt, demand, name, tally)
    vouchers = _check_policy(receipt, demand, name, tally)
    _compare_remembered(receipt, demand, name, tally)
    size = receipt.tree.size
    tally.logs.append(
        LogVerdict(
            name=name,
            origin=receipt.tree.origin,
            size=size,
            root=receipt.tree.root.hex(),
            vkey=vkey,
            key_from=key_from,
            vouched_size=size if vouchers else 0,
            vouchers=vouchers,
        )
    )
    if thing is not None:
        _check_thing(thing, subject, tally)
    tally.statement = told_statement(statement, subject) | {"index": receipt.index}
    return tally.verdict()


def told_statement(statement: Statement, subject: Subject | None) -> dict[str, Any]:
    """Say what was logged, as JSON."""
    said: dict[str, Any] = {"kind": statement.kind, "at_ms": statement.at_ms}
    if isinstance(subject, SealedRun):
        said |= {"run": subject.run_id, "journal": digest_text(subject.chain), "events": subject.event_count}
    elif isinstance(subject, LoggedVersion):
        said |= {"name": subject.name, "version": subject.version, "run": subject.run_id}
    elif isinstance(subject, LoggedArtifact):
        said |= {"name": subject.name, "run": subject.run_id}
    elif isinstance(subject, LoggedDecision):
        said |= {"decision": subject.decision_id}
    elif isinstance(subject, ImportedShard):
        said |= {"origin": subject.origin, "size": subject.size}
    else:
        with contextlib.suppress(DamagedError):  # what it says is its own business
            said["words"] = decode_content(statement.payload)
    if isinstance(subject, LoggedVersion | LoggedArtifact | LoggedDecision):
        said["digest"] = digest_text(subject.digest)
    return said | ({} if statement.public is None else {"public": dict(statement.public)})


def _check_signed(receipt: Receipt, demand: Demand, name: str, tally: Tally) -> tuple[str, KeyFrom]:
    """Find whose key signed the checkpoint; one that nobody names says nothing."""
    origin = receipt.tree.origin
    keys, key_from = demand.keys_of(origin)
    if key_from == "key ring" and demand.is_foreign(receipt.note):
        problem = f"nobody names the key of the log {origin}; name it with --key, or in a policy"
        tally.find(name, problem, kind="unmet")
        return "", "log"
    if not keys:
        problem = f"no key that the policy names, or that was given, is of the log {origin}"
        tally.find(name, problem, kind="unmet")
        return "", key_from
    try:
        _, signed = check_note(receipt.note, keys)
    except WhenceError as error:
        tally.find(name, error.message)
        return "", key_from
    return signed[0].vkey, key_from


def _compare_remembered(receipt: Receipt, demand: Demand, name: str, tally: Tally) -> None:
    """Compare the checkpoint with what the own key ring signed, and with one that was saved."""
    tree = receipt.tree
    try:
        signed = demand.signed(tree.origin)
    except WhenceError as error:
        tally.note(error.message)
        signed = None
    if signed is not None and signed.size < tree.size:
        problem = f"{tree.size:,} entries of {tree.origin}, whose key never signed more than {signed.size:,}"
        tally.find(name, problem, kind="forked")
    saved = None if demand.since is None else parse_checkpoint(demand.since.text)
    for kept, by in ((signed, "its signer's memory"), (saved, "the saved checkpoint")):
        if kept is None or kept.origin != tree.origin:
            continue
        if kept.size == tree.size and kept.root != tree.root:
            problem = f"{by} says that these {tree.size:,} entries were others: two histories of one log"
            tally.find(name, problem, kind="forked")
        elif kept.size != tree.size and kept is saved:
            tally.note("the saved checkpoint is of another size: only the log itself can be compared with it")


def _check_policy(receipt: Receipt, demand: Demand, name: str, tally: Tally) -> tuple[str, ...]:
    if demand.policy is None:
        return ()
    demand.check_policy(tally)
    try:
        met = demand.policy.met_by(receipt.note, logs=demand.keys)
    except WhenceError as error:
        tally.find(name, error.message, kind="unmet")
        return ()
    return tuple(f"witness {each}" for each in met.times_s)


def _check_thing(thing: pathlib.Path, subject: Subject | None, tally: Tally) -> None:
    """Compare a thing with what the receipt is about."""
    try:
        if isinstance(subject, SealedRun):
            path = thing / "journal" if thing.is_dir() else thing
            scan = scan_frames(path, keep=False, within=subject.size_bytes)
            is_same = (scan.chain, scan.count, scan.damages) == (subject.chain, subject.event_count, [])
        elif isinstance(subject, LoggedVersion | LoggedArtifact):
            is_same = digest_path(thing) == subject.digest
        else:
            tally.find(thing, "the receipt is about nothing that a file could be", kind="unmet")
            return
    except WhenceError as error:
        tally.find(thing, error.message)
        return
    tally.count("objects")
    if not is_same:
        tally.find(thing, "isn't what the receipt is about: its digest is another one")
