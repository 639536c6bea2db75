"""What is said of the data that something was trained on: shape, types, balance, a digest of the content.

Tables and arrays of any library are taken by what they look like, so that none of them is imported here.
The digest tells contents apart: XXH3-128 over the columns in order, each its name, kind and XXH3-128 of its
values (numbers as they lie in memory, others as their witnesses); of an array over dtype, shape and bytes.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whence.vocab import fast128, sample_digests

_MOST_NAMES = 1_000
_MOST_CLASSES = 1_000
_MOST_BYTES = 1 << 30
"""Beyond it every k-th row is digested, and that is said."""


def describe_features(X: Any, *, with_digest: bool = True) -> dict[str, Any]:
    """Describe what a model learns from.

    Args:
        X: a table, an array, a sparse matrix, or a list of samples.
        with_digest: whether its content is digested as well.
    """
    found: dict[str, Any] = {"kind": kind_of(X)}
    shape = shape_of(X)
    if shape:
        found["rows"] = shape[0]
        if len(shape) > 1:
            found["columns"] = shape[1]
        if len(shape) > 2:
            found["shape"] = list(shape)
    columns = _columns_of(X)
    if columns is not None:
        found["names"] = list(columns)[:_MOST_NAMES]
        found["dtypes"] = _dtypes(X, columns)
        missing = _missing(X)
    else:
        dtype = getattr(X, "dtype", None)
        if dtype is not None:
            found["dtype"] = str(dtype)
        missing = _missing(X)
    if missing is not None:
        found["missing"] = missing
    if with_digest:
        found |= digest_of(X)
    return found


def describe_target(y: Any, *, is_classes: bool, with_digest: bool = True) -> dict[str, Any]:
    """Describe what a model learns to say: the balance of classes, or the spread of numbers.

    Args:
        y: the labels or values.
        is_classes: whether they are classes.
        with_digest: whether its content is digested as well.
    """
    found: dict[str, Any] = {"kind": kind_of(y)}
    name = getattr(y, "name", None)
    if isinstance(name, str):
        found["name"] = name
    values = np.asarray(y)
    found["rows"] = len(values)
    found["dtype"] = str(getattr(y, "dtype", values.dtype))
    if values.ndim > 1:
        found["columns"] = values.shape[1]
    if is_classes and values.ndim == 1:
        found |= _balance(values)
    elif values.dtype.kind in "biuf" and values.size:
        found["summary"] = _summary(values[..., None] if values.ndim == 1 else values)
    if with_digest:
        found |= digest_of(y)
    return found


def kind_of(value: Any) -> str:
    """Name a type as people write it: pandas.DataFrame, numpy.ndarray."""
    kind = type(value)
    root = kind.__module__.partition(".")[0]
    return kind.__qualname__ if root == "builtins" else f"{root}.{kind.__qualname__}"


def shape_of(value: Any) -> tuple[int, ...]:
    """The shape of a table, an array or a list; empty where it has none."""
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return tuple(int(length) for length in shape)
    with contextlib.suppress(TypeError):
        return (len(value),)
    return ()


def digest_of(value: Any) -> dict[str, Any]:
    """Digest a content, or name what of it has no bytes that could be digested.

    Cost: one reading of it, of at most 1 GiB; text is about ten times as slow as numbers.
    """
    step = 1
    size = _bytes_of(value)
    if size > _MOST_BYTES:
        step = -(-size // _MOST_BYTES)
        value = value[::step]
    parts = {name: _part(name, column) for name, column in _whole(value)}
    unknown = [name for name, part in parts.items() if part is None]
    if unknown:
        return {"not_digested": unknown[:_MOST_NAMES]}
    told: dict[str, Any] = {"digest": f"xxh3-128:{fast128(b''.join(filter(None, parts.values()))).hex()}"}
    if step > 1:
        told["digest_of_every_row"] = step
    return told


def digest_text_of(value: Any) -> str:
    """The digest alone; empty where there is none."""
    return str(digest_of(value).get("digest", ""))


def _whole(value: Any) -> Iterable[tuple[str, Any]]:
    columns = _columns_of(value)
    if columns is not None:
        return ((name, columns[name]) for name in columns)
    if hasattr(value, "tocsr") and hasattr(value, "nnz"):
        rows = value.tocsr()
        lengths = np.array(rows.shape, np.int64)
        return iter(
            [("shape", lengths), ("rows", rows.indptr), ("columns", rows.indices), ("data", rows.data)]
        )
    return iter([("", value)])


def _part(name: str, column: Any) -> bytes | None:
    values = column if isinstance(column, np.ndarray) else _as_array(column)
    if values.dtype.kind in "mM":
        name, values = f"{name} {values.dtype.str}", values.view(np.int64)
    if values.dtype.kind in "biufc" and values.dtype.char not in "gG":
        values = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<"), copy=False))
        tag = f"{values.dtype.str} {values.shape}"
        content = values.tobytes() if not values.ndim else values.reshape(-1).view(np.uint8).data
    else:
        digests = sample_digests(values.tolist())
        if not digests.all():  # something in it has no content that could be named
            return None
        tag, content = f"values {values.shape}", digests.astype("<u8").tobytes()
    return f"{name} {tag}\0".encode("utf-8", "backslashreplace") + fast128(content)


def _as_array(column: Any) -> NDArray[Any]:
    to_numpy = getattr(column, "to_numpy", None)
    if to_numpy is not None:
        found = np.asarray(to_numpy())
        if found.dtype == object and hasattr(column, "isna"):
            found = found.copy()
            found[np.asarray(column.isna())] = None  # whatever pandas says for missing
        return found
    if isinstance(column, list | tuple) and len(column) and not isinstance(column[0], int | float):
        found = np.empty(len(column), object)  # texts, or samples of lengths of their own
        found[:] = column
        return found
    return np.asarray(column)


def _columns_of(value: Any) -> Mapping[str, Any] | None:
    """The columns of a table by name; None of anything else."""
    root = type(value).__module__.partition(".")[0]
    if root in ("pandas", "polars", "pyarrow", "cudf", "modin"):
        if getattr(value, "ndim", 2) != 2 or not hasattr(value, "columns"):
            return None
        names = value.column_names if root == "pyarrow" else list(value.columns)
        if root == "pandas":
            return {str(name): value.iloc[:, place] for place, name in enumerate(names)}
        return {str(name): value[name] for name in names}
    return None


def _dtypes(X: Any, columns: Mapping[str, Any]) -> Any:
    """The types of columns; of one type for all, that."""
    found = {
        name: str(getattr(column, "dtype", getattr(column, "type", ""))) for name, column in columns.items()
    }
    kinds = set(found.values())
    if len(kinds) == 1:
        return kinds.pop()
    return dict(list(found.items())[:_MOST_NAMES])


def _missing(X: Any) -> int | None:
    """Count what is missing; None where that can't be told quickly."""
    root = type(X).__module__.partition(".")[0]
    if root == "pandas":
        return int(np.asarray(X.isna()).sum())
    if root == "polars":
        return int(sum(X.null_count().row(0)))
    if isinstance(X, np.ndarray):
        return int(np.isnan(X).sum()) if X.dtype.kind == "f" else None
    return None


def _balance(values: NDArray[Any]) -> dict[str, Any]:
    try:
        labels, counts = np.unique(values, return_counts=True)
    except TypeError:  # labels of several types
        labels, counts = np.unique(values.astype(str), return_counts=True)
    if len(labels) > _MOST_CLASSES:
        return {"class_count": len(labels)}
    return {"classes": {str(label): int(count) for label, count in zip(labels, counts, strict=True)}}


def _summary(values: NDArray[Any]) -> dict[str, Any]:
    numbers = values.astype(np.float64).ravel()
    held = numbers[np.isfinite(numbers)]
    if not held.size:
        return {"count": 0}
    quarters = np.quantile(held, [0.25, 0.5, 0.75])
    return {
        "count": int(held.size),
        "mean": float(held.mean()),
        "sd": float(held.std()),
        "least": float(held.min()),
        "quartiles": [float(each) for each in quarters],
        "greatest": float(held.max()),
    }


def _bytes_of(value: Any) -> int:
    for name in ("nbytes", "estimated_size"):
        found = getattr(value, name, None)
        with contextlib.suppress(Exception):  # a table of somebody else's
            return int(found() if callable(found) else found)  # type: ignore[arg-type]
    if type(value).__module__.partition(".")[0] == "pandas":
        return int(value.memory_usage(index=False, deep=False).sum())
    return sys.getsizeof(value)
