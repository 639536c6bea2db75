"""The demo's folder: images, defects and scripts, made as often as one likes, and nobody else's folder."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest
from PIL import Image

from whence.demo.images import prepare
from whence.errors import InputError, StoreReadOnlyError


def files_of(folder: pathlib.Path) -> dict[str, bytes]:
    """All files below a folder, by path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_each_defect_is_the_one_it_is_said_to_be(tmp_path: pathlib.Path) -> None:
    prepared = prepare(tmp_path / "demo")
    by_what: dict[str, list[pathlib.Path]] = {}
    for defect in prepared.defects:
        by_what.setdefault(defect.what, []).append(prepared.folder / defect.path)
    (cut,) = by_what["cut off in the middle"]
    with pytest.raises(OSError, match="truncated"), Image.open(cut) as image:
        image.load()
    (black,) = by_what["all black"]
    with Image.open(black) as image:
        assert image.size == (28, 28)
        assert image.getextrema() == (0, 0)
    copies = by_what["a copy of its neighbour"]
    assert len(copies) == 2
    for copy in copies:
        assert copy.read_bytes() == copy.with_name(copy.name.replace("_copy", "")).read_bytes()
    (wrong,) = by_what["a seven filed under 1"]
    assert wrong.parent.name == "1"
    assert not (wrong.parents[1] / "7" / wrong.name).exists()


def test_no_defect_is_planted_among_the_held_out(tmp_path: pathlib.Path) -> None:
    numbers = [int(pathlib.PurePath(defect.path).name[:5]) for defect in prepare(tmp_path).defects]
    assert all(number % 5 for number in numbers)


def test_there_are_about_two_hundred_images_of_each_digit(tmp_path: pathlib.Path) -> None:
    prepared = prepare(tmp_path / "demo")
    counts = [len(list((prepared.folder / "images" / digit).iterdir())) for digit in "0123456789"]
    assert sum(counts) == prepared.image_count + 2
    assert all(170 < count < 240 for count in counts)


def test_a_second_time_changes_nothing(tmp_path: pathlib.Path) -> None:
    prepare(tmp_path / "demo")
    before = files_of(tmp_path)
    prepare(tmp_path / "demo")
    assert files_of(tmp_path) == before  # the seven that was unpacked to its place is moved away again


def test_a_script_that_was_edited_is_kept_and_named(tmp_path: pathlib.Path) -> None:
    assert prepare(tmp_path).kept == []
    (tmp_path / "digits.py").write_text("print('mine')\n")
    assert prepare(tmp_path).kept == ["digits.py"]
    assert (tmp_path / "digits.py").read_text() == "print('mine')\n"


def test_a_folder_that_holds_something_else_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="holds something else") as raised:
        prepare(tmp_path)
    assert "empty folder" in raised.value.remedy
    assert files_of(tmp_path) == {"thesis.txt": b"mine"}


def test_a_file_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "demo").write_text("mine")
    with pytest.raises(InputError, match="is a file"):
        prepare(tmp_path / "demo")


def test_a_folder_that_cannot_be_made_is_named(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(pathlib.Path, "mkdir", refuse)
    with pytest.raises(StoreReadOnlyError, match="demo"):
        prepare(tmp_path / "demo")


def test_the_example_that_is_copied_is_the_one_in_examples(tmp_path: pathlib.Path) -> None:
    prepare(tmp_path)
    examples = pathlib.Path(__file__).parents[3] / "examples"
    for name in ("digits.py", "network.py"):
        text = (examples / name).read_text()
        assert (tmp_path / name).read_text() == text
        assert text.count("\n") <= 60


def test_without_pillow_the_command_to_install_it_is_named(tmp_path: pathlib.Path) -> None:
    code = """
import pathlib, sys
sys.modules["PIL"] = None
from whence.demo import run_demo
from whence.errors import MissingExtraError
try:
    run_demo(pathlib.Path(sys.argv[1]), as_json=False)
except MissingExtraError as error:
    print(error.remedy)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "demo")], capture_output=True, text=True, check=True
    )
    assert "pip install 'whence[demo]'" in done.stdout
    assert not (tmp_path / "demo").exists()
