"""A browser shows the page: looked at by machine here, for emptiness and for what sticks out.

Needs Chromium; without it these tests are skipped and say so.
"""

from __future__ import annotations

import pathlib
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

import whence as wh
from tests.rooms.documents.test_comparison import recorded
from whence.documents import write_comparison, write_report

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [
    pytest.mark.skipif(
        BROWSER is None, reason="NO BROWSER HERE: the page was NOT looked at (install chromium)"
    ),
]


def photograph(
    page: pathlib.Path, *, width: int, is_dark: bool = False
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Take a screenshot, as an array of shape (height, width, 3)."""
    shot = page.with_suffix(f".{width}.png")
    frame = page.with_suffix(f".{width}.frame.html")  # a window can't be as narrow as a telephone
    frame.write_text(
        f'<body style="margin:0"><iframe src="{page.name}" '
        f'style="width:{width}px;height:4000px;border:0;display:block"></iframe></body>'
    )
    subprocess.run(
        [
            str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--hide-scrollbars", f"--user-data-dir={page.parent / 'profile'}", f"--screenshot={shot}",
            f"--window-size={max(width, 500)},4000",
            f"--blink-settings=preferredColorScheme={0 if is_dark else 1}",
            f"file://{frame}",
        ],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    with Image.open(shot) as opened:
        return np.asarray(opened.convert("RGB"))[:, :width]


@pytest.mark.parametrize("width", [420, 1280])
def test_a_page_is_neither_blank_nor_wider_than_its_window(
    run: wh.Run, tmp_path: pathlib.Path, width: int
) -> None:
    page = write_report(run.record, tmp_path / "report.html")
    pixels = photograph(page, width=width)
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 100
    edge = pixels[:, -6:]
    assert (edge == edge[0, 0]).all(), "something sticks out at the right edge"
    assert pixels.mean() > 200


def test_a_page_is_dark_where_people_prefer_that(run: wh.Run, tmp_path: pathlib.Path) -> None:
    page = write_report(run.record, tmp_path / "report.html")
    assert photograph(page, width=1280, is_dark=True).mean() < 60


@pytest.mark.parametrize("width", [420, 1280])
def test_a_comparison_is_neither_blank_nor_wider_than_its_window(tmp_path: pathlib.Path, width: int) -> None:
    records = [recorded(tmp_path / "w", lr=lr) for lr in (0.1, 0.2, 0.3)]
    pixels = photograph(write_comparison(records, tmp_path / "comparison.html"), width=width)
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 100
    edge = pixels[:, -6:]
    assert (edge == edge[0, 0]).all(), "something sticks out at the right edge"
