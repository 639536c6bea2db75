"""Writes PNG pictures; the one file of this room that needs Pillow."""

from __future__ import annotations

import io
from typing import Any

from whence.errors import MissingExtraError

try:
    from PIL import Image
except ImportError as error:
    raise MissingExtraError("pillow", extra="images", need="writing a picture") from error


def png_of(levels: Any) -> bytes:
    """Write grey levels or colours, uint8, shape (h, w), (h, w, 3) or (h, w, 4), as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, format="PNG")
    return buffer.getvalue()
