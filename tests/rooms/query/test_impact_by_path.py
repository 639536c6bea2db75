"""Impact asks by path: as recorded, longer, shorter, moved; and never guesses between two files."""

from __future__ import annotations

import os
import pathlib

import pytest

import whence as wh
from whence.errors import InputError
from whence.store import decode_content, scan_frames


@pytest.fixture
def data(tmp_path: pathlib.Path) -> pathlib.Path:
    for folder in ("train", "test"):
        (tmp_path / "data" / folder).mkdir(parents=True)
        for number in range(3):
            (tmp_path / "data" / folder / f"{number}.txt").write_text(str(number))
    return tmp_path / "data"


@pytest.fixture
def workspace(tmp_path: pathlib.Path, data: pathlib.Path) -> wh.Workspace:
    with wh.start_run("t", workspace=tmp_path):
        wh.from_files(data).map(lambda file: int(file.read())).collect()
    return wh.open(tmp_path)


def places(impact: wh.Impact) -> list[int]:
    return [exposure.item for exposure in impact.exposures]


@pytest.mark.parametrize(
    "form", ["{data}/train/1.txt", "train/1.txt", "data/train/1.txt", "{data}/./test/../train/1.txt"]
)
def test_a_path_as_recorded_longer_or_shorter_means_the_file(
    workspace: wh.Workspace, data: pathlib.Path, form: str
) -> None:
    impact = workspace.impact(form.format(data=data))
    assert (impact.count, places(impact), impact.absent) == (1, [4], False)
    assert impact.origins[0].path == str(data / "train" / "1.txt")


def test_a_path_object_and_a_relative_path_mean_the_file(
    workspace: wh.Workspace, data: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert places(workspace.impact(data / "test" / "2.txt")) == [2]
    monkeypatch.chdir(data / "test")
    assert places(workspace.impact("./2.txt")) == [2]


def test_a_folder_that_was_moved_is_asked_for_by_what_did_not_change(
    workspace: wh.Workspace, data: pathlib.Path
) -> None:
    data.rename(data.with_name("moved"))
    assert places(workspace.impact("train/0.txt")) == [3]
    assert workspace.impact(data.with_name("moved") / "train" / "0.txt").count == 0


def test_a_name_that_fits_several_files_is_not_guessed(workspace: wh.Workspace) -> None:
    with pytest.raises(InputError, match="fits 2 files") as caught:
        workspace.impact("1.txt")
    assert "test/1.txt" in caught.value.message
    assert "more of the path" in caught.value.remedy


@pytest.mark.parametrize("name", ["9.txt", "train/9.txt", "ain/1.txt", "train", "1.tx", "/1.txt", ""])
def test_what_fits_no_file_is_absent(workspace: wh.Workspace, name: str) -> None:
    impact = workspace.impact(name)
    assert (impact.count, impact.absent, impact.origins) == (0, True, [])


def test_a_source_is_asked_for_by_name_and_by_row(workspace: wh.Workspace) -> None:
    assert workspace.impact("data").count == 6
    assert places(workspace.impact("data", rows=[5, 0])) == [0, 5]
    assert places(workspace.impact("data:4")) == [4]
    assert workspace.impact("data:99").count == 0
    assert workspace.impact("data", rows=[]).count == 0


def test_rows_of_a_file_are_counted_from_its_own_beginning(tmp_path: pathlib.Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text("".join(f"{name}{number}\n" for number in range(3)))
    with wh.start_run("t", workspace=tmp_path):
        wh.from_text([tmp_path / "a.txt", tmp_path / "b.txt"], name="lines").collect()
    workspace = wh.open(tmp_path)
    assert places(workspace.impact("b.txt")) == [3, 4, 5]
    assert places(workspace.impact("b.txt", rows=[1])) == [4]
    assert places(workspace.impact("b.txt:2")) == [5]
    assert workspace.impact("b.txt", rows=[3]).count == 0


def test_a_file_name_with_a_colon_and_number_is_a_file_first(tmp_path: pathlib.Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("x", "x:1"):
        (tmp_path / "in" / name).write_text("0")
    with wh.start_run("t", workspace=tmp_path):
        wh.from_files(tmp_path / "in").collect()
    assert places(wh.open(tmp_path).impact("x:1")) == [1]


def test_a_file_with_a_name_that_unicode_lacks_is_found(tmp_path: pathlib.Path) -> None:
    (tmp_path / "in").mkdir()
    path = os.fsdecode(os.fsencode(tmp_path / "in") + b"/a\xff.txt")
    pathlib.Path(path).write_text("0")
    with wh.start_run("t", workspace=tmp_path) as run:
        wh.from_files([path]).map(fails, on_error="quarantine").collect()
    impact = wh.open(tmp_path).impact(path)
    assert [drop.detail for drop in impact.drops] == [f"ValueError: {path}"]
    assert run.sources[0].paths == ["a\udcff.txt"]


def fails(file: os.PathLike[str]) -> None:
    raise ValueError(str(file.path))  # type: ignore[attr-defined]


def test_impact_goes_over_all_runs_newest_first(tmp_path: pathlib.Path, data: pathlib.Path) -> None:
    runs = []
    for _ in range(2):
        with wh.start_run("t", workspace=tmp_path) as run:
            wh.from_files(data).collect()
            run.log_model("m", b"x")
        runs.append(run.name)
    impact = wh.open(tmp_path).impact(data / "train" / "1.txt")
    assert impact.runs == runs[::-1]
    assert impact.models == ["m"]
    assert impact.count == 2


# what isn't known is said to be, and then nothing is absent


def test_a_run_with_the_record_off_leaves_nothing_absent(tmp_path: pathlib.Path, data: pathlib.Path) -> None:
    with wh.start_run("t", workspace=tmp_path), wh.config(record="off"):
        wh.from_files(data).collect()
    impact = wh.open(tmp_path).impact(data / "train" / "1.txt")
    assert (impact.count, impact.absent) == (0, False)
    assert "record off" in impact.gaps[0]


def test_a_damaged_run_leaves_nothing_absent(workspace: wh.Workspace) -> None:
    path = workspace.run().record.journal.path / "journal"
    data = bytearray(path.read_bytes())
    data[60] ^= 1
    path.write_bytes(data)
    impact = workspace.impact("nothing")
    assert not impact.absent
    assert "damaged" in impact.gaps[0]


def test_a_damaged_segment_leaves_nothing_absent(workspace: wh.Workspace) -> None:
    path = workspace.run().record.journal.path / "segments" / "lineage"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    impact = workspace.impact("train/1.txt")
    assert not impact.absent


def test_a_run_that_can_not_be_read_leaves_nothing_absent(workspace: wh.Workspace) -> None:
    path = workspace.run().record.journal.path / "journal"
    data = bytearray(path.read_bytes())
    data[7] = 99
    path.write_bytes(data)
    impact = workspace.impact("nothing")
    assert not impact.absent
    assert "format 99" in impact.gaps[0]


@pytest.mark.parametrize("kind", ["source", "stream"])
def test_a_destroyed_source_or_stream_leaves_nothing_absent(workspace: wh.Workspace, kind: str) -> None:
    journal = workspace.run().record.journal
    path = journal.path / "payloads"
    data, frames = path.read_bytes(), scan_frames(path).frames
    (event,) = journal.find(kind)
    ends = [*[frame.offset for frame in frames[1:]], len(data)]
    kept = [
        data[frame.offset : end]
        for frame, end in zip(frames, ends, strict=True)
        if frame.kind != 1 or decode_content(frame.payload)["n"] != event.number
    ]
    assert len(kept) == len(frames) - 1
    path.write_bytes(data[:16] + b"".join(kept))
    impact = workspace.impact("train/1.txt")
    assert not impact.absent
    assert impact.count == (kind == "stream")  # that it was delivered is kept apart from what was done to it
    assert any(f"what a {kind} was has been destroyed" in gap for gap in impact.gaps)


def test_all_bodies_destroyed_leave_nothing_absent(workspace: wh.Workspace) -> None:
    (workspace.run().record.journal.path / "payloads").unlink()
    assert not workspace.impact("nothing").absent


def test_a_process_forked_from_the_run_leaves_nothing_absent(
    tmp_path: pathlib.Path, data: pathlib.Path
) -> None:
    """What a child of the process reads is in no record; that it read is."""
    with wh.start_run("t", workspace=tmp_path):
        child = os.fork()
        if child == 0:
            wh.from_files(data).collect()
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    impact = wh.open(tmp_path).impact(data / "train" / "1.txt")
    assert (impact.count, impact.absent) == (0, False)
    assert wh.open(tmp_path).verify().holds
