"""The tour: what the demo says is what its record says, in words and as JSON."""

from __future__ import annotations

import contextlib
import io
import json
import pathlib
import subprocess
import sys
from typing import Any

import pytest

import whence as wh
from whence.demo import run_demo
from whence.errors import InputError

SHORT = """
import whence as wh

def name_of(file):
    return file.name

with wh.start_run("short") as run:
    for name in wh.from_files("images/3/*.png", name="mnist").map(name_of).epoch(0):
        pass
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[pathlib.Path, dict[str, Any], str]:
    """A folder in which the demo ran twice: what it said as JSON and what it said in words."""
    folder = tmp_path_factory.mktemp("demo")
    return folder, json.loads(said_by(folder, as_json=True)), said_by(folder, as_json=False)


def said_by(folder: pathlib.Path, *, as_json: bool) -> str:
    """Run the demo; what it says on standard output."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert run_demo(folder, as_json=as_json) == 0
    return out.getvalue()


Told = tuple[pathlib.Path, dict[str, Any], str]


def test_more_than_nine_held_out_digits_in_ten_are_recognised(told: Told) -> None:
    folder, value, _ = told
    assert value["accuracy"] > 0.9
    run = wh.open(folder).run(value["run"])
    assert run.metrics["accuracy"] == value["accuracy"]
    assert len(run.history("accuracy").value) == 3
    assert len(run.history("loss").value) == sum(
        view.delivered for view in run.passes if run.streams[view.stream].name == "train"
    )
    assert wh.open(folder).model("digits@1").metadata == {"accuracy": value["accuracy"]}


def test_no_image_is_both_trained_on_and_held_out(told: Told) -> None:
    folder, value, _ = told
    run = wh.open(folder).run(value["run"])
    rows: dict[str, set[int]] = {"train": set(), "test": set()}
    for view in run.passes:
        stream = run.streams[view.stream].name
        for batch in range(view.delivered):
            rows[stream] |= {origin.row for origin in run.trace(view.epoch, batch, stream=stream).origins}
    assert rows["train"]
    assert rows["test"]
    assert not rows["train"] & rows["test"]


def test_each_defect_has_its_fate(told: Told) -> None:
    _, value, _ = told
    fates = {impact["file"]: impact for impact in value["impacts"]}
    by_what: dict[str, list[dict[str, Any]]] = {}
    for impact in fates.values():
        by_what.setdefault(impact["defect"], []).append(impact)
    (cut,) = by_what["cut off in the middle"]
    assert cut["absent"]
    assert {drop["op"] for drop in cut["drops"]} == {"decode"}
    assert "truncated" in cut["drops"][0]["detail"]
    (black,) = by_what["all black"]
    assert black["absent"]
    assert {drop["reason"] for drop in black["drops"]} == {"blank image"}
    for copy in by_what["a copy of its neighbour"]:
        assert copy["absent"]
        assert copy["file"].replace("_copy", "") in copy["drops"][0]["detail"]
    (wrong,) = by_what["a seven filed under 1"]
    assert wrong["count"] == 3
    assert [(point["stream"], point["epoch"]) for point in wrong["exposures"]] == [
        ("train", 0), ("train", 1), ("train", 2),
    ]  # fmt: skip
    assert wrong["models"] == ["digits"]


def test_the_sample_is_replayed_and_the_record_holds(told: Told) -> None:
    _, value, _ = told
    assert value["replay"]["equal"] is True
    assert value["replay"]["digest"] == value["replay"]["recorded"]
    assert value["verify"]["holds"] is True
    assert value["trace"]["complete"] is True
    drawn = {step["op"]: step["random"] for step in value["trace"]["steps"]}
    assert {"dx", "dy"} <= drawn["shift"].keys()


def test_the_costs_are_told(told: Told) -> None:
    _, value, _ = told
    assert value["samples"] == 3 * (2_003 + 2 - 1 - 1 - 2)
    assert value["samples_per_s"] > 0
    assert value["seconds"] > 0
    assert value["peak_memory_bytes"] > 0
    assert pathlib.Path(value["report"]).stat().st_size > 0


def test_a_second_demo_is_a_new_run_and_ends_with_five_commands(told: Told) -> None:
    folder, value, text = told
    newest = wh.open(folder).run()
    assert newest.name != value["run"]
    assert newest.metrics["accuracy"] == value["accuracy"]
    lines = text.splitlines()[-5:]
    assert [line.split()[:2] for line in lines[:4]] == [
        ["whence", "trace"], ["whence", "impact"], ["whence", "replay"], ["whence", "verify"],
    ]  # fmt: skip
    assert "report.html" in lines[4]
    assert lines[0].split()[2] == lines[2].split()[2]
    assert wh.open(folder).trace(lines[0].split()[2]).complete
    assert all(defect in text for defect in ("cut off", "all black", "a copy", "a seven filed under 1"))


def test_an_edited_pipeline_is_run_as_it_is(tmp_path: pathlib.Path) -> None:
    (tmp_path / "digits.py").write_text(SHORT)
    value = json.loads(said_by(tmp_path, as_json=True))
    assert value["accuracy"] is None
    assert value["replay"]["equal"] is True


def test_a_pipeline_that_fails_is_named_with_its_last_words(tmp_path: pathlib.Path) -> None:
    (tmp_path / "digits.py").write_text("raise ValueError('lost my glasses')\n")
    with pytest.raises(InputError, match="ValueError: lost my glasses") as raised:
        run_demo(tmp_path, as_json=True)
    assert "python digits.py" in raised.value.remedy


def test_a_pipeline_that_records_nothing_is_named(tmp_path: pathlib.Path) -> None:
    (tmp_path / "digits.py").write_text("print('hello')\n")
    with pytest.raises(InputError, match="recorded nothing"):
        run_demo(tmp_path, as_json=True)


def test_a_demo_of_its_own_stays_within_its_memory(tmp_path: pathlib.Path) -> None:
    done = subprocess.run(  # in a process of its own: this one's memory holds all that pytest has loaded
        [sys.executable, "-m", "whence", "demo", "--dir", str(tmp_path / "demo"), "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert 0 < json.loads(done.stdout)["peak_memory_bytes"] < 400_000_000
