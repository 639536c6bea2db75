"""Runs found again from Python: whatever they mention, in tables, as they are at this moment."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

import whence as wh
from whence.errors import InputError, MissingExtraError
from whence.store import files, frames

SOURCE = pathlib.Path(files.__file__).parents[2]


def brighten(value: int) -> int:
    """Adds what nobody else adds: seventythree."""
    return value + 73


def fail_once(folder: pathlib.Path) -> None:
    """Run something that fails, and mentions much."""
    run = wh.start_run("uncommon title", params={"model": {"kind": "perceiver"}}, workspace=folder)
    run.set_tag("team", "oceanography")
    run.log_metric("val/f1_macro", 0.5)
    run.log_note("the moon was full")
    run.log_model("sextant", b"weights", metadata={"licence": "cc0"})
    run.log_artifact(folder / "notes.bin", "theodolite.bin")
    wh.from_items([1, 2, 3], name="quadrant").map(brighten).named("meridians").collect()
    run.finish("failed", ZeroDivisionError("division by zero"))


@pytest.fixture
def workspace(tmp_path: pathlib.Path) -> wh.Workspace:
    (tmp_path / "notes.bin").write_bytes(b"x" * 100)
    fail_once(tmp_path)
    with wh.start_run("another", workspace=tmp_path):
        pass
    return wh.open(tmp_path)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("uncommon", "title"),
        ("perceiver", "params"),
        ("oceanography", "tags"),
        ("f1_macro", "metrics"),
        ("moon", "notes"),
        ("sextant", "models"),
        ("cc0", "models"),
        ("theodolite", "artifacts"),
        ("quadrant", "sources"),
        ("brighten", "operations"),
        ("meridians", "operations"),
        ("seventythree", "code"),
        ("ZeroDivisionError", "traceback"),
    ],
)
def test_a_run_is_found_by_whatever_it_mentions(workspace: wh.Workspace, text: str, field: str) -> None:
    (found,) = workspace.search(text)
    assert found.summary["title"] == "uncommon title"
    assert field in {place.field for place in found.places}
    assert any(text.casefold() in place.snippet.casefold() for place in found.places)


def test_what_the_whole_process_tells_finds_all_its_runs(workspace: wh.Workspace) -> None:
    newest = workspace.run()
    assert [found.summary["title"] for found in workspace.search(newest.name)] == ["another"]
    assert [found.summary["title"] for found in workspace.search(newest.id)] == ["another"]
    command = pathlib.Path(newest.environment["argv"][0]).name
    assert len(workspace.search(command)) == 2


def test_what_was_destroyed_is_not_found_any_more(workspace: wh.Workspace) -> None:
    assert len(workspace.search("sextant moon")) == 1
    path = workspace.path / "runs" / workspace.runs()[-1].id / "payloads"
    kept = frames.scan_frames(path).frames
    moon = next(frame for frame in kept if b"moon" in frame.payload)
    data = path.read_bytes()
    path.write_bytes(data[: moon.offset])  # and all that came after it
    assert workspace.search("moon") == []
    assert workspace.search("sextant") == []
    assert len(workspace.search("perceiver")) == 1
    assert b"moon was full" not in (workspace.path / "catalog.sqlite").read_bytes()


def test_a_table_has_a_row_for_each_run_and_a_column_for_each_field(workspace: wh.Workspace) -> None:
    table = workspace.table()
    assert [row["title"] for row in table] == ["another", "uncommon title"]
    assert table.columns[:3] == ["id", "name", "title"]
    assert table[1]["params.model"] == {"kind": "perceiver"}
    assert (table[0]["metrics.val/f1_macro"], table[1]["metrics.val/f1_macro"]) == (None, 0.5)
    chosen = workspace.table("tags.team exists", columns="title,params.model.kind,metrics.val/f1_macro")
    assert list(chosen) == [
        {"title": "uncommon title", "params.model.kind": "perceiver", "metrics.val/f1_macro": 0.5}
    ]
    assert len(workspace.table("name = nobody")) == 0
    with pytest.raises(InputError, match="--columns"):
        workspace.table(columns="loss")


def test_a_table_is_a_data_frame_with_times(workspace: wh.Workspace) -> None:
    frame = workspace.table(sort="started_at").to_pandas()
    assert list(frame["title"]) == ["uncommon title", "another"]
    assert str(frame["started_at"].dtype).startswith("datetime64[")
    assert (frame["ended_at"] >= frame["started_at"]).all()
    assert (frame["duration_s"] >= 0).all()
    assert frame["metrics.val/f1_macro"].isna().tolist() == [False, True]
    assert len(workspace.table("name = nobody").to_pandas()) == 0


def test_a_missing_pandas_is_named(workspace: wh.Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match="pandas"):
        workspace.table().to_pandas()


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(workspace: wh.Workspace, limit: int) -> None:
    with pytest.raises(InputError, match="limit"):
        workspace.summaries(limit=limit)


def test_a_run_that_goes_on_is_found_by_what_it_logged_just_now(workspace: wh.Workspace) -> None:
    with wh.start_run("goes on", workspace=workspace) as run:
        for value in (0.1, 0.9, 0.4):
            run.log_metric("loss", value)
            (found,) = workspace.summaries(f"metrics.loss = {value} and status = running")
            assert found["metrics"] == {"loss": value}
        run.set_tag("phase", "late")
        assert workspace.runs("tags.phase = late")[0].id == run.id
        assert workspace.summaries("duration_s exists and ended_at = none")[0]["id"] == run.id
    assert workspace.summaries("metrics.loss = 0.4 and status = finished and duration_s > 0")
    assert workspace.count_by_status() == {"failed": 1, "finished": 2}


TRAIN = """
import sys
import whence as wh
run = wh.start_run("elsewhere", workspace=sys.argv[1])
run.log_metric("loss", 0.25)
print(flush=True)
sys.stdin.read(1)
"""


def test_a_run_of_another_process_is_running_and_lost_once_it_was_killed(workspace: wh.Workspace) -> None:
    program = [sys.executable, "-c", TRAIN, str(workspace.path)]
    environment = {"PYTHONPATH": str(SOURCE), "PATH": "", "WHENCE_KEYS": os.environ["WHENCE_KEYS"]}
    with subprocess.Popen(program, stdin=-1, stdout=-1, env=environment) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert [run["title"] for run in workspace.summaries("status = running")] == ["elsewhere"]
        assert workspace.summaries("metrics.loss = 0.25", limit=1)[0]["status"] == "running"
        process.kill()
    assert workspace.summaries("status = running") == []
    (lost,) = workspace.summaries("status = lost")
    assert (lost["title"], lost["metrics"]) == ("elsewhere", {"loss": 0.25})
    assert workspace.summaries(limit=1) == [lost]


def test_a_workspace_that_cannot_be_written_is_asked_in_memory(workspace: wh.Workspace) -> None:
    expected = workspace.summaries("title = another")
    copy = workspace.path.with_name("copy")
    shutil.copytree(workspace.path, copy, ignore=shutil.ignore_patterns("catalog.sqlite"))
    (copy / "catalog.sqlite").mkdir()  # as good as a folder that is read-only, also for root
    read_only = wh.open(copy)
    assert read_only.summaries("title = another") == expected
    assert len(read_only.search("moon")) == 1
    assert read_only.rebuild() == 2
