"""What is kept of a run for lists and questions across runs."""

from __future__ import annotations

from typing import Any

from whence.errors import NotFoundError, StoreError
from whence.query import outline_of
from whence.runs import RunRecord, finite_or_none
from whence.store import CatalogRow, Folder
from whence.workspace.recorded import time_of


def summarise_run(record: RunRecord) -> dict[str, Any]:
    """Summarise a run, JSON-able."""
    ended = record.ended_at_ns
    return {
        "id": record.id,
        "name": record.name,
        "title": record.title,
        "status": record.status,
        "started_at": time_of(record.started_at_ns).isoformat(),
        "ended_at": None if ended is None else time_of(ended).isoformat(),
        "params": record.params,
        "metrics": {key: finite_or_none(value) for key, value in record.metrics.items()},
        "tags": record.tags,
    }


def catalog_row(folder: Folder, run_id: str) -> CatalogRow:
    """Read a run for the catalog; one that can't be read has a row as well."""
    try:
        record = RunRecord.read(folder, run_id)
    except NotFoundError:  # its process died before the journal was begun
        return CatalogRow(run_id=run_id, name=run_id, is_final=False, summary=_empty_summary(run_id, "lost"))
    except StoreError:  # the others are to be seen all the same; asking for this one says why
        return CatalogRow(
            run_id=run_id, name=run_id, is_final=False, summary=_empty_summary(run_id, "unknown")
        )
    outline = outline_of(record) if record.is_ended else None
    return CatalogRow(
        run_id=run_id,
        name=record.name,
        is_final=record.is_ended,
        summary=summarise_run(record),
        outline=outline,
    )


def _empty_summary(run_id: str, status: str) -> dict[str, Any]:
    return {
        "id": run_id, "name": run_id, "title": "", "status": status, "started_at": None, "ended_at": None,
        "params": {}, "metrics": {}, "tags": {},
    }  # fmt: skip
