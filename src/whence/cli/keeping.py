"""Keeps a replayed sample in a file, by the file's suffix: .npy .npz .png .json.

A picture is made so: bool is black and white; uint8 is taken as it is; floats within [0, 1] times 255,
rounded; any other range is stretched from its least to its most value; what isn't finite is black.
Three dimensions are height, width, channels (1, 3 or 4), or channels first where only that fits.
"""

from __future__ import annotations

import base64
import importlib
import io
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whence.cli.screen import jsonable
from whence.errors import InputError
from whence.vocab import plain

_CHANNELS = (1, 3, 4)


def check_suffix(path: pathlib.Path) -> None:
    """Refuse a file that can't be written in any way we know, before the work is done."""
    if path.suffix.lower() not in _WRITERS:
        kind = path.suffix or "a file without a suffix"
        raise InputError(
            f"--out {path}: don't know how to keep a sample as {kind}",
            remedy=f"Name it {' or '.join(_WRITERS)}.",
        )


def keep_sample(sample: Any, path: pathlib.Path, *, field: str | None = None) -> None:
    """Write a sample to a file.

    Args:
        sample: the sample.
        path: the file; its suffix says how.
        field: which field of a dict sample, where a file holds one array.

    Raises:
        InputError: the sample isn't of a kind that the file can hold, or the file can't be written.
        MissingExtraError: a picture is wanted and Pillow isn't installed.
    """
    check_suffix(path)
    data = _WRITERS[path.suffix.lower()](sample, field)
    try:
        path.write_bytes(data)
    except OSError as error:
        raise InputError(
            f"--out {path}: {error.strerror or error}", remedy="Name a file that can be written."
        ) from error


def as_grey_levels(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Bring an array of numbers to 0..255 for a picture; see the module's docstring."""
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    values = np.nan_to_num(array.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    if np.issubdtype(array.dtype, np.floating) and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    span = high - low if high > low else 1.0
    return np.rint((values - low) / span * 255).astype(np.uint8)


def _npy(sample: Any, field: str | None) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, _one_array(sample, field), allow_pickle=False)
    return buffer.getvalue()


def _npz(sample: Any, field: str | None) -> bytes:
    given = {"sample": sample} if not isinstance(sample, Mapping) else sample
    arrays = {str(key): np.asarray(each) for key, each in given.items() if field in (None, key)}
    held = {key: each for key, each in arrays.items() if each.dtype.kind in "biufcmMSU"}
    if not held:
        raise InputError(f"the sample ({_kind(sample)}) holds no array", remedy="Keep it as .json.")
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **held)
    return buffer.getvalue()


def _png(sample: Any, field: str | None) -> bytes:
    array = _one_array(sample, field, dimensions=(2, 3))
    if array.ndim == 3 and array.shape[2] not in _CHANNELS and array.shape[0] in _CHANNELS:
        array = np.moveaxis(array, 0, 2)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in _CHANNELS) or not array.size:
        raise InputError(
            f"an array of shape {array.shape} is no picture",
            remedy="Keep it as .npy, or name another with --field.",
        )
    if array.dtype.kind not in "biuf":
        raise InputError(f"an array of {array.dtype} is no picture", remedy="Keep it as .npy.")
    levels = as_grey_levels(array)
    pictures = importlib.import_module("whence.cli.pictures")  # loads Pillow
    data: bytes = pictures.png_of(levels[:, :, 0] if levels.ndim == 3 and levels.shape[2] == 1 else levels)
    return data


def _json(sample: Any, field: str | None) -> bytes:
    chosen = (
        sample[field] if field is not None and isinstance(sample, Mapping) and field in sample else sample
    )
    return (json.dumps(jsonable(_listed(chosen)), ensure_ascii=False) + "\n").encode(
        "utf-8", "backslashreplace"
    )


_WRITERS: dict[str, Callable[[Any, str | None], bytes]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".png": _png,
    ".json": _json,
}


def _one_array(sample: Any, field: str | None, dimensions: tuple[int, ...] = ()) -> NDArray[Any]:
    """Find the array that is meant: the sample itself, the field named, or the only one that fits."""
    if not isinstance(sample, Mapping):
        array = np.asarray(sample)
        if array.dtype.kind not in "biufcmMSU":
            raise InputError(f"the sample ({_kind(sample)}) is no array", remedy="Keep it as .json.")
        return array
    if field is not None:
        if field not in sample:
            known = ", ".join(str(key) for key in sample)
            raise InputError(
                f"--field {field!r:.60}: the sample has no such field", remedy=f"It has: {known}."
            )
        return _one_array(sample[field], None)
    fitting = [
        key
        for key, each in sample.items()
        if isinstance(each, np.ndarray) and each.ndim and (not dimensions or each.ndim in dimensions)
    ]
    if len(fitting) != 1:
        shown = ", ".join(str(key) for key in fitting) or "none"
        raise InputError(
            f"the file holds one array, the sample has {len(fitting)} that fit: {shown}",
            remedy="Name one with --field, or keep all as .npz.",
        )
    found: NDArray[Any] = sample[fitting[0]]
    return found


def _listed(value: Any) -> Any:
    """Arrays as nested lists, bytes as base64; what JSON can't say otherwise as the record would keep it."""
    if isinstance(value, Mapping):
        return {str(key): _listed(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_listed(each) for each in value]
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufSU":
        return _listed(value.tolist())
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    return plain(value) if not isinstance(value, float) else value


def _kind(sample: Any) -> str:
    return type(sample).__name__
