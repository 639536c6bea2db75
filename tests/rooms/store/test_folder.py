"""The workspace's folder: found where it is expected, made once by whoever comes first."""

from __future__ import annotations

import pathlib

import pytest

from whence.errors import StoreError, StoreVersionError
from whence.store import Folder


def test_nothing_is_made_before_the_first_write(tmp_path: pathlib.Path) -> None:
    folder = Folder.find(tmp_path)
    assert folder.path == tmp_path / ".whence"
    assert not folder.exists
    assert folder.run_ids() == []
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_made_says_its_format_and_is_not_for_git(tmp_path: pathlib.Path) -> None:
    folder = Folder.find(tmp_path)
    folder.make()
    folder.make()
    assert folder.exists
    assert (folder.path / "format").read_bytes() == b'{"format":1}'
    assert (folder.path / ".gitignore").read_bytes() == b"*\n"


def test_the_nearest_workspace_upward_is_found(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WHENCE_HOME", raising=False)
    (tmp_path / ".whence").mkdir()
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    assert Folder.find().path == tmp_path / ".whence"


def test_without_any_it_will_be_here(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WHENCE_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    assert Folder.find().path == tmp_path / ".whence"


def test_the_variable_goes_before_the_folder_and_a_path_before_the_variable(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".whence").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WHENCE_HOME", str(tmp_path / "home"))
    assert Folder.find().path == tmp_path / "home"
    assert Folder.find(tmp_path / "given").path == tmp_path / "given" / ".whence"


def test_a_workspace_itself_and_the_folder_that_holds_it_mean_the_same(tmp_path: pathlib.Path) -> None:
    Folder.find(tmp_path).make()
    assert Folder.find(tmp_path).path == Folder.find(tmp_path / ".whence").path
    (tmp_path / ".whence").rename(tmp_path / "renamed")
    assert Folder.find(tmp_path / "renamed").path == tmp_path / "renamed"


def test_a_workspace_of_a_newer_format_is_refused_with_the_words_to_type(tmp_path: pathlib.Path) -> None:
    (tmp_path / ".whence").mkdir()
    (tmp_path / ".whence" / "format").write_text('{"format": 2, "more": true}')
    with pytest.raises(StoreVersionError, match="format 2") as caught:
        Folder.find(tmp_path)
    assert "pip install --upgrade whence" in caught.value.remedy


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "x"}', '{"format": null}', "\xff"])
def test_a_damaged_format_file_is_told_with_what_it_should_be(tmp_path: pathlib.Path, text: str) -> None:
    (tmp_path / ".whence").mkdir()
    (tmp_path / ".whence" / "format").write_text(text, encoding="latin-1")
    with pytest.raises(StoreError, match="not a workspace format file") as caught:
        Folder.find(tmp_path)
    assert '{"format":1}' in caught.value.remedy


def test_fields_of_the_format_file_that_we_do_not_know_are_let_be(tmp_path: pathlib.Path) -> None:
    (tmp_path / ".whence").mkdir()
    (tmp_path / ".whence" / "format").write_text('{"format": 1, "more": true}')
    assert Folder.find(tmp_path).exists


def test_a_file_where_the_folder_should_be_is_a_store_error(tmp_path: pathlib.Path) -> None:
    (tmp_path / ".whence").write_text("x")
    with pytest.raises(StoreError, match=r"\.whence"):
        Folder.find(tmp_path).make()
