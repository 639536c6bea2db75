"""Saving a stream as the next version of a dataset, within a run, so that each row can be followed back."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from whence import datasets  # its parts on first use: they need pyarrow
from whence.errors import PlanError
from whence.runs import LiveRun, check_name
from whence.store import Folder, ObjectBatch
from whence.streams import Readable, tables_of
from whence.vocab import digest_text
from whence.workspace.shelf import Shelf, Version

FORMAT = "parquet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What was saved.

    Args:
        reference: the version, `digits-clean@3`.
        digest: of what its rows say, as text.
        rows: how many.
        is_new: whether it is a new version; the same content as that of the newest is none.
        new_bytes: how much was written for it; chunks that were there aren't written again.
    """

    reference: str
    digest: str
    rows: int
    is_new: bool
    new_bytes: int

    @property
    def version(self) -> int:
        """The version's number."""
        return int(self.reference.rpartition("@")[2])


def save_in(
    live: LiveRun, folder: Folder, stream: Readable, name: str, *, message: str, workers: int | None
) -> Saved:
    """Read epoch 0 of a stream in a run, and keep it as the next version of a dataset.

    Raises:
        PlanError: the name isn't one.
        OpError: the samples aren't dicts with the same fields of the same types.
        StoreError: it couldn't be written; then there is no new version, and nothing half.
    """
    named = check_name("save", name)
    if not isinstance(stream, Readable):
        raise PlanError(
            f"save({named!r}): wanted a stream, got {type(stream).__name__}", remedy="Save a stream."
        )
    with contextlib.closing(Shelf(folder, kind="dataset")) as shelf:
        versions = shelf.versions(named)
        newest = versions[-1] if versions else None
        batch = ObjectBatch(folder.objects_path)
        with live.recorded() as number, datasets.TableWriter(batch, _chunks_of(versions)) as writer:
            for table in tables_of(stream, workers=workers):
                writer.write(table)
            kept = writer.finish()
        if newest is not None and newest.digest == kept.digest:
            reference, is_new = newest.reference, False
        else:
            body = _body_of(kept) | {"pass": number}
            version = live.log_dataset(named, body, message=message, next_version=shelf.next_version)
            reference, is_new = f"{named}@{version}", True
    return Saved(
        reference=reference,
        digest=digest_text(kept.digest),
        rows=kept.rows,
        is_new=is_new,
        new_bytes=kept.new_bytes,
    )


def _chunks_of(versions: Sequence[Version]) -> Mapping[bytes, datasets.KeptChunk]:
    """Find what is there, by what it says."""
    return {
        content: datasets.KeptChunk(rows=rows, content=content, digest=digest, size_bytes=size)
        for version in versions
        for rows, content, digest, size in version.named.body["chunks"]
    }


def _body_of(kept: datasets.KeptTable) -> dict[str, Any]:
    return {
        "digest": kept.digest,
        "format": FORMAT,
        "bytes": sum(chunk.size_bytes for chunk in kept.chunks),
        "rows": kept.rows,
        "schema": kept.schema.serialize().to_pybytes(),
        "chunks": [[chunk.rows, chunk.content, chunk.digest, chunk.size_bytes] for chunk in kept.chunks],
        "profile": {column.pop("name"): column for column in kept.profile},
    }
