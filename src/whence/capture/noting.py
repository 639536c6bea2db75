"""What one node of a plan says during a pass, gathered until it is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from whence.capture.fields import FieldWatch, FieldWatches
from whence.capture.recorder import BoolArray, Int64Array, SetAside, UInt64Array
from whence.lineage import encode_counts, encode_mask, encode_relation
from whence.vocab import Columns, plain, sample_digests

_ALL_KEPT = encode_mask(np.ones(1, np.bool_))
_Digest: TypeAlias = Callable[[UInt64Array, Sequence[int], tuple[Int64Array, Int64Array] | None], None]


class NodeNotes:
    """Gathers what one node said.

    Args:
        digest: takes the digests of items that reach the consumer.
        index: the node's number.
        gathers: whether its items are those that are counted and digested.
        fields: watch the fields of the first samples of its functions, in whichever pass they come.
    """

    __slots__ = (
        "_digest", "aside", "fields", "fits", "gathers", "in_count", "index", "notices", "ns", "out_count", "pending",
        "relations",
    )  # fmt: skip

    def __init__(self, digest: _Digest, index: int, gathers: bool, fields: FieldWatches) -> None:
        self._digest = digest
        self.index = index
        self.gathers = gathers
        self.fields = fields
        self.pending: list[Any] = []
        self.relations: list[Any] = []
        self.aside: list[SetAside] = []
        self.fits: list[dict[str, Any]] = []
        self.notices: dict[str, int] = {}
        self.ns = self.in_count = self.out_count = 0

    def selected(self, kept: BoolArray | None, count: int) -> None:
        if kept is None:
            self.pending.append([self.index, count, count, _ALL_KEPT])
        else:
            self.pending.append([self.index, count, int(np.count_nonzero(kept)), encode_mask(kept)])

    def duplicated(self, witnesses: Int64Array) -> None:
        self.pending[-1].append(encode_counts(witnesses))

    def expanded(self, counts: Int64Array) -> None:
        self.pending.append([self.index, len(counts), int(counts.sum()), encode_counts(counts)])

    def related(self, number: int, counts: Int64Array, positions: Int64Array) -> None:
        self.relations.append([self.index, number, len(counts), encode_relation(counts, positions)])

    def fitted(self, found: Sequence[Mapping[str, Any]]) -> None:
        self.fits.extend(plain(dict(each)) for each in found)

    def noticed(self, what: str, count: int) -> None:
        self.notices[what] = self.notices.get(what, 0) + count

    def found_rows(self, count: int) -> None:
        self.pending.append([self.index, count, count, b""])

    def watch(self, part: str = "fn") -> FieldWatch:
        return self.fields.of(part)

    def saw(self, part: str, fields: Mapping[str, Any]) -> None:
        self.fields.of(part).hear(fields)

    def set_aside(self, samples: Sequence[SetAside]) -> None:
        self.aside.extend(samples)

    def gathered(
        self,
        items: Sequence[Any] | Columns,
        sizes: Sequence[int],
        *,
        at: tuple[Int64Array, Int64Array] | None = None,
    ) -> None:
        if self.gathers:
            self._digest(sample_digests(items), sizes, at)

    def witnessed(
        self, digests: UInt64Array, sizes: Sequence[int], at: tuple[Int64Array, Int64Array] | None
    ) -> None:
        if self.gathers:
            self._digest(digests, sizes, at)

    def spent(self, ns: int, in_count: int, out_count: int) -> None:
        self.ns += ns
        self.in_count += in_count
        self.out_count += out_count
