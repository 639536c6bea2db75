"""Coded: texts that come again and again, as keys: each is kept once, and a number stands for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.integer[Any]]


class Coded:
    """Some texts, used where an array of them would be.

    Args:
        codes: which of `texts` each is, shape (n,).
        texts: the different ones, as objects.
    """

    __slots__ = ("codes", "texts")

    dtype: ClassVar[np.dtype[Any]] = np.dtype(object)
    """Of the array that it stands for."""

    def __init__(self, codes: IntArray, texts: NDArray[Any]) -> None:
        self.codes = codes
        self.texts = texts

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, which: Any) -> Coded:
        return Coded(self.codes[which], self.texts)

    @property
    def nbytes(self) -> int:
        """How much memory it takes, but for the texts."""
        return int(self.codes.nbytes)

    def as_data(self) -> NDArray[Any]:
        """The same, to stand where an array does."""
        return cast("NDArray[Any]", self)

    def tolist(self) -> list[str]:
        """The texts, one by one."""
        return self.array().tolist()  # type: ignore[no-any-return]  # NumPy doesn't know what objects are

    def array(self) -> NDArray[Any]:
        """The array that it stands for."""
        found: NDArray[Any] = self.texts[self.codes]
        return found

    def numbered(self, number_by_text: dict[str, int]) -> NDArray[np.int64]:
        """The numbers of the texts; one that has none gets the next one."""
        numbers = (number_by_text.setdefault(text, len(number_by_text)) for text in self.texts.tolist())
        return np.fromiter(numbers, np.int64, len(self.texts))[self.codes]

    @classmethod
    def joined(cls, parts: Sequence[Coded]) -> Coded:
        """Several, one after the other."""
        number_by_text: dict[str, int] = {}
        codes = np.concatenate([part.numbered(number_by_text) for part in parts])
        return cls(codes, np.fromiter(number_by_text, object, len(number_by_text)))
