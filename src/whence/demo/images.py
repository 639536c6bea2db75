"""The demo's folder: the images, the defects planted among them, and the pipeline to run there."""

from __future__ import annotations

import pathlib
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

from whence.errors import InputError, MissingExtraError
from whence.store import explained

try:
    from PIL import Image
except ImportError as error:
    raise MissingExtraError("Pillow", extra="demo", need="the demo") from error

_PACKAGE = pathlib.Path(__file__).parent
SCRIPT = "digits.py"
# in the package they are text, since they are a user's code and not modules of ours
_SCRIPTS = {SCRIPT: "digits.txt", "network.py": "network.txt"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """A file that was spoiled on purpose.

    Args:
        path: relative to the demo's folder.
        what: what is wrong with it, for people.
    """

    path: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A folder ready to train in.

    Args:
        folder: absolute.
        image_count: the images in the zip.
        defects: what was spoiled.
        kept: scripts that were there already and differ from ours: the user's, left alone.
    """

    folder: pathlib.Path
    image_count: int
    defects: Sequence[Defect]
    kept: Sequence[str]


def prepare(folder: pathlib.Path) -> Prepared:
    """Write the scripts and the images into a folder, and plant the defects.

    Raises:
        InputError: the folder holds something else.
        StoreError: it can't be written.
    """
    folder = folder.expanduser().absolute()
    with explained(folder):
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder} is a file", remedy="Name a folder: whence demo --dir demo")
        # the script comes first, so a folder that has it is ours even if we were interrupted
        if folder.exists() and any(folder.iterdir()) and not (folder / SCRIPT).exists():
            raise InputError(
                f"{folder} holds something else", remedy="Name an empty folder, or one that isn't there yet."
            )
        folder.mkdir(parents=True, exist_ok=True)
        kept = [name for name in _SCRIPTS if not _write_script(folder / name)]
        with zipfile.ZipFile(_PACKAGE / "mnist-2k.zip") as archive:
            archive.extractall(folder / "images")
            names = archive.namelist()
        defects = _plant(folder, names)
    return Prepared(folder=folder, image_count=len(names), defects=defects, kept=kept)


def shown(path: pathlib.Path) -> str:
    """A path as one would type it from here."""
    here = pathlib.Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _write_script(path: pathlib.Path) -> bool:
    """Write a script unless the user has made it his own; tell whether it is ours."""
    text = (_PACKAGE / _SCRIPTS[path.name]).read_text(encoding="utf-8")
    if path.exists():
        return path.read_text(encoding="utf-8") == text
    path.write_text(text, encoding="utf-8")
    return True


def _plant(folder: pathlib.Path, names: list[str]) -> list[Defect]:
    """Spoil a few of the training images: always the same ones, so a second time changes nothing."""
    images = folder / "images"
    # digits.py holds every fifth number out for testing; a defect there would miss the training
    trained = [name for name in names if int(pathlib.PurePath(name).stem) % 5]
    by_digit = {digit: [name for name in trained if name[0] == digit] for digit in "0123456789"}

    cut = by_digit["3"][20]
    whole = (images / cut).read_bytes()
    (images / cut).write_bytes(whole[: len(whole) // 2])
    defects = [Defect(path=f"images/{cut}", what="cut off in the middle")]

    black = by_digit["8"][20]
    Image.new("L", (28, 28)).save(images / black, "PNG")
    defects.append(Defect(path=f"images/{black}", what="all black"))

    for digit in ("2", "6"):
        first = by_digit[digit][20]
        copy = first.replace(".png", "_copy.png")
        shutil.copyfile(images / first, images / copy)
        defects.append(Defect(path=f"images/{copy}", what="a copy of its neighbour"))

    seven = by_digit["7"][20]
    wrong = seven.replace("7/", "1/", 1)
    (images / seven).replace(images / wrong)
    defects.append(Defect(path=f"images/{wrong}", what="a seven filed under 1"))
    return defects
