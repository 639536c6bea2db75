"""Arrays and image files become small pictures that hold nothing but the picture."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, PngImagePlugin

from whence.documents import images
from whence.documents.images import (
    Thumbnail,
    as_pixels,
    encode_png,
    is_image_file,
    thumbnail_of_array,
    thumbnail_of_file,
    to_bytes,
)


def content(thumbnail: Thumbnail | None) -> bytes:
    assert thumbnail is not None
    return base64.b64decode(thumbnail.uri.partition(",")[2])


@pytest.fixture(params=["with Pillow", "without Pillow"])
def _either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "without Pillow":
        monkeypatch.setattr(images, "_decoding", lambda: None)


@given(
    arrays.arrays(
        np.uint8,
        st.one_of(arrays.array_shapes(min_dims=2, max_dims=2), st.just((3, 5, 3)), st.just((9, 2, 3))),
    )
)
def test_a_png_reads_back_as_it_was(pixels: Any) -> None:
    with Image.open(io.BytesIO(encode_png(pixels))) as read:
        assert (np.asarray(read) == pixels).all()


@pytest.mark.parametrize(
    ("shape", "seen"),
    [
        ((28, 28), (28, 28)), ((28, 28, 1), (28, 28)), ((28, 28, 3), (28, 28, 3)), ((1, 28, 28), (28, 28)),
        ((3, 28, 28), (28, 28, 3)), ((784,), None), ((28, 28, 4), None), ((2, 3, 4, 5), None),
        ((1, 28), None), ((0, 4), None),
    ],
)  # fmt: skip
def test_arrays_of_the_shapes_of_pictures_are_seen_as_pictures(
    shape: tuple[int, ...], seen: tuple[int, ...] | None
) -> None:
    found = as_pixels(np.zeros(shape))
    assert (None if found is None else found.shape) == seen


def test_text_and_complex_numbers_are_no_pictures() -> None:
    assert as_pixels(np.full((4, 4), "x")) is None
    assert as_pixels(np.zeros((4, 4), complex)) is None


@given(arrays.arrays(np.float64, (3, 4), elements=st.floats(allow_nan=True, allow_infinity=True)))
def test_any_numbers_can_be_shown(numbers: Any) -> None:
    shades, _ = to_bytes(numbers)
    assert shades.dtype == np.uint8
    finite = np.isfinite(numbers)
    if finite.any() and numbers[finite].max() / 2 - numbers[finite].min() / 2 > 1e-300:
        assert shades[finite].max() == 255 or 0 <= numbers[finite].min() <= numbers[finite].max() <= 255


def test_shares_and_bytes_keep_their_shades_and_other_numbers_are_stretched_and_say_so() -> None:
    assert to_bytes(np.array([[0.2, 0.8]]))[0].tolist() == [[51, 204]]
    assert to_bytes(np.array([[0.2, 0.8]]))[1] == ""
    assert to_bytes(np.array([[0.0, 51.0]]))[0].tolist() == [[0, 51]]
    shades, note = to_bytes(np.array([[-1.0, 3.0]]))
    assert (shades.tolist(), note) == ([[0, 255]], "shades stretched")


def test_a_large_array_is_shown_by_some_of_its_pixels() -> None:
    thumbnail = thumbnail_of_array(np.zeros((1_000, 300), np.uint8))
    assert thumbnail is not None
    assert (thumbnail.width, thumbnail.height) == (300, 1_000)
    assert "one pixel of 9 each way" in thumbnail.note
    with Image.open(io.BytesIO(content(thumbnail))) as read:
        assert max(read.size) <= images.SIDE


@pytest.mark.usefixtures("_either_way")
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_an_image_file_is_shown_without_its_words(kind: str) -> None:
    written = io.BytesIO()
    picture = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8) * 5)
    if kind == "PNG":
        words = PngImagePlugin.PngInfo()
        words.add_text("Author", "secret name")
        picture.save(written, "PNG", pnginfo=words)
    else:
        exif = Image.Exif()
        exif[0x010E] = "secret place"
        picture.save(written, "JPEG", exif=exif, comment=b"secret comment")
    assert b"secret" in written.getvalue()
    thumbnail = thumbnail_of_file(written.getvalue())
    assert b"secret" not in content(thumbnail)
    assert thumbnail is not None
    assert (thumbnail.width, thumbnail.height) == (8, 6)
    with Image.open(io.BytesIO(content(thumbnail))) as read, Image.open(written) as original:
        assert (np.asarray(read) == np.asarray(original)).all()


@pytest.mark.usefixtures("_either_way")
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no image",
        b"<svg onload=alert(1)>",
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n" + bytes(60),
        b"\xff\xd8\xff",
    ],
)
def test_what_is_no_whole_image_is_not_shown(data: bytes) -> None:
    assert thumbnail_of_file(data) is None


@pytest.mark.usefixtures("_either_way")
@given(cut=st.integers(0, 200), kind=st.sampled_from(["PNG", "JPEG"]))
def test_a_file_cut_short_anywhere_never_fails(cut: int, kind: str) -> None:
    written = io.BytesIO()
    Image.new("L", (9, 9), 7).save(written, kind)
    thumbnail_of_file(written.getvalue()[:cut])


def test_a_large_file_is_made_small_and_without_pillow_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (400, 300, 3), np.uint8)
    Image.fromarray(noise).save(written, "PNG")
    with Image.open(io.BytesIO(content(thumbnail_of_file(written.getvalue())))) as read:
        assert max(read.size) == 2 * images.SIDE
    monkeypatch.setattr(images, "_decoding", lambda: None)
    assert thumbnail_of_file(written.getvalue()) is None


def test_files_are_known_by_their_first_bytes() -> None:
    assert is_image_file(b"GIF89a...")
    assert is_image_file(b"RIFF\0\0\0\0WEBP")
    assert not is_image_file(b"RIFF\0\0\0\0WAVE")
