"""Promise: what the demo's model saw is made again in a new process, or it is said what differs."""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import sys
from typing import Any

import pytest

from whence.demo import run_demo

ASK = """
import json, random, sys
import whence as wh
from whence.query import Address

def answer(address, roots):
    try:
        return run.replayer(roots=roots).replay(address).to_json()
    except wh.WhenceError as error:
        return {"code": error.code, "message": error.message, "remedy": error.remedy}

asked = json.loads(sys.argv[1])
run = wh.open(".whence").run()
if "sample" in asked:
    points = [point for point in run.exposures(stream="train")]
    chosen = random.Random(asked["seed"]).sample(points, asked["sample"])
    replayer = run.replayer()
    found = [replayer.replay(Address(run=p.run, stream=p.stream, epoch=p.epoch, batch=p.batch, item=p.item))
             for p in chosen]
    print(json.dumps([[p.epoch, r.equal, r.differences] for p, r in zip(chosen, found)]))
else:
    address = Address(run=run.name, stream="train", epoch=2, batch=17, item=5)
    trace = run.trace(2, 17, 5, stream="train")
    print(json.dumps({"path": trace.origins[0].path, "complete": trace.complete,
                      "replay": answer(address, asked.get("roots"))}))
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder in which the demo has trained."""
    folder = tmp_path_factory.mktemp("demo")
    assert run_demo(folder, as_json=True) == 0
    return folder


@pytest.fixture
def folder(trained: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """A copy of that folder, at another place, to do with what one likes."""
    return shutil.copytree(trained, tmp_path / "demo")


def ask(folder: pathlib.Path, **asked: Any) -> Any:
    """Ask in a new process, which never ran the pipeline."""
    done = subprocess.run(
        [sys.executable, "-c", ASK, json.dumps(asked)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_two_hundred_random_samples_of_all_epochs_are_equal(trained: pathlib.Path) -> None:
    found = ask(trained, sample=200, seed=2)
    assert len(found) == 200
    assert {epoch for epoch, _, _ in found} == {0, 1, 2}
    assert all(equal is True and not differences for _, equal, differences in found)


def test_a_moved_folder_is_traced_and_replay_says_where_it_looked(folder: pathlib.Path) -> None:
    moved = folder.parent / "elsewhere" / "pictures"
    moved.parent.mkdir()
    (folder / "images").rename(moved)
    found = ask(folder)
    assert found["complete"]
    assert found["path"].startswith("images/")
    assert found["replay"]["code"] == "replay"
    assert str(folder / found["path"]) in found["replay"]["message"]
    assert "--root mnist=" in found["replay"]["remedy"]


def test_a_moved_folder_is_replayed_once_it_is_named(folder: pathlib.Path) -> None:
    moved = folder.parent / "pictures"
    (folder / "images").rename(moved)
    replay = ask(folder, roots={"mnist": str(moved)})["replay"]
    assert replay["equal"] is True
    assert replay["differences"] == []


def test_a_byte_that_spoils_the_image_is_named(folder: pathlib.Path) -> None:
    path = ask(folder)["path"]
    change_byte(folder / path, at=60)  # in the compressed pixels, which carry a checksum
    replay = ask(folder)["replay"]
    assert replay["code"] == "replay"
    assert f"{path} isn't the file that was read" in replay["remedy"]


def test_a_byte_that_changes_no_pixel_is_named(folder: pathlib.Path) -> None:
    path = ask(folder)["path"]
    change_byte(folder / path, at=-1)  # in the checksum of the end mark, at which nobody looks
    replay = ask(folder)["replay"]
    assert replay["equal"] is True
    assert [each["cause"] for each in replay["differences"]] == ["source"]
    assert path in replay["differences"][0]["what"]


def test_changed_code_is_named(folder: pathlib.Path) -> None:
    script = folder / "digits.py"
    script.write_text(script.read_text().replace("rng.uniform(1 - most, 1)", "rng.uniform(1 - most, 2)"))
    replay = ask(folder)["replay"]
    assert replay["equal"] is False
    assert [each["cause"] for each in replay["differences"]] == ["code"]
    assert "fade" in replay["differences"][0]["what"]


def change_byte(path: pathlib.Path, *, at: int) -> None:
    """Change one byte of a file."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
