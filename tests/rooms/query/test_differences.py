"""What isn't as it was when a sample was delivered is told by its cause."""

from __future__ import annotations

import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from PIL import features

import whence as wh
from whence.capture import outline
from whence.query import Address, differences
from whence.query.differences import libraries_of


def scaled(number: int, by: float) -> float:
    return number * by


def causes(run: Any, **options: Any) -> list[tuple[str, str]]:
    found = run.replayer(**options).replay(Address(run=run.name, epoch=0, item=1))
    return [(each.cause, each.what) for each in found.differences]


@pytest.fixture
def run(tmp_path: pathlib.Path) -> Any:
    (tmp_path / "n.txt").write_text("1\n2\n3\n")
    stream = wh.from_text(tmp_path / "n.txt", name="n").map(int).map(scaled, by=2.0)
    with wh.start_run(workspace=tmp_path) as run:
        list(stream)
    return run


def test_nothing_differs_at_once(run: Any) -> None:
    assert causes(run) == []


def test_a_parameter_of_a_stream_that_is_given(run: Any, tmp_path: pathlib.Path) -> None:
    given = wh.from_text(tmp_path / "n.txt", name="n").map(int).map(scaled, by=2.5)
    assert causes(run, stream=given) == [("params", "parameter by of op 'scaled' was 2.0, is 2.5")]
    seeded = wh.from_text(tmp_path / "n.txt", name="n").map(int).map(scaled, by=2.0, seed_foreign=True)
    assert causes(run, stream=seeded) == [
        ("params", "parameter seed_foreign of op 'scaled' was not given, is True")
    ]


def test_what_numpy_and_pillow_tell_is_recorded_by_the_process_that_read(run: Any) -> None:
    found = libraries_of(run.record, 0)
    assert found["whence"] == {"version": wh.__version__}
    assert found["numpy"]["version"] == np.__version__
    assert found["numpy"]["blas"]
    assert found["pillow"]["libjpeg_turbo"] == features.version_feature("libjpeg_turbo")
    assert len(run.record.journal.find("libraries")) == 1


def test_a_library_below_a_package_and_the_instructions(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = {name: dict(parts) for name, parts in libraries_of(run.record, 0).items()}
    blas, instructions = now["numpy"]["blas"], now["numpy"]["instructions"]
    now["numpy"] |= {"version": "1.0", "blas": "other 1", "instructions": "FEW"}
    del now["pillow"]["zlib"]
    monkeypatch.setattr(differences, "libraries", lambda: now)
    told = causes(run)
    assert ("package", f"numpy was {np.__version__}, is 1.0") in told
    assert ("library", f"blas of numpy was {blas}, is other 1") in told
    assert ("platform", f"instructions of numpy was {instructions}, is FEW") in told
    assert any(cause == "library" and what.startswith("zlib of pillow was") for cause, what in told)


def test_python_and_the_machine(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = outline()
    changed = now | {"python": {"version": "2.7"}, "platform": now["platform"] | {"libc": "other"}}
    monkeypatch.setattr(differences, "outline", lambda: changed)
    assert [cause for cause, _ in causes(run)] == ["platform", "platform"]
    assert any("python version was" in what for _, what in causes(run))


LATE = """
import sys
import whence as wh
def late(line):
    from PIL import Image
    return line
with wh.start_run(workspace=sys.argv[1]) as run:
    list(wh.from_items(["a"], name="n").map(late))
events = run.record.journal.find("libraries")
print([sorted(event.body["libraries"]) for event in events])
"""


def test_what_is_loaded_late_is_told_when_the_run_ends(tmp_path: pathlib.Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LATE, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[['numpy', 'whence'], ['pillow']]"
