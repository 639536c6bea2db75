"""What `show` and `doctor` tell of the ledger."""

from __future__ import annotations

from typing import Any

from whence.cli.page import Cell, Words, dim, name
from whence.errors import WhenceError
from whence.ledger import SealedRun
from whence.workspace import Run, Workspace


def describe_logged(run: Run, workspace: Workspace) -> dict[str, Any]:
    """Tell where a run is in the ledger, and whether that is all of it."""
    place, size = None, 0
    try:
        entry = workspace.ledger.find(run.id)
    except WhenceError:  # not logged, or damaged, of which verify tells
        pass
    else:
        place = entry.place
        size = entry.subject.size_bytes if isinstance(entry.subject, SealedRun) else 0
    return {"logged": {"place": place, "whole": size == run.record.journal.size}}


def logged_words(logged: dict[str, Any], *, is_ended: bool) -> Cell:
    """Say where a run is in the ledger; or what to do where it isn't."""
    if logged["place"] is None:
        why = "whence seal logs it" if is_ended else "when it ends"
        return (Words("not yet", "doubt" if is_ended else "dim"), dim(f"  {why}"))
    more = "" if logged["whole"] else dim("  it has gone on since")
    return (name(logged["place"]), more)
