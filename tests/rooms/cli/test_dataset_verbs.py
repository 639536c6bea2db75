"""Dataset versions on the command line: listed, shown, copied out."""

from __future__ import annotations

import pathlib

import pytest

import whence as wh
from tests.rooms.cli.commands import ask


@pytest.fixture
def place(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.setenv("WHENCE_HOME", str(tmp_path))
    rows = [{"n": number, "kind": "abc"[number % 3], "part": number / 7} for number in range(100)]
    wh.from_items(rows).save("numbers", message="as they came")
    wh.from_items(rows).take(50).save("numbers")
    wh.from_items(rows).save("others")
    wh.open().dataset("numbers@1").set_alias("champion")
    with wh.start_run("train") as run:
        run.log_model("others", b"weights")
    return tmp_path


def test_datasets_are_listed_newest_first(place: pathlib.Path) -> None:
    done = ask("datasets", cwd=place)
    assert [line.split()[0] for line in done.out.splitlines()[1:]] == ["numbers@2", "others@1"]
    value = ask("datasets", "numbers", "--json", cwd=place).value
    assert [
        (each["version"], each["aliases"], each["rows"], each["message"]) for each in value["datasets"]
    ] == [
        (2, [], 50, ""),
        (1, ["champion"], 100, "as they came"),
    ]
    assert set(value["datasets"][0]) == {
        "name", "version", "reference", "aliases", "rows", "bytes", "format", "message", "digest", "saved_at",
        "run",
    }  # fmt: skip
    assert ask("datasets", "letters", cwd=place).code == 3


def test_an_empty_workspace_has_no_datasets(tmp_path: pathlib.Path) -> None:
    done = ask("datasets", cwd=tmp_path)
    assert (done.code, "stream.save" in done.out) == (0, True)
    assert ask("datasets", "--json", cwd=tmp_path).value == {"datasets": []}
    assert not (tmp_path / ".whence").exists()


def test_a_version_is_shown_column_by_column(place: pathlib.Path) -> None:
    done = ask("show", "numbers@champion", cwd=place)
    assert done.code == 0
    lines = {line.split()[0]: line for line in done.out.splitlines() if line.strip()}
    assert lines["numbers@1"].split()[1:] == ["of", "2", "versions"]
    assert "int64" in lines["n"]
    assert "a 34, b 33, c 33" in lines["kind"]
    value = ask("show", "numbers", "--json", cwd=place).value
    assert (value["kind"], value["reference"], value["columns"]) == (
        "dataset", "numbers@2", {"n": "int64", "kind": "string", "part": "double"},
    )  # fmt: skip
    assert value["profile"]["n"]["greatest"] == 49
    assert ask("show", "others@1", "--json", cwd=place).value["kind"] == "model", "a model comes first"
    assert ask("show", "numbers@9", cwd=place).code == 3


def test_a_version_is_copied_out_as_parquet(place: pathlib.Path, tmp_path: pathlib.Path) -> None:
    done = ask("get", "numbers@1", "--out", str(tmp_path / "out"), "--json", cwd=place)
    assert (done.code, done.value["format"]) == (0, "parquet")
    assert wh.from_parquet(tmp_path / "out" / "*.parquet").count() == 100
