"""Samples as small pictures: arrays become PNG, image files become thumbnails without their metadata.

Pillow is optional: `decoding` needs it and is loaded only where it is there. Without it PNG and JPEG files
are shown as they are, stripped of all that isn't picture: the places and names that cameras write into
files don't belong on a page.
"""

from __future__ import annotations

import base64
import importlib
import importlib.util
import struct
import zlib
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 112
STRIPPED_BYTES = 64 * 1024
_LARGEST_FILE_BYTES = 32 * 1024 * 1024

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_SIGNATURES = (_PNG, _JPEG, b"GIF87a", b"GIF89a", b"BM", b"II*\x00", b"MM\x00*")
_PICTURE_CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}

U8Array = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumbnail:
    """A small picture.

    Args:
        uri: the picture itself, as a data URI.
        width: of the original, in pixels.
        height: of the original.
        note: what was done to show it.
    """

    uri: str
    width: int
    height: int
    note: str = ""


def is_image_file(data: bytes) -> bool:
    """Tell whether bytes begin as an image file does."""
    return data.startswith(_SIGNATURES) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")


def thumbnail_of_file(data: bytes) -> Thumbnail | None:
    """Make a thumbnail of an image file's content; None where it can't be shown."""
    if len(data) > _LARGEST_FILE_BYTES or not is_image_file(data):
        return None
    decoding = _decoding()
    if decoding is not None:
        made: Thumbnail | None = decoding.thumbnail_by_pillow(data)
        return made
    if len(data) > STRIPPED_BYTES:
        return None
    if data.startswith(_PNG):
        return _stripped_png(data)
    return _stripped_jpeg(data) if data.startswith(_JPEG) else None


def thumbnail_of_array(array: NDArray[Any]) -> Thumbnail | None:
    """Make a thumbnail of an array of shape (h, w), (h, w, 1), (h, w, 3) or (3, h, w); None for others."""
    pixels = as_pixels(array)
    if pixels is None:
        return None
    height, width = pixels.shape[:2]
    stride = max(1, -(-max(height, width) // SIDE))
    small, note = to_bytes(pixels[::stride, ::stride])
    notes = [note, f"one pixel of {stride} each way" if stride > 1 else ""]
    return Thumbnail(
        uri=data_uri("image/png", encode_png(small)),
        width=width,
        height=height,
        note=", ".join(each for each in notes if each),
    )


def as_pixels(array: NDArray[Any]) -> NDArray[Any] | None:
    """See an array as a picture of shape (h, w) or (h, w, 3); None where it isn't one."""
    if array.dtype.kind not in "buif" or not array.size:
        return None
    if array.ndim == 3 and array.shape[0] in (1, 3) and array.shape[2] not in (1, 3):
        array = np.moveaxis(array, 0, -1)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    is_picture = array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)
    return array if is_picture and min(array.shape[:2]) > 1 else None


def to_bytes(pixels: NDArray[Any]) -> tuple[U8Array, str]:
    """Bring numbers to 0 to 255; what isn't plainly a picture is stretched, and the note says so."""
    if pixels.dtype == np.uint8:
        return pixels, ""
    if pixels.dtype == np.bool_:
        return pixels.astype(np.uint8) * np.uint8(255), ""
    numbers = pixels.astype(np.float64)
    finite = np.isfinite(numbers)
    if not finite.any():
        return np.zeros(pixels.shape, np.uint8), "no finite number"
    low, high = float(numbers[finite].min()), float(numbers[finite].max())
    note = "shades stretched"
    if pixels.dtype.kind == "f" and low >= 0 and 0.5 < high <= 1:
        low, high, note = 0.0, 1.0, ""
    if pixels.dtype.kind == "f" and low >= 0 and 32 < high <= 255:  # bytes that became floats
        low, high, note = 0.0, 255.0, ""
    span = (high / 2 - low / 2) or 1.0
    share = np.where(finite, (numbers / 2 - low / 2) / span, 0.0)
    return np.rint(np.clip(share, 0, 1) * 255).astype(np.uint8), note


def encode_png(pixels: U8Array) -> bytes:
    """Write pixels of shape (h, w) or (h, w, 3) as PNG.

    Source: ISO/IEC 15948, colour types 0 and 2, 8 bits, no filter, no interlacing.
    """
    height, width = pixels.shape[:2]
    rows = np.ascontiguousarray(pixels).reshape(height, -1)
    filtered = np.concatenate((np.zeros((height, 1), np.uint8), rows), axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    content = zlib.compress(filtered.tobytes(), 9)
    return _PNG + _chunk(b"IHDR", header) + _chunk(b"IDAT", content) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _decoding() -> ModuleType | None:
    """The file that needs Pillow, where Pillow is there."""
    if importlib.util.find_spec("PIL") is None:
        return None
    return importlib.import_module("whence.documents.decoding")


def _stripped_png(data: bytes) -> Thumbnail | None:
    """Keep the chunks that are picture."""
    kept = [_PNG]
    at = len(_PNG)
    size = (0, 0)
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        if kind == b"IHDR" and length == 13:
            size = (
                int.from_bytes(data[at + 8 : at + 12], "big"),
                int.from_bytes(data[at + 12 : at + 16], "big"),
            )
        if kind in _PICTURE_CHUNKS:
            kept.append(data[at : at + 12 + length])
        at += 12 + length
        if kind == b"IEND" and at <= len(data) and min(size):
            return Thumbnail(uri=data_uri("image/png", b"".join(kept)), width=size[0], height=size[1])
    return None


def _stripped_jpeg(data: bytes) -> Thumbnail | None:
    """Keep the segments that are picture: no comments, no application data but JFIF's and Adobe's."""
    kept = [data[:2]]
    at = 2
    size = (0, 0)
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xC2:
            size = (
                int.from_bytes(data[at + 7 : at + 9], "big"),
                int.from_bytes(data[at + 5 : at + 7], "big"),
            )
        if marker == 0xDA:
            end = data.find(b"\xff\xd9", at)
            if end < at or not min(size):
                return None
            kept.append(data[at : end + 2])
            return Thumbnail(uri=data_uri("image/jpeg", b"".join(kept)), width=size[0], height=size[1])
        if not (0xE1 <= marker <= 0xED or marker in (0xEF, 0xFE)):
            kept.append(data[at : at + 2 + length])
        at += 2 + length
    return None


def data_uri(media_type: str, data: bytes) -> str:
    """Write bytes as an address that needs no network."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"
