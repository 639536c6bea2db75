"""The functions of the plans, as a user would write them; each hands the marks on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.oracle.marks import Row, marks_of, number_of


def fold(value: Any, *more: str) -> Row:
    """Make one row of a sample of any form."""
    number = number_of(value)
    marks = (*sorted(marks_of(value)), *more)
    return {
        "v": number,
        "h": marks,
        "f": ",".join(marks) if number % 3 else None,
        "x": value.get("x") if isinstance(value, dict) and not hasattr(value.get("x"), "shape") else None,
        "y": measure_of(number),
        "c": letter_of(number),
    }


def measure_of(number: int) -> float | None:
    """A measurement: some are missing, some aren't numbers."""
    if number % 7 == 3:
        return float("nan")
    return None if number % 5 == 0 else (number * 7 % 11) / 4


def letter_of(number: int) -> str | None:
    """A category, or none."""
    return None if number % 4 == 3 else "abc"[number % 3]


def read(file: Any) -> Row:
    """Read a file that holds one line."""
    return fold(file.read().decode())


def grow(value: Any, by: int) -> Row:
    """A map."""
    return fold(value) | {"v": number_of(value) + by}


def grow_inside(values: Any, by: int) -> list[Row]:
    """A map of batches; its items came from the whole batch, since it might have mixed them."""
    return [{"v": number_of(value) + by, "h": tuple(sorted(marks_of(values)))} for value in values]


def jitter(value: Any, *, rng: Any) -> Row:
    """A random map."""
    return fold(value, f"~{rng.integers(0, 1 << 30)}", f"~{rng.random()}")


def drawn(value: Any, dx: int, flip: bool, label: str) -> Row:
    """A random map whose values are declared."""
    return fold(value, f"#{label}.dx={dx}", f"#{label}.flip={flip}")


def fragile(value: Any, modulus: int) -> Row:
    """A map that fails on some samples."""
    if number_of(value) % modulus == 1:
        raise ValueError("a number that isn't liked")
    return fold(value)


def frail(value: Any, *, rng: Any) -> Row:
    """A random map that fails on some samples at random."""
    if rng.random() < 0.3:
        raise ValueError("bad luck")
    return fold(value, f"~{rng.random()}")


def keeps(value: Any, modulus: int) -> bool:
    """A predicate."""
    return number_of(value) % modulus != 0


def chances(value: Any, *, rng: Any) -> bool:
    """A random predicate."""
    return bool(rng.random() < 0.6)


def copies(value: Any, most: int) -> list[Row]:
    """A function that makes 0 to `most` samples of one."""
    return [grow(value, 10 * number) for number in range(number_of(value) % (most + 1))]


def litter(value: Any, *, rng: Any) -> Iterator[Row]:
    """A random one, that yields."""
    for _ in range(rng.integers(0, 3)):
        yield fold(value, f"~{rng.random()}")


def ranked(values: Sequence[Any]) -> list[Row]:
    """A function of a group, whose results depend on the group."""
    total = sum(map(number_of, values))
    return [grow(value, total % 7) for value in values]


def ranked_columns(columns: Mapping[str, Any]) -> dict[str, Any]:
    """The same of columns."""
    return {**columns, "v": columns["v"] + int(columns["v"].sum()) % 7}


def together(values: Sequence[Any]) -> Row:
    """A collate function that makes a row."""
    return fold(list(values))


def pair(first: Any, second: Any) -> Row:
    """A combining function; of a join, one of the two may be missing."""
    return fold((first, second))


def small(value: Any) -> int:
    """A key that many samples share."""
    return number_of(value) % 3


def length_of(value: Any) -> int:
    """A length, 0 to 3."""
    return number_of(value) % 4


def summed(key: int, values: Sequence[Any]) -> Row:
    """One row of a group."""
    return fold(list(values)) | {"v": key + sum(map(number_of, values)) % 100}


def gathered(key: int, values: Sequence[Any]) -> Row:
    """All rows of a group, with its key."""
    return fold(list(values)) | {"v": key}


def beside(named: Mapping[str, Any], row: Row) -> Row:
    """A row of a group, with what else was found out of the group."""
    return {**row, **{f"of_{name}": value for name, value in named.items()}}


def stamped(row: Row, stamp: str) -> Row:
    """A row with the mark of what it was made by."""
    return {**row, "h": tuple(sorted({*marks_of(row["h"]), f"&{stamp}"}))}


def moved_columns(columns: Mapping[str, Any]) -> Any:
    """A column made of a column."""
    return columns["v"] * 2 + 1


def whole_columns(columns: Mapping[str, Any], modulus: int) -> Any:
    """A predicate of columns."""
    return columns["v"] % modulus != 0
