"""What every source is: its listing, its description, and the reader it opens.

The shape that streams rely on lives here; each kind of source has a file of its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from whence.capture import NullWitness, SourceWitness
from whence.errors import InputError, PositionError
from whence.vocab import Columns

Int64Array = npt.NDArray[np.int64]
Sizer = Callable[[], int]
SILENT = NullWitness()

Gives = Literal["rows", "portions", "samples"]
"""What another process can be given of a source that is read from its start: the positions of rows, which it
reads as cheaply as they are read here; portions, which it decodes; or nothing but the samples themselves."""

KnownBy = Literal["place", "content", "name", "nothing"]
"""How another process can tell that it reads the same source: by where its data lie, which the description
says; by what rows hold that are in memory; by the name that the user gave it; or not at all."""

Samples = list[Any] | Columns
"""Samples as rows, or as columns where a reader has them so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The parts that a source reads, in the order that its rows follow.

    Args:
        kind: the source's kind, as in its description.
        name: what origins call the source.
        root: the folder that the paths are relative to, as it was given; empty if there is none.
        paths: one for each part, with `/` between names; for a source in memory its column names
            or its own name.
        rows: rows in each part. None for files, which are one row each, and for parts whose rows
            are known only when they have been read.
        layout: `rows` if the parts follow one another, `columns` if each part holds a column of
            all rows.
    """

    kind: str
    name: str
    root: str
    paths: list[str]
    rows: list[int] | None
    layout: Literal["rows", "columns"] = "rows"


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """Some consecutive rows that were read but aren't samples yet: `Source.unfold` makes them that, anywhere.

    Args:
        rows: how many.
        content: what they are made of; can be pickled.
    """

    rows: int
    content: Any


class Reader(ABC):
    """One reading of a source, whose content is told to one witness."""

    @abstractmethod
    def chunks(self, sizer: Sizer) -> Iterator[Samples]:
        """Yield all samples from the start, at least 1 and at most `sizer()` at a time."""

    def portions(self, sizer: Sizer) -> Iterator[Portion]:
        """Yield what `chunks` would, before it is decoded, telling the witness the same."""
        raise AssertionError("a source that gives no portions was asked for them")

    @abstractmethod
    def fetch(self, positions: Int64Array) -> Samples:
        """Read the samples at these positions.

        Args:
            positions: any order, repeats allowed.

        Raises:
            PositionError: a position is outside the source.
            InputError: the source can only be read from its start.
        """

    def close(self) -> None:  # noqa: B027 - most readers hold nothing open between calls
        """Let go of what is held open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Source(ABC):
    """Where samples come from; `open` begins a reading, nothing is read through before."""

    kind: ClassVar[str]
    gives: ClassVar[Gives] = "samples"
    known_by: ClassVar[KnownBy] = "place"
    name: str

    @abstractmethod
    def size(self) -> int | None:
        """Count the rows if that is known without reading the data through."""

    @property
    def indexable(self) -> bool:
        """Whether any position can be read without reading what precedes it."""
        return True

    def rows(self, witness: SourceWitness = SILENT) -> int:
        """Count the rows, reading the data through once if it must.

        Args:
            witness: is told what is read, if anything is.

        Raises:
            InputError: the source isn't indexable.
        """
        size = self.size()
        if size is None:
            raise self.not_indexable()
        return size

    @abstractmethod
    def listing(self) -> Listing:
        """List the parts that are read."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Describe the source as a JSON value from which `rebuild` makes it again."""

    @classmethod
    @abstractmethod
    def rebuild(cls, description: dict[str, Any], *, root: str | None = None) -> Source:
        """Make the source that was described, from another root folder if one is given."""

    @abstractmethod
    def open(self, witness: SourceWitness) -> Reader:
        """Begin a reading that tells `witness` what it reads."""

    def unfold(self, content: Any) -> Samples:
        """Make samples of a portion's content, as `chunks` would have.

        Raises:
            SourceError: a row has no sample in it.
        """
        raise AssertionError("a source that gives no portions was asked to unfold one")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def not_indexable(self) -> InputError:
        """Say that the source has no positions to read at, and what to do about it."""
        return InputError(
            f"the source {self.name!r} can only be read from its start, so it has no positions to read at",
            remedy="Give a list or another sequence, or keep the samples with .cache().",
        )


def check_positions(positions: Int64Array, size: int, name: str) -> None:
    """Refuse positions outside [0, size).

    Raises:
        PositionError: the first such position is named.
    """
    if not len(positions):
        return
    outside = (positions < 0) | (positions >= size)
    if outside.any():
        first = int(positions[outside][0])
        raise PositionError(f"position {first} is outside the source {name!r}, which has {size} rows")


def held_in_memory(description: dict[str, Any]) -> InputError:
    """Say that a source can't be made again from its description, because its data were in memory."""
    return InputError(
        f"the source {description.get('name')!r} held data in memory, which a description can't bring back",
        remedy="Give the data: make the source again with the same items, arrays or table.",
    )
