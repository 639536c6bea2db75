"""Writing a dataset version: rows in, chunks out, each a Parquet file of its own among the objects.

Chunks that an earlier version has are not written again; they are told by what they say, not by their bytes,
which another pyarrow might write otherwise. Nothing refers to what was written until the version is recorded.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from whence.datasets.arrow import pa, pq
from whence.datasets.cutting import CHUNK_BYTES, Cutter
from whence.datasets.identity import ContentHasher, content_digest
from whence.datasets.logical import type_name, without_views
from whence.datasets.marks import UInt64Array, column_marks, fold
from whence.datasets.profile import Profile
from whence.errors import OpError
from whence.store import ObjectBatch

_ENCODERS = 2
_ROWS_AT_ONCE = 1 << 16
_TRIED_ROWS = 1_024
_FEW_SHARE = 0.5
_WAITING_CHUNKS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptChunk:
    """Some consecutive rows of a dataset version.

    Args:
        rows: how many.
        content: the digest of what they say, 32 bytes raw.
        digest: of the Parquet file that holds them, which is an object.
        size_bytes: of that file.
    """

    rows: int
    content: bytes
    digest: bytes
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptTable:
    """The rows of a dataset version, as they were kept.

    Args:
        digest: of what they say, 32 bytes raw.
        schema: of Arrow.
        rows: how many.
        chunks: that hold them, in order.
        new_bytes: how much of that was written for it.
        profile: what is known of each column.
    """

    digest: bytes
    schema: Any
    rows: int
    chunks: tuple[KeptChunk, ...]
    new_bytes: int
    profile: list[dict[str, Any]]


class TableWriter:
    """Keeps rows as they come; memory is that of a few chunks.

    Args:
        batch: takes the chunks.
        known: chunks that are there, by the digest of what they say.
        chunk_bytes: how large chunks are on average, as values lie in memory.
    """

    def __init__(
        self, batch: ObjectBatch, known: Mapping[bytes, KeptChunk], *, chunk_bytes: int = CHUNK_BYTES
    ) -> None:
        self._batch = batch
        self._known = dict(known)
        self._cutter = Cutter(chunk_bytes)
        self._schema: Any = None
        self._waiting: list[Any] = []
        self._waiting_rows = 0
        self._pending: list[Any] = []
        self._hasher = ContentHasher()
        self._profile = Profile()
        self._chunks: list[Future[tuple[KeptChunk, bool]]] = []
        self._seen: list[Future[None]] = []
        self._free = threading.BoundedSemaphore(_WAITING_CHUNKS)
        self._watching = ThreadPoolExecutor(1, thread_name_prefix="whence-profile")
        self._encoding = ThreadPoolExecutor(_ENCODERS, thread_name_prefix="whence-chunk")
        self.rows = 0

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(self, *ignored: object) -> None:
        self._watching.shutdown(cancel_futures=True)
        self._encoding.shutdown(cancel_futures=True)
        self._batch.discard()  # nothing is left to discard of what was finished

    def write(self, table: Any) -> None:
        """Take further rows.

        Raises:
            OpError: their columns aren't those of the rows before.
            InputError: their values have no digest.
            StoreError: what came before couldn't be written.
        """
        if not table.num_rows and self._schema is not None:
            return
        table = without_views(table)
        self._schema = table.schema if self._schema is None else self._joined(table.schema)
        for field in table.schema:
            type_name(field.type)  # refused before anything of it is kept
        self._waiting.append(table)
        self._waiting_rows += table.num_rows
        self.rows += table.num_rows
        if self._waiting_rows >= _ROWS_AT_ONCE or sum(each.nbytes for each in self._waiting) >= CHUNK_BYTES:
            self._take()

    def _take(self) -> None:
        """Cut what waits into chunks: many rows at once, since each call costs more than a few rows."""
        table = pa.concat_tables(self._waiting, promote_options="permissive").combine_chunks()
        self._waiting, self._waiting_rows = [], 0
        by_column: dict[str, UInt64Array] = {}
        marks = np.zeros(table.num_rows, np.uint64)
        sizes = np.zeros(table.num_rows, np.int64)
        for field, column in zip(table.schema, table.columns, strict=True):
            pieces = [column_marks(each) for each in column.chunks]
            found = np.concatenate([each for each, _ in pieces]) if pieces else np.empty(0, np.uint64)
            by_column[field.name] = found
            sizes += np.concatenate([each for _, each in pieces]) if pieces else 0
            fold(marks, found)
        self._see(table, by_column)
        begin = 0
        for end in self._cutter.cuts(marks, sizes):
            self._pending.append(table.slice(begin, end - begin))
            self._keep()
            begin = end
        if begin < table.num_rows:
            self._pending.append(table.slice(begin))

    def finish(self) -> KeptTable:
        """Keep the rest, and wait until all of it is on the disk.

        Raises:
            StoreError: it couldn't be written.
        """
        if self._waiting:
            self._take()
        if self._pending:
            self._keep()
        kept = [each.result() for each in self._chunks]
        for each in self._seen:
            each.result()
        self._batch.commit()
        schema = pa.schema([]) if self._schema is None else self._schema
        return KeptTable(
            digest=self._hasher.digest(schema),
            schema=schema,
            rows=self.rows,
            chunks=tuple(chunk for chunk, _ in kept),
            new_bytes=sum(chunk.size_bytes for chunk, is_new in kept if is_new),
            profile=self._profile.to_plain(schema),
        )

    def _joined(self, schema: Any) -> Any:
        """The schema of all rows; a column is of no type as long as nothing but missing values came."""
        if schema.equals(self._schema):
            return self._schema
        known, found = self._schema.names, schema.names
        if known != found:
            differ = sorted(set(known) ^ set(found)) or found
            raise OpError(
                f"the samples from row {self.rows} on have other fields than those before: "
                f"{', '.join(map(repr, differ[:5]))}",
                remedy="Give all samples the same fields in one order, with map or select.",
                position=self.rows,
            )
        return pa.schema([self._joined_field(*pair) for pair in zip(self._schema, schema, strict=True)])

    def _joined_field(self, before: Any, after: Any) -> Any:
        if after.type == pa.null() or type_name(before.type) == type_name(after.type):
            return before
        if before.type == pa.null():
            return after
        raise OpError(
            f"the field {before.name!r} is {type_name(before.type)} up to row {self.rows}, "
            f"and {type_name(after.type)} from there on",
            remedy="Give it one type in all samples, with map or cast.",
            position=self.rows,
        )

    def _see(self, table: Any, marks: dict[str, UInt64Array]) -> None:
        def see() -> None:
            self._hasher.update(table)
            self._profile.update(table, marks)

        self._seen = [each for each in self._seen if not _is_done(each)]
        if len(self._seen) >= _WAITING_CHUNKS:
            self._seen.pop(0).result()
        self._seen.append(self._watching.submit(see))

    def _keep(self) -> None:
        """Have what is pending written as a chunk."""
        rows, self._pending = self._pending, []
        self._free.acquire()
        self._chunks.append(self._encoding.submit(self._write_chunk, rows))

    def _write_chunk(self, rows: list[Any]) -> tuple[KeptChunk, bool]:
        try:
            table = pa.concat_tables(rows, promote_options="permissive")
            content = content_digest(table)
            known = self._known.get(content)
            if known is not None and self._batch.touch(known.digest, known.size_bytes):
                return known, False
            sink = io.BytesIO()
            pq.write_table(
                table, sink, compression="zstd", store_schema=True, use_dictionary=_repeating(table)
            )
            kept = self._batch.put(sink.getbuffer())
            return KeptChunk(rows=len(table), content=content, digest=kept.digest, size_bytes=kept.size), True
        finally:
            self._free.release()


def _repeating(table: Any) -> list[str]:
    """Name the columns whose values come often: a dictionary of the others would be thrown away again."""
    found = []
    for field, column in zip(table.schema, table.columns, strict=True):
        if pa.types.is_nested(field.type):
            continue
        tried = column.slice(0, _TRIED_ROWS)
        if pa.types.is_dictionary(field.type) or len(tried.unique()) <= _FEW_SHARE * len(tried):
            found.append(field.name)
    return found


def _is_done(future: Future[None]) -> bool:
    if not future.done():
        return False
    future.result()
    return True
