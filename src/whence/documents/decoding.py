"""Thumbnails by Pillow: any image file it reads, re-encoded, so that nothing but the picture is kept."""

from __future__ import annotations

import io

from PIL import Image

from whence.documents.images import SIDE, Thumbnail, data_uri

_LARGEST_PIXELS = 64_000_000


def thumbnail_by_pillow(data: bytes) -> Thumbnail | None:
    """Make a thumbnail of an image file's content; None where Pillow can't, or where it is too large."""
    try:
        with Image.open(io.BytesIO(data)) as opened:
            width, height = opened.size
            if width * height > _LARGEST_PIXELS:
                return None
            has_alpha = "transparency" in opened.info or opened.mode in ("RGBA", "LA")
            mode = "RGBA" if has_alpha else "L" if opened.mode in ("1", "L") else "RGB"
            opened.draft("RGB", (SIDE * 2, SIDE * 2))
            picture = opened.convert(mode)
    except Exception:  # a broken image fails in many ways, and each one means that it can't be shown
        return None
    picture.thumbnail((SIDE * 2, SIDE * 2))
    written = io.BytesIO()
    picture.save(written, format="PNG", optimize=True)
    return Thumbnail(uri=data_uri("image/png", written.getvalue()), width=width, height=height)
