"""Verifying what isn't a workspace: a receipt by itself, a backup without restoring it."""

from __future__ import annotations

import os
import pathlib
import tempfile
from collections.abc import Iterable

from whence.ledger import Policy
from whence.query import FileOrBytes, Verdict, content_of, make_demand, verify_folder
from whence.query import verify_receipt as verify_given
from whence.store import Folder, explained
from whence.workspace.keeping import Told, restore, tell_nobody


def verify_receipt(
    receipt: FileOrBytes,
    *,
    policy: Policy | FileOrBytes | None = None,
    keys: Iterable[str] = (),
    since: FileOrBytes | None = None,
    thing: str | os.PathLike[str] | None = None,
) -> Verdict:
    """Verify a receipt, a C2SP tlog-proof: without the log, without a workspace, without the network.

    Args:
        receipt: its bytes, or its file.
        policy: which logs are known and which witnesses must have cosigned: a C2SP tlog-policy.
        keys: keys of logs that are known, as vkeys.
        since: a checkpoint that was kept.
        thing: the file or folder that was logged, to be compared; of a run its folder or journal.

    Returns:
        The verdict; `statement` is what was logged.

    Raises:
        InputError, NotFoundError, StoreError: something that was given can't be read.
    """
    demand, notes = make_demand(policy=policy, keys=keys, since=since)
    data = content_of(receipt)
    name = "receipt" if isinstance(receipt, bytes) else str(receipt)
    path = None if thing is None else pathlib.Path(thing)
    verdict = verify_given(data, demand=demand, name=name, thing=path)
    verdict.notes.extend(notes)
    return verdict


def verify_backup(
    path: str | os.PathLike[str],
    *,
    policy: Policy | FileOrBytes | None = None,
    keys: Iterable[str] = (),
    since: FileOrBytes | None = None,
    trust: str | os.PathLike[str] | None = None,
    sources: bool = False,
    tell: Told = tell_nobody,
) -> Verdict:
    """Verify a backup as the workspace that it is of; what is unpacked for that is gone afterwards.

    That its log is behind what its key has signed since is what a backup is, and noted.
    All arguments but the first are those of `Workspace.verify`.

    Args:
        path: the backup.

    Raises:
        NotFoundError, InputError, DamagedError: there is no such file, it is no backup, or not whole.
        StoreError: there is no room for temporary files; TMPDIR says where they lie.
    """
    demand, notes = make_demand(policy=policy, keys=keys, since=since, trust=trust, is_copy=True)
    with explained(tempfile.gettempdir()), tempfile.TemporaryDirectory(prefix="whence-verify-") as folder:
        place = pathlib.Path(folder) / ".whence"
        restore(path, place, tell=tell)
        return verify_folder(Folder(place), demand=demand, notes=notes, with_sources=sources, tell=tell)
