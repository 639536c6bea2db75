"""Replay from the command line: one sample, many, kept in a file, moved, changed."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import pytest
from PIL import Image

from tests.rooms.cli.commands import Place, make_place, whence
from whence.cli.keeping import as_grey_levels, keep_sample
from whence.errors import InputError


def test_a_sample_is_made_again_and_compared(place: Place) -> None:
    address = f"{place.names[0]}@1:1.2"
    value = place.ask("replay", address, "--json").value
    assert {"address", "equal", "digest", "recorded", "differences"} <= set(value)
    assert value["equal"] is True
    assert value["digest"] == value["recorded"]
    done = place.ask("replay", address)
    assert (done.code, done.err) == (0, "")
    assert "equal to what was delivered" in done.out


def test_random_samples_of_all_passes_are_equal(place: Place) -> None:
    done = place.ask("replay", place.names[0], "--sample", "20", "--verify", "--seed", "5", "--json")
    assert done.code == 0
    value = done.value
    assert (value["run"], value["checked"], value["equal"], value["differing"]) == (
        place.names[0],
        20,
        20,
        [],
    )
    text = place.ask("replay", place.names[0], "--verify").out
    assert "50 of 50 equal" in text  # all there are


def test_a_whole_pass_and_a_part_of_one_are_made_again(place: Place) -> None:
    name = place.names[0]
    whole = place.ask("replay", f"{name}@1", "--json").value
    assert (whole["checked"], whole["equal"], whole["asked"]) == (4, 4, f"{name}@1:0 to {name}@1:3")
    some = place.ask("replay", f"{name}@0:1-2", "--json").value
    assert (some["checked"], some["equal"]) == (2, 2)
    assert f"{name}@0:1 to {name}@0:2" in place.ask("replay", f"{name}@0:1-2").out
    assert place.ask("replay", f"{name}@0:3-1").code == 2
    assert place.ask("replay", f"{name}@0:90-99").code == 3
    assert place.ask("replay", f"{name}@9").code == 3
    assert place.ask("replay", f"{name}@0", "--out", "x.json").code == 2


def test_a_changed_file_is_named(own_place: Place) -> None:
    for path in (own_place.folder / "data").iterdir():
        path.write_text(str((int(path.read_text()) + 2) % 50))
    address = f"{own_place.names[0]}@0:0.0"
    path = own_place.whence("trace", address, "--json").value["origins"][0]["path"]
    done = own_place.whence("replay", address)
    assert done.code == 1
    assert f"{path} isn't the file that was read" in done.out
    many = own_place.whence("replay", own_place.names[0], "--sample", "5", "--verify", "--json")
    assert many.code == 1
    assert len(many.value["differing"]) == 5


def test_changed_code_is_named(own_place: Place) -> None:
    script = own_place.folder / "train.py"
    script.write_text(script.read_text().replace("value / 100", "value / 99"))
    done = own_place.whence("replay", f"{own_place.names[0]}@0:0.0", "--json")
    assert done.code == 1
    assert done.value["equal"] is False
    assert {difference["cause"] for difference in done.value["differences"]} == {"code"}


def test_files_that_moved_are_found_by_their_root(tmp_path: pathlib.Path) -> None:
    (tmp_path / "project").mkdir()
    moved = make_place(tmp_path / "project")
    (moved.folder / "data").rename(tmp_path / "moved")
    address = f"{moved.names[0]}@0:0.0"
    lost = moved.whence("replay", address)
    assert lost.code == 1
    assert lost.err.startswith("whence: ")
    assert "--root digits=FOLDER" in lost.err
    assert moved.whence("trace", address).code == 0
    found = moved.whence("replay", address, "--root", f"digits={tmp_path / 'moved'}")
    assert found.code == 0


def test_what_a_function_prints_stays_out_of_the_answer(own_place: Place) -> None:
    script = own_place.folder / "train.py"
    script.write_text(
        script.read_text().replace("    value = int(", '    print("loading")\n    value = int(')
    )
    done = own_place.whence("replay", f"{own_place.names[0]}@0:0.0", "--json")
    assert done.value["equal"] is True
    assert "loading" in done.err


def test_samples_are_kept_in_files(place: Place, tmp_path: pathlib.Path) -> None:
    address = f"{place.names[0]}@1:1.2"
    for suffix in (".npy", ".npz", ".png", ".json"):
        done = place.ask("replay", address, "--out", str(tmp_path / f"sample{suffix}"))
        assert done.code == 0, done.err
    array = np.load(tmp_path / "sample.npy")
    with np.load(tmp_path / "sample.npz") as held:
        assert set(held) == {"v", "x"}
        np.testing.assert_array_equal(held["x"], array)
    kept = json.loads((tmp_path / "sample.json").read_text())
    np.testing.assert_array_equal(np.array(kept["x"], np.float32), array)
    with Image.open(tmp_path / "sample.png") as image:
        assert image.size == (6, 4)
        np.testing.assert_array_equal(np.asarray(image), as_grey_levels(array))


@pytest.mark.parametrize("name", ["sample.xyz", "sample"])
def test_an_unknown_suffix_is_refused_before_the_work(
    place: Place, tmp_path: pathlib.Path, name: str
) -> None:
    done = place.ask("replay", f"{place.names[0]}@0:0.0", "--out", str(tmp_path / name))
    assert done.code == 2
    assert ".npy" in done.err


def test_a_run_without_sample_is_not_an_address(place: Place) -> None:
    done = place.ask("replay", place.names[0])
    assert done.code == 2
    assert "RUN@EPOCH" in done.err


def test_a_run_that_delivered_nothing_has_no_samples(place: Place) -> None:
    assert place.ask("replay", place.names[2], "--verify").code == 3


def test_one_cause_of_all_failures_is_said_once(place: Place) -> None:
    done = place.ask("replay", place.names[0], "--sample", "9", "--root", "digits=/nowhere/at/all")
    assert done.code == 1
    assert done.err.count("whence:") == 1


def test_grey_levels_keep_their_meaning() -> None:
    assert as_grey_levels(np.array([[0.0, 0.5, 1.0]])).tolist() == [[0, 128, 255]]
    assert as_grey_levels(np.array([[-1.0, 0.0, 1.0]])).tolist() == [[0, 128, 255]]
    assert as_grey_levels(np.array([[False, True]])).tolist() == [[0, 255]]
    assert as_grey_levels(np.array([[7, 9]], np.uint8)).tolist() == [[7, 9]]
    assert as_grey_levels(np.array([[100, 300]])).tolist() == [[0, 255]]
    assert as_grey_levels(np.array([[np.nan, 1.0]])).tolist() == [[0, 255]]
    assert as_grey_levels(np.array([[3.0, 3.0]])).tolist() == [[0, 0]]


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 1), (5, 4, 3), (5, 4, 4)])
def test_pictures_have_the_shape_of_their_array(tmp_path: pathlib.Path, shape: tuple[int, ...]) -> None:
    keep_sample({"pixels": np.zeros(shape), "label": 3}, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (4, 5)


def test_channels_may_come_first(tmp_path: pathlib.Path) -> None:
    keep_sample(np.zeros((3, 5, 7)), tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert (image.size, image.mode) == ((7, 5), "RGB")


@pytest.mark.parametrize(
    ("sample", "name", "field"),
    [
        ({"a": np.zeros(3), "b": np.zeros(3)}, "a.npy", None),
        ({"a": np.zeros(3)}, "a.npy", "b"),
        ({"a": np.zeros(3)}, "a.png", None),
        ({"a": np.zeros((2, 2, 2))}, "a.png", None),
        ({"a": object()}, "a.npz", None),
        (object(), "a.npy", None),
        ("text", "no/such/folder/a.json", None),
    ],
)
def test_what_a_file_cannot_hold_is_refused(
    tmp_path: pathlib.Path, sample: object, name: str, field: str | None
) -> None:
    with pytest.raises(InputError):
        keep_sample(sample, tmp_path / name, field=field)


def test_bytes_are_kept_as_base64(tmp_path: pathlib.Path) -> None:
    keep_sample({"raw": b"\x00\xff", "many": (1, float("nan"))}, tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text()) == {"raw": "AP8=", "many": [1, None]}


def test_a_sample_is_made_again_from_any_folder(place: Place, tmp_path: pathlib.Path) -> None:
    arguments = ["replay", f"{place.names[0]}@0:0.0", "-w", str(place.folder), "--out", "kept.npy"]
    done = whence(*arguments, cwd=tmp_path)
    assert done.code == 0, done.err
    assert (tmp_path / "kept.npy").exists()


def test_a_run_is_at_home_where_its_files_are(own_place: Place, tmp_path: pathlib.Path) -> None:
    (own_place.folder / "data").rename(tmp_path / "data")
    (own_place.folder / "train.py").rename(tmp_path / "train.py")
    arguments = ["replay", own_place.names[0], "--sample", "4", "--verify"]
    assert whence(*arguments, "-w", str(own_place.folder), cwd=tmp_path).code == 0
