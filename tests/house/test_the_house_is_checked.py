"""Each rule of tools/check_house.py has its attack: a small house that breaks only this rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.check_house import find_problems

SOUND = {
    "whence/__init__.py": "",
    "whence/vocab/__init__.py": "from whence.vocab.digests import digest\n",
    "whence/vocab/digests.py": "import pathlib\n\n\ndef digest(data: bytes) -> bytes:\n    return data\n",
    "whence/store/__init__.py": '_HOME = {"Journal": "whence.store.journal"}\n',
    "whence/store/journal.py": (
        "import os\nfrom whence.vocab import digest\nfrom whence.store import frames\n"
    ),
    "whence/store/frames.py": "",
    "whence/demo.py": "import whence as wh\n",
}


def house(folder: Path, **changes: str) -> Path:
    """Build the sound house with some files replaced, named with `__` for `/`."""
    files = SOUND | {f"whence/{name.replace('__', '/')}.py": text for name, text in changes.items()}
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_sound_house_has_no_problem(tmp_path: Path) -> None:
    assert find_problems(house(tmp_path)) == []


def test_an_empty_house_was_not_checked(tmp_path: Path) -> None:
    assert "nothing was checked" in find_problems(tmp_path)[0]


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        pytest.param("runs", "from whence.store.journal import Journal\n", "by the file", id="a file"),
        pytest.param("runs", "import whence.store.journal\n", "by the file", id="a file, whole"),
        pytest.param("runs", "from whence.store import frames\n", "by the file", id="a file not given out"),
        pytest.param("runs__rows", "from ..store.frames import x\n", "by the file", id="a file, relative"),
        pytest.param("runs", "from whence import Stream\n", "front page", id="the front page"),
        pytest.param("runs", "import whence\n", "front page", id="the front page, whole"),
        pytest.param(
            "store__frames", "from whence.store import Journal\n", "its own room", id="its own door"
        ),
        pytest.param("vocab__digests", "import os\n", "is pure and imports os", id="a module"),
        pytest.param(
            "vocab__digests", "from os.path import join\n", "imports os.path", id="part of a module"
        ),
        pytest.param("chance", "import pathlib\n", "imports pathlib", id="paths outside vocab"),
        pytest.param("lineage", "x = open('x')\n", "calls open()", id="a file opened"),
        pytest.param("vocab__dates", "def f(d):\n    return d.now()\n", "calls .now()", id="the clock"),
        pytest.param("runs", "x = 1\n" * 421, "421 lines", id="a long module"),
        pytest.param("runs", "def f():\n" + "    x = 1\n" * 60, "f has 61 lines", id="a long function"),
        pytest.param("store__utils", "", "holds anything", id="a module name"),
        pytest.param("runs", "class RunManager: ...\n", "says nothing", id="a class name"),
    ],
)
def test_a_broken_rule_is_named_with_its_place(tmp_path: Path, name: str, text: str, problem: str) -> None:
    found = find_problems(house(tmp_path, **{name: text}))
    assert len(found) == 1
    assert found[0].startswith(f"whence/{name.replace('__', '/')}.py:")
    assert problem in found[0]


def test_a_docstring_makes_no_function_long(tmp_path: Path) -> None:
    text = 'def f():\n    """First.\n\n' + "    More.\n" * 70 + '    """\n    return 1\n'
    assert find_problems(house(tmp_path, runs=text)) == []


def test_a_name_that_is_also_a_file_may_be_given_out(tmp_path: Path) -> None:
    source = house(tmp_path, runs="from whence.store import frames\n")
    (source / "whence/store/__init__.py").write_text("from whence.store.frames import frames\n")
    assert find_problems(source) == []
