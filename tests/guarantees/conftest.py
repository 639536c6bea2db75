"""What the tests of bad input share."""

from __future__ import annotations

import pathlib
import shutil
import tempfile
from collections.abc import Iterator

import pytest

from tests.earlier import Earlier


@pytest.fixture
def earlier(tmp_path: pathlib.Path) -> Earlier:
    """A workspace in which a run was recorded before."""
    folder = tmp_path / "work"
    folder.mkdir()
    return Earlier(folder)


@pytest.fixture
def open_to_all() -> Iterator[pathlib.Path]:
    """A folder whose way anybody may go: pytest's own are closed to other users."""
    folder = pathlib.Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)
