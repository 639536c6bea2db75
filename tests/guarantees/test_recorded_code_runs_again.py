"""With `--code recorded` a replay runs the code that ran then, whatever has become of it; or refuses."""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import sys
from typing import Any

import pytest

import whence as wh
from whence.capture import codefiles
from whence.errors import InputError, ReplayError
from whence.query import Address
from whence.store import scan_frames

SCRIPT = """
import functools
import numpy as np
import whence as wh
import helpers
from tools.scaling import Scale, OFFSET

BIAS = 3

def decode(line, *, rng):
    return helpers.number(line) + BIAS + rng.integers(0, 9)

def shifted(value, by):
    from tools.late import shift
    return shift(value, by) + OFFSET

def multiplied(factor):
    def times(value, power=1):
        return value * factor ** power
    return times

if __name__ == "__main__":
    print("this must not run in a replay")
    stream = (
        wh.from_text("numbers.txt", name="numbers")
        .map(decode)
        .map(functools.partial(shifted, by=0.5))
        .map(Scale(2.0))
        .map(multiplied(1.5))
        .filter(lambda value: value > 0)
        .map(np.float64)
        .batch(4)
    )
    with wh.start_run(workspace="record") as run:
        list(stream)
    print(run.name)
"""
FILES = {
    "script.py": SCRIPT,
    "helpers.py": "import constants\n\ndef number(line):\n    return int(line) * constants.FACTOR\n",
    "constants.py": "FACTOR = 7\n",
    "tools/__init__.py": "",
    "tools/late.py": "def shift(value, by):\n    return value + by\n",
    "tools/scaling.py": (
        "from . import late\n\nOFFSET = 2\n\n"
        "class Scale:\n    def __init__(self, by):\n        self.by = by\n"
        "    def __call__(self, value):\n        return late.shift(value, 0) * self.by\n"
    ),
}


def write(folder: pathlib.Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def ran(folder: pathlib.Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def replayed(folder: pathlib.Path, run: str, *options: str) -> Any:
    asked = ["replay", run, "--workspace", "record", "--json", *options]
    done = ran(folder, "-m", "whence", *asked)
    assert "must not run" not in done.stdout + done.stderr
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    write(tmp_path, FILES)
    (tmp_path / "numbers.txt").write_text("\n".join(map(str, range(40))) + "\n")
    return tmp_path


@pytest.fixture
def run(folder: pathlib.Path) -> str:
    done = ran(folder, "script.py")
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1]


CHANGES: dict[str, dict[str, str]] = {
    "a function": {"script.py": SCRIPT.replace("+ BIAS +", "- BIAS -")},
    "a constant of a module that a module imports": {"constants.py": "FACTOR = 8\n"},
    "a class": {"tools/scaling.py": FILES["tools/scaling.py"].replace("* self.by", "+ self.by")},
    "what is imported late": {"tools/late.py": "def shift(value, by):\n    return -value\n"},
}


@pytest.mark.parametrize("change", CHANGES)
def test_code_that_has_changed_runs_as_it_was(folder: pathlib.Path, run: str, change: str) -> None:
    write(folder, CHANGES[change])
    today = replayed(folder, run, "--sample", "40", "--verify")
    assert today["equal"] < today["checked"] or today["failed"]
    assert {each["cause"] for each in today["causes"]} == {"code"}
    recorded = replayed(folder, run, "--sample", "40", "--verify", "--code", "recorded")
    assert (recorded["checked"], recorded["equal"], recorded["causes"]) == (40, 40, [])


def test_code_that_is_gone_runs_as_it_was(folder: pathlib.Path, run: str) -> None:
    for name in FILES:
        (folder / name).unlink()
    shutil.rmtree(folder / "tools")
    found = replayed(folder, f"{run}@0:3.1", "--code", "recorded")
    assert (found["equal"], found["differences"]) == (True, [])
    assert "error" in replayed(folder, f"{run}@0:3.1")


def test_modules_of_today_are_neither_used_nor_changed(
    folder: pathlib.Path, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, {"helpers.py": "def number(line):\n    raise AssertionError\n"})
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    for name in list(sys.modules):
        if name.partition(".")[0] in ("helpers", "tools", "constants"):
            monkeypatch.delitem(sys.modules, name)
    import helpers  # type: ignore[import-not-found]  # noqa: PLC0415 - made by the test

    before = set(sys.modules)
    path = list(sys.path)
    asked = wh.open("record").run(run)
    batch = asked.replay(0, 2, code="recorded")
    assert len(batch) == 4
    assert sys.modules["helpers"] is helpers
    assert sys.path == path
    assert not {"constants", "tools", "tools.late"} & (sys.modules.keys() - before)
    sys.modules.pop("helpers")


def test_recorded_code_never_runs_unasked(folder: pathlib.Path, run: str) -> None:
    write(folder, {"constants.py": "FACTOR = 8\n"})
    assert replayed(folder, f"{run}@0:3.1")["equal"] is False


# refusals


def refused(folder: pathlib.Path, run: str) -> str:
    error = replayed(folder, f"{run}@0:3.1", "--code", "recorded")["error"]
    assert error["code"] == "replay"
    return str(error["message"])


def test_code_that_was_altered_in_the_record_is_refused(folder: pathlib.Path, run: str) -> None:
    (payloads,) = folder.glob("record/**/payloads")
    data = payloads.read_bytes()
    assert data.count(b"FACTOR = 7") == 1
    payloads.write_bytes(data.replace(b"FACTOR = 7", b"FACTOR = 9"))
    assert "destroyed, or altered" in refused(folder, run)
    (journal,) = folder.glob("record/**/journal")
    events = bytearray(journal.read_bytes())
    events[len(events) // 2] ^= 1
    journal.write_bytes(events)
    assert "damaged" in refused(folder, run)


def test_code_that_was_destroyed_is_refused(folder: pathlib.Path, run: str) -> None:
    (payloads,) = folder.glob("record/**/payloads")
    data, frames = payloads.read_bytes(), scan_frames(payloads).frames
    ends = [*(frame.offset for frame in frames[1:]), len(data)]
    kept = [
        data[frame.offset : end]
        for frame, end in zip(frames, ends, strict=True)
        if b"FACTOR = 7" not in frame.payload
    ]
    assert len(kept) == len(frames) - 1
    payloads.write_bytes(data[:16] + b"".join(kept))
    assert "has been destroyed" in refused(folder, run)


def plain(line: str) -> str:
    return line


def test_a_file_with_another_digest_is_refused(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numbers.txt").write_text("1\n2\n")
    monkeypatch.setattr(codefiles, "digest_bytes", lambda data: bytes(32))
    with wh.start_run(workspace=tmp_path) as run:
        list(wh.from_text(tmp_path / "numbers.txt").map(plain))
    with pytest.raises(ReplayError, match="its digest differs"):
        run.replay(0, item=1, code="recorded")


def test_a_function_with_another_digest_is_refused(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numbers.txt").write_text("1\n2\n")
    monkeypatch.setattr(
        codefiles,
        "_without_secrets",
        lambda text: text.replace("return line\n", "return line[::-1]\n").encode(),
    )
    with wh.start_run(workspace=tmp_path) as run:
        list(wh.from_text(tmp_path / "numbers.txt").map(plain))
    with pytest.raises(ReplayError, match="isn't what ran: its digest is"):
        run.replay(0, item=1, code="recorded")


def test_code_that_cannot_be_known_is_refused(tmp_path: pathlib.Path) -> None:
    script = SCRIPT.replace(
        "import helpers\n", "import helpers\nLATE = eval('lambda value: value')\n"
    ).replace(".map(Scale(2.0))", ".map(LATE)")
    write(tmp_path, FILES | {"script.py": script, "numbers.txt": "1\n2\n3\n4\n5\n"})
    run = ran(tmp_path, "script.py").stdout.split()[-1]
    found = replayed(tmp_path, f"{run}@0:0.1", "--code", "recorded")
    assert "recorded code is incomplete" in found["error"]["message"]


def test_a_run_without_code_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "numbers.txt").write_text("1\n2\n")
    with wh.start_run(workspace=tmp_path) as run:
        list(wh.from_text(tmp_path / "numbers.txt").take(1))
    replayer = run.replayer(code="recorded")
    with pytest.raises(ReplayError, match="recorded no code"):
        replayer.replay(Address(run=run.name, epoch=0, item=0))


def test_what_makes_no_sense_is_refused(tmp_path: pathlib.Path) -> None:
    stream = wh.from_items([1, 2])
    with wh.start_run(workspace=tmp_path) as run:
        list(stream)
    with pytest.raises(InputError, match="wanted 'today' or 'recorded'"):
        run.replayer(code="old")  # type: ignore[arg-type]  # what is refused
    with pytest.raises(InputError, match="it can't be given"):
        run.replayer(code="recorded", stream=stream)
