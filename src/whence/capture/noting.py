"""What one node of a plan says during a pass, gathered until it is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from whence.capture.deciding import NodeDecisions
from whence.capture.fields import FieldWatch, FieldWatches
from whence.capture.recorder import Int64Array, SetAside, UInt64Array
from whence.vocab import Columns, plain, sample_digests

_Digest: TypeAlias = Callable[[UInt64Array, Sequence[int], tuple[Int64Array, Int64Array] | None], None]


class NodeNotes:
    """Gathers what one node said.

    Args:
        digest: takes the digests of items that reach the consumer.
        decisions: takes what the node decided.
        gathers: whether its items are those that are counted and digested.
        fields: watch the fields of the first samples of its functions, in whichever pass they come.
    """

    __slots__ = (
        "_digest", "aside", "drawn", "duplicated", "expanded", "fields", "fits", "found_rows", "gathers",
        "in_count", "index", "notices", "ns", "out_count", "related", "selected",
    )  # fmt: skip

    def __init__(
        self, digest: _Digest, decisions: NodeDecisions, gathers: bool, fields: FieldWatches
    ) -> None:
        self._digest = digest
        self.selected, self.duplicated = decisions.selected, decisions.duplicated
        self.expanded, self.related = decisions.expanded, decisions.related
        self.found_rows = decisions.found_rows
        self.index = decisions.index
        self.gathers = gathers
        self.fields = fields
        self.aside: list[SetAside] = []
        self.fits: list[dict[str, Any]] = []
        self.notices: dict[str, int] = {}
        self.drawn: dict[str, bool] = {}  # whether it was told, by generator
        self.ns = self.in_count = self.out_count = 0

    def fitted(self, found: Sequence[Mapping[str, Any]]) -> None:
        self.fits.extend(plain(dict(each)) for each in found)

    def noticed(self, what: str, count: int) -> None:
        self.notices[what] = self.notices.get(what, 0) + count

    def drew(self, generators: Sequence[str]) -> None:
        for name in generators:
            self.drawn.setdefault(name, False)

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
