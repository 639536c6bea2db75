"""What the tests of bad input share."""

from __future__ import annotations

import pathlib

import pytest

from tests.earlier import Earlier


@pytest.fixture
def earlier(tmp_path: pathlib.Path) -> Earlier:
    """A workspace in which a run was recorded before."""
    folder = tmp_path / "work"
    folder.mkdir()
    return Earlier(folder)
