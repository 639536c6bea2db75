"""Columns of every type that a dataset version can hold, and other values for their cells."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections.abc import Callable
from typing import Any

import pyarrow as pa

DAY = dt.date(2026, 1, 1)
NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)

TYPES: dict[str, tuple[Any, Callable[[int], Any]]] = {
    "bool": (pa.bool_(), lambda n: n % 2 == 0),
    "int8": (pa.int8(), lambda n: n % 251 - 125),
    "uint16": (pa.uint16(), lambda n: n % 65_521),
    "int32": (pa.int32(), lambda n: n - 7),
    "int64": (pa.int64(), lambda n: n << 31),
    "uint64": (pa.uint64(), lambda n: (1 << 63) + n),
    "half": (pa.float16(), lambda n: float(n % 2_039)),
    "float": (pa.float32(), lambda n: n / 8),
    "double": (pa.float64(), lambda n: n / 10),
    "decimal": (pa.decimal128(18, 3), lambda n: decimal.Decimal(n).scaleb(-3)),
    "string": (pa.string(), lambda n: f"name of number {n}"),
    "large_string": (pa.large_string(), lambda n: f"{n}é"),
    "string_view": (pa.string_view(), lambda n: f"{n} seen from afar, so that it lies outside"),
    "dictionary": (pa.dictionary(pa.int32(), pa.string()), lambda n: f"one of few {n % 97}"),
    "binary": (pa.binary(), lambda n: n.to_bytes(5)),
    "fixed_binary": (pa.binary(16), lambda n: uuid.UUID(int=n).bytes),
    "date": (pa.date32(), lambda n: DAY + dt.timedelta(n)),
    "time": (pa.time64("us"), lambda n: (NOON + dt.timedelta(microseconds=n)).time()),
    "timestamp": (pa.timestamp("us", "UTC"), lambda n: NOON + dt.timedelta(seconds=n)),
    "duration": (pa.duration("ms"), lambda n: dt.timedelta(milliseconds=n)),
    "list": (pa.list_(pa.float32()), lambda n: [float(n)] * (n % 4)),
    "fixed_list": (pa.list_(pa.int16(), 3), lambda n: [n % 10_007, 2, 3]),
    "struct": (pa.struct({"a": pa.int64(), "b": pa.string()}), lambda n: {"a": n, "b": f"b{n}"}),
    "map": (pa.map_(pa.string(), pa.int64()), lambda n: [("k", n), ("l", n + 1)][: n % 3]),
    "nested": (
        pa.list_(pa.struct({"x": pa.list_(pa.int32())})),
        lambda n: [{"x": [n, n + 1]}, None][: n % 3],
    ),
}


def column(name: str, count: int, *, missing: Callable[[int], bool] = lambda n: n % 11 == 3) -> Any:
    """A column of a type with missing values among others."""
    kind, make = TYPES[name]
    return pa.array([None if missing(n) else make(n) for n in range(count)], kind)


def others(name: str, number: int) -> list[Any]:
    """Values that a cell could have instead: of another row, and missing or not."""
    _, make = TYPES[name]
    now = None if number % 11 == 3 else make(number)
    found = [make(number + 1), make(number + 2), make(number + 30), None]
    return [value for value in found if value != now]
