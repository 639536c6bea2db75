"""What whoever verifies knows and asks for, put together from files, texts and the own key ring."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable

from whence.errors import InputError, WhenceError
from whence.ledger import Policy, parse_checkpoint, parse_note, parse_policy, parse_vkey
from whence.query.logs import Demand
from whence.store import KeyRing, explained_reading
from whence.trust import Trust, read_trust

FileOrBytes = bytes | str | os.PathLike[str]


def make_demand(
    *,
    policy: Policy | FileOrBytes | None = None,
    keys: Iterable[str] = (),
    since: FileOrBytes | None = None,
    trust: str | os.PathLike[str] | None = None,
    is_copy: bool = False,
) -> tuple[Demand, list[str]]:
    """Put together what is known and asked for.

    Args:
        policy: a C2SP tlog-policy, its bytes or its file.
        keys: of logs, each as a vkey.
        since: a checkpoint that was kept, its bytes or its file.
        trust: the file that says whom to believe about anchors.
        is_copy: whether it is about a copy that was made once.

    Returns:
        The demand; and what should be known of how it came about.

    Raises:
        InputError: one of them is none.
        NotFoundError, StoreError: a file can't be read.
    """
    notes: list[str] = []
    ring: KeyRing | None = None
    own: tuple[bytes, ...] = ()
    try:
        ring = KeyRing.find()
        keys_here = ring.keys()
        own = tuple(key.public for key in keys_here if key.algorithm == "ed25519")  # others sign no logs
    except WhenceError as error:
        notes.append(f"the own keys can't be used to tell whose logs these are: {error.message}")
    try:
        note = None if since is None else parse_note(content_of(since))
        if note is not None:
            parse_checkpoint(note.text)
    except WhenceError as error:
        raise InputError(f"{_named(since)}: no checkpoint ({error.message})") from error
    asked = policy if isinstance(policy, Policy | None) else _policy(policy)
    believed = {} if trust is None else read_trust(pathlib.Path(trust))
    if (
        asked is not None and asked.witnesses
    ):  # what they said of an earlier checkpoint lies among the anchors
        vkeys = [each.verifier.vkey for each in asked.witnesses]
        believed.setdefault("witness", Trust(settings={"keys": vkeys}))
    demand = Demand(
        policy=asked,
        keys=tuple(parse_vkey(key) for key in keys),
        own=own,
        trust=believed,
        since=note,
        is_copy=is_copy,
        **({} if ring is None else {"signed": ring.remembered}),
    )
    return demand, notes


def _policy(given: FileOrBytes) -> Policy:
    try:
        return parse_policy(content_of(given))
    except InputError as error:
        raise InputError(f"{_named(given)}: {error.message}", remedy=error.remedy) from error


def content_of(given: FileOrBytes) -> bytes:
    """Take bytes, or those of a file; raises `NotFoundError`, `StoreError`."""
    if isinstance(given, bytes):
        return given
    path = pathlib.Path(given)
    with explained_reading(path):
        return path.read_bytes()


def _named(given: object) -> str:
    return "what was given" if isinstance(given, bytes) else str(given)
