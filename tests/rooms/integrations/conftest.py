"""What the tests of autologging share."""

from __future__ import annotations

import pathlib
import warnings
from collections.abc import Iterator

import pytest

import whence as wh
from whence.errors import RecordWarning


@pytest.fixture
def home(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pathlib.Path]:
    """A workspace of its own; all is taken back afterwards, and nothing may have gone unrecorded."""
    monkeypatch.setenv("WHENCE_HOME", str(tmp_path / "home"))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("error")
        warnings.simplefilter("always", RecordWarning)
        yield tmp_path / "home"
        wh.autolog(False)
    assert [str(each.message) for each in told] == []
