"""Keeping a workspace: merged with others, tidied, put in a file and taken out of it."""

from __future__ import annotations

import datetime as dt
import os
import pathlib
from collections.abc import Callable

from whence.runs import log_synced
from whence.store import (
    GRACE_S,
    Archived,
    Folder,
    Synced,
    Tidied,
    back_up,
    restore_archive,
    sync_folders,
    tidy_folder,
)

Told = Callable[[str], None]


def tell_nobody(text: str) -> None:
    """Hear how far something is, and say nothing."""


class Keeping:
    """What can be done with a workspace as a whole; see `Workspace`.

    Args:
        folder: the workspace on disk.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def sync(
        self,
        source: str | os.PathLike[str] | Keeping,
        *,
        dry_run: bool = False,
        thorough: bool = False,
        tell: Told = tell_nobody,
    ) -> Synced:
        """Copy from another workspace all that this one lacks: runs, objects, decisions, the ledger's shards.

        What came is logged: which shards, and what is in none of them.

        Args:
            source: the other workspace, which is only read.
            dry_run: write nothing, and say what would be done.
            thorough: compare to the last byte what both have, and mend what is damaged here.
            tell: hears how far it is.

        Returns:
            What was copied, what both have gone on with in their own ways, and what is damaged.

        Raises:
            NotFoundError: there is no workspace.
            InputError: it is this one.
            StoreError: this one can't be written.

        Cost: of runs that both have, a few reads each.
        """
        other = source._folder if isinstance(source, Keeping) else Folder.find(source)
        done = sync_folders(other, self._folder, dry_run=dry_run, thorough=thorough, tell=tell)
        if not dry_run:
            log_synced(self._folder, [*done.copied, *done.extended, *done.decisions])
        return done

    def tidy(self, *, delete: bool = False, grace_s: float = GRACE_S, tell: Told = tell_nobody) -> Tidied:
        """Find what nobody refers to any more, and what writers left that died; delete it where that is said.

        Args:
            delete: take it away.
            grace_s: what was changed within so many seconds stays.
            tell: hears how far it is.

        Cost: reads all journals.
        """
        return tidy_folder(self._folder, delete=delete, grace_s=grace_s, tell=tell)

    def back_up(self, path: str | os.PathLike[str], *, tell: Told = tell_nobody) -> Archived:
        """Write all of it to one tar file (`.tar`, `.tar.gz`, `.tar.xz`), while runs go on.

        Raises:
            InputError: the file is named otherwise.
            StoreError: it can't be written.
        """
        return back_up(self._folder, pathlib.Path(path), now=dt.datetime.now(dt.UTC), tell=tell)


def restore(
    path: str | os.PathLike[str],
    workspace: str | os.PathLike[str] | None = None,
    *,
    replace: bool = False,
    tell: Told = tell_nobody,
) -> Archived:
    """Make a workspace of a backup, checked before anything is put in place.

    Args:
        path: the backup.
        workspace: where; default as for `open`.
        replace: put a workspace that is there aside, under a name beside it, instead of refusing.
        tell: hears how far it is.

    Raises:
        NotFoundError, InputError, DamagedError: there is no such file, it is no backup, or not whole.
        InputError: the place isn't empty.
        StoreError: it can't be written.
    """
    return restore_archive(pathlib.Path(path), Folder.find(workspace).path, replace=replace, tell=tell)
