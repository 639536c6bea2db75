"""One small workspace for all tests of the command line, and a copy for those that damage it."""

from __future__ import annotations

import os
import pathlib
import shutil

import pytest

from tests.rooms.cli.commands import Place, make_place


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A workspace with two finished runs and a failed one; not to be changed."""
    return make_place(tmp_path_factory.mktemp("cli"))


@pytest.fixture
def own_place(place: Place, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A copy of the workspace, to be changed, with the keys of somebody else who was there until now."""
    shutil.copytree(place.folder, tmp_path / "copy")
    shutil.copytree(os.environ["WHENCE_KEYS"], tmp_path / "keys")
    monkeypatch.setenv("WHENCE_KEYS", str(tmp_path / "keys"))
    return Place(folder=tmp_path / "copy", names=place.names)
