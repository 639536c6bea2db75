"""Dataset versions: saved once, found by name, read as streams, followed back to source rows."""

from __future__ import annotations

import os
import pathlib
import random
import signal
import subprocess
import sys
from typing import Any

import pyarrow.parquet as pq
import pytest

import whence as wh
from whence.errors import DamagedError, InputError, NotFoundError, OpError, PlanError, PositionError

SOURCE = pathlib.Path(wh.__file__).parents[1]
PENGUINS = pathlib.Path(__file__).parents[2] / "data" / "penguins.csv"
COUNT = 342


def is_weighed(bird: dict[str, Any]) -> bool:
    return bird["body_mass_g"] is not None


def in_kilograms(bird: dict[str, Any]) -> dict[str, Any]:
    return {**bird, "body_mass_g": bird["body_mass_g"] / 1000}


def penguins() -> wh.Stream:
    return wh.from_csv(PENGUINS, missing=("", "NA")).filter(is_weighed, reason="not weighed")


@pytest.fixture
def workspace(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> wh.Workspace:
    monkeypatch.setenv("WHENCE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WHENCE_ACTOR", "Ada Lovelace")
    return wh.open()


def test_a_saved_stream_is_read_again_as_it_was(workspace: wh.Workspace) -> None:
    saved = penguins().save("penguins", message="weighed ones")
    assert (saved.reference, saved.rows, saved.is_new, saved.version) == ("penguins@1", COUNT, True, 1)
    found = workspace.dataset("penguins")
    assert (found.reference, found.digest, found.rows, found.message) == (
        saved.reference, saved.digest, COUNT, "weighed ones",
    )  # fmt: skip
    assert found.columns["body_mass_g"] == "int64"
    assert found.profile["sex"]["missing"] == 9
    wanted = penguins().collect()
    for reference in ("penguins", "penguins@1", "penguins@latest", f"penguins@{saved.digest}", saved.digest):
        assert wh.from_dataset(reference).collect() == wanted
    assert len(wh.from_dataset("penguins")) == COUNT
    assert wh.from_dataset("penguins").shuffle(seed=3).batch(10, collate=list).count() == 35


def test_the_same_rows_again_are_no_new_version(workspace: wh.Workspace) -> None:
    first = penguins().save("penguins")
    again = penguins().save("penguins")
    assert (again.reference, again.digest, again.is_new, again.new_bytes) == (
        first.reference, first.digest, False, 0,
    )  # fmt: skip
    other = penguins().map(in_kilograms).save("penguins")
    assert (other.reference, other.is_new) == ("penguins@2", True)
    back = penguins().save("penguins")
    assert (back.reference, back.digest, back.new_bytes) == ("penguins@3", first.digest, 0)
    assert [each.reference for each in workspace.datasets()] == ["penguins@1", "penguins@2", "penguins@3"]


def test_a_version_in_a_run_is_that_runs_and_outside_it_has_one_of_its_own(workspace: wh.Workspace) -> None:
    with wh.start_run("clean") as run:
        in_it = penguins().save("penguins")
        by_it = run.save(penguins().map(in_kilograms), "light", message="in kg")
    assert workspace.dataset(in_it.reference).run_name == run.name
    assert workspace.dataset(by_it.reference).run_name == run.name
    alone = penguins().take(3).save("few")
    assert workspace.dataset(alone.reference).run.title == "save few"
    assert [row["status"] for row in workspace.summaries()] == ["finished", "finished"]


def test_each_row_is_followed_back_and_a_model_trained_on_it_too(workspace: wh.Workspace) -> None:
    penguins().shuffle(seed=5).map(in_kilograms).save("light")
    saved = workspace.dataset("light")
    rows = wh.from_dataset("light").collect()
    birds = wh.from_csv(PENGUINS, missing=("", "NA")).collect()
    for row in (0, 17, COUNT - 1):
        (origin,) = saved.trace(row).origins
        assert in_kilograms(birds[origin.row]) == rows[row]
        assert [step.op for step in saved.trace(row).steps if step.kind in ("map", "filter")] == [
            "is_weighed", "in_kilograms",
        ]  # fmt: skip
    with wh.start_run("train") as run:
        for _ in wh.from_dataset("light@1").batch(32, collate=list).epoch(0):
            pass
    (origin,) = run.trace(epoch=0, batch=1, item=2).origins
    assert (origin.source, origin.row) == ("light@1", 34)
    assert run.replay(epoch=0, batch=1, item=2) == rows[34]
    assert workspace.impact("light@1", rows=[34]).count == 1
    for row in (-1, COUNT):
        with pytest.raises(PositionError, match="light@1, which has 342 rows"):
            saved.trace(row)


def test_aliases_are_the_datasets_own(workspace: wh.Workspace) -> None:
    penguins().save("birds")
    penguins().map(in_kilograms).save("birds")
    with wh.start_run("train") as run:
        run.log_model("birds", b"first")
        run.log_model("birds", b"second")
    workspace.dataset("birds@1").set_alias("champion", note="clean")
    workspace.model("birds@2").set_alias("champion")
    assert workspace.dataset("birds@champion").version == 1
    assert workspace.model("birds@champion").version == 2
    assert workspace.dataset("birds@1").aliases == ["champion"]
    assert workspace.dataset("birds@2").aliases == []
    assert wh.from_dataset("birds@champion").count() == COUNT
    (note,) = workspace.dataset("birds@1").history
    assert (note.kind, note.value, note.who, note.why) == ("alias", "champion", "Ada Lovelace", "clean")


def test_what_is_recorded_of_it_is_in_the_ledger_and_verified(workspace: wh.Workspace) -> None:
    penguins().save("penguins")
    verdict = workspace.verify()
    assert (verdict.findings, verdict.checked["objects"]) == ([], 1)
    assert workspace.prove("penguins@1").startswith(b"c2sp.org/tlog-proof@v1\n")
    assert workspace.ledger.find("penguins").kind == "dataset"
    (path,) = (path for path in (workspace.path / "objects").rglob("*") if path.is_file())
    data = path.read_bytes()
    path.write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])
    assert not workspace.verify().holds
    with pytest.raises(DamagedError, match="penguins@1, rows 0 to 341"):
        wh.from_dataset("penguins").collect()
    path.unlink()
    with pytest.raises(NotFoundError, match="penguins@1, rows 0 to 341"):
        wh.from_dataset("penguins").collect()


def test_its_files_are_parquet_that_anybody_reads(workspace: wh.Workspace, tmp_path: pathlib.Path) -> None:
    penguins().save("penguins")
    target = workspace.dataset("penguins").save_to(tmp_path / "out")
    assert [path.name for path in target.iterdir()] == ["part-00000.parquet"]
    assert pq.read_table(target).to_pylist() == penguins().collect()
    with pytest.raises(InputError, match="is there already"):
        workspace.dataset("penguins").save_to(tmp_path / "out")


@pytest.mark.parametrize("name", ["", "a/b", "a@b", " a", "x" * 300, 3])
def test_a_name_that_is_none_is_refused_before_anything_is_read(workspace: wh.Workspace, name: Any) -> None:
    def never(sample: Any) -> Any:
        raise AssertionError

    with pytest.raises(PlanError, match="save"):
        wh.from_items([1]).map(never).save(name)
    assert workspace.summaries() == []


def test_samples_without_fields_and_fields_that_change_are_refused(workspace: wh.Workspace) -> None:
    with pytest.raises(OpError, match="only dicts have columns"):
        wh.from_items([1, 2]).save("numbers")
    with pytest.raises(OpError, match="up to row 16384, and string from there on"):
        wh.from_items([{"x": number if number < 16_384 else str(number)} for number in range(20_000)]).save(
            "x"
        )
    with wh.start_run("train") as run, pytest.raises(PlanError, match="wanted a stream, got list"):
        run.save([1], "numbers")  # type: ignore[arg-type]
    assert workspace.datasets() == []


@pytest.mark.parametrize(
    "reference", ["letters", "penguins@9", "penguins@champion", "penguins@sha256:00000000"]
)
def test_what_isnt_there_is_said_with_what_is(workspace: wh.Workspace, reference: str) -> None:
    penguins().save("penguins")
    with pytest.raises(NotFoundError, match="dataset") as caught:
        wh.from_dataset(reference)
    assert caught.value.remedy


def test_secrets_in_a_column_of_secrets_are_not_in_the_profile(workspace: wh.Workspace) -> None:
    rows = [{"password": f"hunter{number}", "n": number} for number in range(5)]
    wh.from_items(rows).save("users")
    assert "hunter" not in str(workspace.dataset("users").profile)
    assert wh.from_dataset("users").collect() == rows, "what is saved is saved"


KILLED = """
import os, sys
import whence as wh
rows = [{"n": number, "text": f"{sys.argv[1]} {number * 7919}"} for number in range(60_000)]
os.write(1, b"now")
wh.from_items(rows).save("numbers")
os.write(1, b"saved")
"""


def test_a_save_that_is_killed_leaves_the_old_version_or_the_new_one(workspace: wh.Workspace) -> None:
    rows = [{"n": number, "text": f"first {number * 7919}"} for number in range(60_000)]
    before = wh.from_items(rows).save("numbers")
    chance = random.Random(7)
    command = [sys.executable, "-c", KILLED]
    saved = 1
    for number in range(4):
        environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
        process = subprocess.Popen([*command, str(number)], stdout=subprocess.PIPE, env=environment)
        assert process.stdout is not None
        assert process.stdout.read(3) == b"now"
        try:
            process.wait(timeout=chance.uniform(0, 1))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        said = process.stdout.read()
        process.wait()
        process.stdout.close()
        found = workspace.datasets("numbers")
        assert len(found) - saved in ((1,) if said == b"saved" else (0, 1))
        saved = len(found)
        newest = wh.from_dataset("numbers").collect()
        assert {row["text"].partition(" ")[0] for row in newest} in ({"first"}, *({str(n)} for n in range(4)))
        assert len(newest) == 60_000
    assert wh.from_dataset("numbers@1").collect() == rows
    assert workspace.dataset("numbers@1").digest == before.digest
    assert workspace.verify().findings == []


def test_four_savers_of_one_name_get_a_number_each(workspace: wh.Workspace) -> None:
    code = "import sys, whence as wh\nprint(wh.from_items([{'n': int(sys.argv[1])}]).save('numbers').version)"
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(n)], stdout=subprocess.PIPE, env=environment, text=True
        )
        for n in range(4)
    ]
    numbers = [int(process.communicate()[0]) for process in processes]
    assert sorted(numbers) == list(range(1, 5))
    for value, number in enumerate(numbers):
        assert wh.from_dataset(f"numbers@{number}").collect() == [{"n": value}]
