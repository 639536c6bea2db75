"""What is kept of a run for lists and questions across runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from whence.errors import NotFoundError, StoreError
from whence.query import mentions_of, outline_of
from whence.runs import RunRecord, finite_or_none
from whence.store import CatalogRow, Event, Folder, Named
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
    except NotFoundError:  # the journal isn't begun
        return CatalogRow(run_id=run_id, name=run_id, is_final=False, summary=_empty_summary(run_id))
    except StoreError:  # the others are to be seen all the same; asking for this one says why
        return CatalogRow(
            run_id=run_id, name=run_id, is_final=False, summary=_empty_summary(run_id), status="unknown"
        )
    ended = record.ended_at_ns
    return CatalogRow(
        run_id=run_id,
        name=record.name,
        is_final=_is_final(record),
        is_part=record.part_of is not None,
        was_resumed=bool(record.journal.find("run_resume")),
        status=record.status if record.is_ended else None,
        started_us=record.started_at_ns // 1000,
        ended_us=None if ended is None else ended // 1000,
        summary=summarise_run(record),
        outline=outline_of(record) if record.is_ended else None,
        named=list(_named(record)),
        mentions=mentions_of(record),
    )


def _is_final(record: RunRecord) -> bool:
    """Whether nothing is added any more: nobody goes on with it, and its parts are over."""
    parts_are_over = all(part.is_ended or part.status == "lost" for part in record.parts)
    return record.is_ended and not record.journal.has_lease() and parts_are_over


def _named(record: RunRecord) -> Iterator[Named]:
    """Give what a run has under a name: its models and artifacts, and what it read and wrote."""
    snapshots = {event.public["source"]: event.body for event in record.journal.find("snapshot")}
    for event in record.journal.events:
        body = event.body
        if not body:
            continue
        if event.kind in ("model", "artifact", "dataset"):
            yield _name(record, event, event.kind, body["name"], body["digest"], body["bytes"], body)
            for parent in body.get("parents", ()):
                yield _name(record, event, "parent", body["name"], parent["digest"], None, {})
        elif event.kind == "model_used":
            yield _name(record, event, event.kind, body["name"], body["digest"], None, {})
        elif event.kind == "source":
            read = (snapshots.get(event.public["source"]) or {}).get("digest")
            yield _name(record, event, "source", body["name"], read, None, {"kind": body["kind"]})
    for path, (event, size, digest, before, how) in _files(record).items():
        if how in ("read", "both"):
            read = digest if how == "read" else before
            yield _name(record, event, "read", path, read, size if how == "read" else None, {})
        if how != "read":
            yield _name(record, event, "written", path, digest, size, {"how": how})


def _files(record: RunRecord) -> dict[str, tuple[Event, int | None, bytes | None, bytes | None, str]]:
    """Give the files that a run opened by their paths, as they were told last."""
    found = {}
    for event in record.journal.find("file"):
        for path, _, how, size, digest, before, *_ in (event.body or {}).get("files", []):
            found[path] = (event, size, digest, before, how)
    return found


def _name(
    record: RunRecord, event: Event, kind: str, name: str, digest: bytes | None, size: int | None, body: Any
) -> Named:
    return Named(
        run_id=record.id, number=event.number, kind=kind, name=name, digest=digest, size_bytes=size,
        at_ns=event.at_ns, body=body,
    )  # fmt: skip


def _empty_summary(run_id: str) -> dict[str, Any]:
    return {
        "id": run_id, "name": run_id, "title": "", "started_at": None, "ended_at": None,
        "params": {}, "metrics": {}, "tags": {},
    }  # fmt: skip
