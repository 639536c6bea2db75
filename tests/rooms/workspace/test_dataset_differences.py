"""Two dataset versions: which rows differ, from which source rows, by which operation; and what leaks."""

from __future__ import annotations

import pathlib
import shutil
from typing import Any

import pytest

import whence as wh
from whence.errors import DamagedError, InputError, NotFoundError
from whence.query import Cause, RunDiff
from whence.workspace import DatasetDiff

PENGUINS = pathlib.Path(__file__).parents[2] / "data" / "penguins.csv"


def is_weighed(bird: dict[str, Any]) -> bool:
    return bird["body_mass_g"] is not None


def is_heavy(bird: dict[str, Any]) -> bool:
    return bool(bird["body_mass_g"] > 3000)


def as_it_is(bird: dict[str, Any]) -> dict[str, Any]:
    return bird


def with_sex(bird: dict[str, Any]) -> dict[str, Any]:
    return {**bird, "sex": bird["sex"] or "female"}


def twice(bird: dict[str, Any]) -> list[dict[str, Any]]:
    return [bird, {**bird, "year": 0}]


@pytest.fixture
def workspace(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> wh.Workspace:
    monkeypatch.setenv("WHENCE_HOME", str(tmp_path / "home"))
    return wh.open()


@pytest.fixture
def table(tmp_path: pathlib.Path) -> pathlib.Path:
    return pathlib.Path(shutil.copy(PENGUINS, tmp_path / "birds.csv"))


def birds(path: pathlib.Path = PENGUINS) -> wh.Stream:
    return wh.from_csv(path, missing=("", "NA")).filter(is_weighed, reason="not weighed")


def compared(workspace: wh.Workspace, before: str, after: str | None = None, **options: Any) -> DatasetDiff:
    found = workspace.diff(before, after, **options)
    assert isinstance(found, DatasetDiff)
    return found


def causes(found: DatasetDiff) -> list[Cause]:
    return [found.cause(row) for row in found.rows]


def test_one_corrected_label_is_named_with_its_row_column_and_file(
    workspace: wh.Workspace, table: pathlib.Path
) -> None:
    birds(table).save("birds")
    lines = table.read_text().splitlines()
    number = next(place for place, line in enumerate(lines) if place > 10 and ",female" in line)
    lines[number] = lines[number].replace("female", "male")
    table.write_text("\n".join(lines) + "\n")
    birds(table).save("birds")
    found = compared(workspace, "birds@1", "birds@2")
    (row,) = found.rows
    assert (row.kind, row.row_a, row.columns) == ("changed", row.row_b, ["sex"])
    assert (row.before, row.after) == ({"sex": "female"}, {"sex": "male"})
    why = found.cause(row)
    assert [(each.path, each.row) for each in why.origins_b] == [(str(table), number - 1)]
    assert [(change.name, change.how) for change in why.sources] == [(str(table), "changed")]
    assert (why.ops, why.fates, why.unknown) == ([], [], [])


def test_rows_that_an_operation_drops_or_makes_anew_are_told_with_it(workspace: wh.Workspace) -> None:
    birds().map(as_it_is).save("birds")
    birds().map(with_sex).filter(is_heavy, reason="too light").save("birds")
    found = compared(workspace, "birds")
    assert (found.before, found.after) == ("birds@1", "birds@2")
    assert (found.added, found.removed, found.changed, found.moved, found.same) == (0, 11, 8, 0, False)
    assert found.changed_by_column == {"sex": 8}
    for row, why in zip(found.rows, causes(found), strict=True):
        (origin,) = why.origins_a
        assert origin.row == workspace.dataset("birds@1").trace(row.row_a or 0).origins[0].row
        assert {op.op for op in why.ops} == {"with_sex", "is_heavy"}
        fates = [(fate.op, fate.reason) for fate in why.fates]
        assert fates == ([("is_heavy", "too light")] if row.kind == "removed" else [])
    back = compared(workspace, "birds@2", "birds@1")
    assert (back.added, back.removed, back.changed) == (11, 0, 8)
    added = next(why for row, why in zip(back.rows, causes(back), strict=True) if row.kind == "added")
    assert [fate.op for fate in added.fates] == ["is_heavy"]


def test_causes_are_found_through_the_versions_that_were_read(workspace: wh.Workspace) -> None:
    birds().map(as_it_is).save("birds")
    birds().map(with_sex).save("birds")
    for reference in ("birds@1", "birds@2"):
        wh.from_dataset(reference).filter(is_heavy).save("heavy")
    found = compared(workspace, "heavy@1", "heavy@2")
    assert (found.added, found.removed, found.changed) == (0, 0, 8)
    for why in causes(found):
        assert [each.source for each in why.origins_a] == ["penguins"]
        assert [op.op for op in why.ops] == ["with_sex"]


def test_a_row_of_a_file_that_is_gone_is_said_to_be(workspace: wh.Workspace, tmp_path: pathlib.Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.txt").write_text(f"letter {name}\n")

    def read(file: Any) -> dict[str, Any]:
        return {"text": file.read().decode()}

    wh.from_files(str(tmp_path / "*.txt")).map(read).save("letters")
    (tmp_path / "b.txt").unlink()
    wh.from_files(str(tmp_path / "*.txt")).map(read).save("letters")
    found = compared(workspace, "letters")
    ((row, why),) = zip(found.rows, causes(found), strict=True)
    assert (row.kind, row.row_a, row.before) == ("removed", 1, {"text": "letter b\n"})
    assert [fate.reason for fate in why.fates] == [f"{tmp_path / 'b.txt'} isn't in what was read"]


def test_the_json_is_that_of_the_design_and_the_limit_bounds_rows_only(workspace: wh.Workspace) -> None:
    wh.from_items([{"id": n, "x": n} for n in range(50)]).save("numbers")
    wh.from_items([{"id": n, "x": -n} for n in range(60)]).save("numbers")
    said = compared(workspace, "numbers@1", key="id").to_json(limit=2)
    assert said["rows"] == [
        {"kind": "changed", "row_a": n, "row_b": n, "columns": ["x"], "before": {"id": n, "x": n},
         "after": {"id": n, "x": -n}} for n in (1, 2)
    ]  # fmt: skip
    assert [said[name] for name in ("schema", "added", "removed", "changed", "moved")] == [[], 10, 0, 49, 0]
    assert compared(workspace, "numbers@1").to_json(limit=0)["rows"] == []


def test_a_name_that_is_a_runs_is_a_run_and_mixed_kinds_are_refused(workspace: wh.Workspace) -> None:
    birds().save("birds")
    birds().map(with_sex).save("birds")
    runs = workspace.runs()
    assert isinstance(workspace.diff(runs[1].name, runs[0].name), RunDiff)
    assert compared(workspace, "birds@1", workspace.dataset("birds@1").reference).same
    with pytest.raises(NotFoundError, match="no run 'bird'"):
        workspace.diff("bird")
    with pytest.raises(InputError, match="runs have no rows"):
        workspace.diff(runs[0].name, key="id")
    with pytest.raises(InputError, match="is no dataset version"):
        workspace.diff("birds@1", runs[0])
    with pytest.raises(InputError, match="of two kinds"):
        workspace.diff(runs[0].name, workspace.dataset("birds"))
    with pytest.raises(InputError, match="the key species names 339 rows of birds@1"):
        workspace.diff("birds@1", "birds@2", key="species")


def test_a_damaged_chunk_is_named(workspace: wh.Workspace) -> None:
    birds().save("birds")
    birds().map(with_sex).save("birds")
    paths = sorted(workspace.path.glob("objects/*/*"), key=lambda path: path.stat().st_mtime_ns)
    data = paths[-1].read_bytes()
    paths[-1].write_bytes(data[:200] + bytes([data[200] ^ 1]) + data[201:])
    with pytest.raises(DamagedError, match="birds@"):
        workspace.diff("birds@1", "birds@2")


def test_splits_of_one_stream_are_shown_to_be_apart(workspace: wh.Workspace) -> None:
    for name, part in birds().split({"train": 0.8, "test": 0.2}, seed=1).items():
        part.save(name)
    found = workspace.leaks("train", "test")
    assert (found.holds, found.gaps, {leak.kind: leak.rows_a for leak in found.found}) == (
        True, [], {"source": 0, "content": 0},
    )  # fmt: skip
    by = workspace.leaks("train", "test", by=["island", "sex"])
    rows = {name: wh.from_dataset(name).collect() for name in ("train", "test")}
    seen = {name: {(row["island"], row["sex"]) for row in each if row["sex"]} for name, each in rows.items()}
    shared = seen["train"] & seen["test"]
    (column,) = (leak for leak in by.found if leak.kind == "column")
    assert not by.holds
    assert [column.rows_a, column.rows_b] == [
        sum((row["island"], row["sex"]) in shared for row in rows[name]) for name in ("train", "test")
    ]
    assert {rows["train"][each["row_a"]]["sex"] for each in column.examples} == {"male", "female"}


def test_rows_made_of_one_source_row_leak_through_versions_and_operations(workspace: wh.Workspace) -> None:
    birds().flat_map(twice).save("both")
    for name, part in wh.from_dataset("both").split({"train": 0.5, "test": 0.5}, seed=3).items():
        part.shuffle(seed=2).save(name)
    found = workspace.leaks("train", "test")
    both = workspace.dataset("both")

    def source_rows(name: str) -> list[int]:
        version = workspace.dataset(name)
        rows = [version.trace(row).origins[0].row for row in range(len(version))]
        return [both.trace(row).origins[0].row for row in rows]

    behind = {name: source_rows(name) for name in ("train", "test")}
    shared = set(behind["train"]) & set(behind["test"])
    leak = found.found[0]
    assert (leak.kind, found.holds, found.gaps) == ("source", False, [])
    assert [leak.rows_a, leak.rows_b] == [sum(row in shared for row in behind[name]) for name in behind]
    for example in leak.examples:
        row = example["origin"]["row"]
        assert (behind["train"][example["row_a"]], behind["test"][example["row_b"]]) == (row, row)


def test_the_same_rows_from_elsewhere_leak_by_what_they_say(workspace: wh.Workspace) -> None:
    wh.from_items([{"n": n} for n in range(10)]).save("a")
    wh.from_items([{"n": n} for n in range(8, 20)]).save("b")
    found = workspace.leaks("a", "b")
    assert [(leak.kind, leak.rows_a, leak.rows_b) for leak in found.found] == [
        ("source", 0, 0), ("content", 2, 2),
    ]  # fmt: skip
    assert found.found[1].examples == [{"row_a": 8, "row_b": 0}, {"row_a": 9, "row_b": 1}]
    with pytest.raises(InputError, match="a@1 has no column 'patient'"):
        workspace.leaks("a", "b", by="patient")
