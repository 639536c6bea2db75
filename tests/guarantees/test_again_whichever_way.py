"""Every digest is the same whichever way a stream is read; the table of `python -m tests.again`."""

from __future__ import annotations

import pathlib

import pytest

from tests.again import table


def unequal(folder: pathlib.Path, images: int, epochs: int) -> list[tuple[str, int, int]]:
    rows = list(table(folder, images, epochs))
    assert len(rows) == 14
    assert {count for _, _, count in rows} == {images * epochs}
    return [row for row in rows if row[1] != row[2]]


def test_a_few_hundred_samples_of_real_images_are_equal_on_every_way(tmp_path: pathlib.Path) -> None:
    assert unequal(tmp_path, images=110, epochs=2) == []


@pytest.mark.long
def test_10_000_of_10_000_samples_of_real_images_are_equal_on_every_way(tmp_path: pathlib.Path) -> None:
    assert unequal(tmp_path, images=2_000, epochs=5) == []
