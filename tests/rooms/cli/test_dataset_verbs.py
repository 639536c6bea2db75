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


def test_two_versions_are_compared_row_by_row(place: pathlib.Path) -> None:
    rows = [{"n": number, "kind": "abc"[number % 3], "part": number / 7} for number in range(100)]
    rows[17]["kind"] = "z"
    del rows[40]
    wh.from_items(rows).save("numbers")
    value = ask("diff", "numbers@1", "numbers@3", "--json", "--why", cwd=place).value
    assert [value[name] for name in ("added", "removed", "changed", "moved", "schema")] == [0, 1, 1, 0, []]
    assert [(each["kind"], each["row_a"], each["row_b"], each["columns"]) for each in value["rows"]] == [
        ("changed", 17, 17, ["kind"]), ("removed", 40, None, []),
    ]  # fmt: skip
    assert [each["why"]["origins_a"][0]["row"] for each in value["rows"]] == [17, 40]
    shown = ask("diff", "numbers@1", "numbers@3", "--key", "n", "--why", cwd=place).out
    assert "1 changed · 0 added · 1 removed" in shown
    assert "n 17  kind c → z" in shown
    few = ask("diff", "numbers@1", "numbers@3", "--json", "--limit", "1", cwd=place).value
    assert (len(few["rows"]), few["removed"]) == (1, 1)
    assert "Both say the same" in ask("diff", "numbers@1", "others@1", cwd=place).out


def test_a_diff_that_cannot_be_made_is_refused(place: pathlib.Path) -> None:
    done = ask("diff", "numbers@1", "numbers@2", "--key", "kind", cwd=place)
    assert (done.code, "the key kind names 97 rows of numbers@1" in done.err) == (2, True)
    assert ask("diff", "numbers@1", "numbers@9", cwd=place).code == 3
    assert ask("diff", "numbers@1", "--limit", "-1", cwd=place).code == 2
    run = wh.open().runs()[0].name
    assert ask("diff", run, "--why", cwd=place).code == 2


def test_splits_are_checked_for_leaks(place: pathlib.Path) -> None:
    for name, part in wh.from_dataset("others").split({"train": 0.5, "test": 0.5}, seed=1).items():
        part.save(name)
    done = ask("leaks", "train", "test", cwd=place)
    assert (done.code, "no source row is behind both" in done.out) == (0, True)
    done = ask("leaks", "train", "others", cwd=place)
    assert (done.code, "come from the same source rows" in done.out) == (1, True)
    value = ask("leaks", "train", "test", "--by", "kind", "--json", cwd=place).value
    assert [(leak["kind"], leak["rows_a"] > 0) for leak in value["leaks"]] == [
        ("source", False), ("content", False), ("column", True),
    ]  # fmt: skip
    assert ask("leaks", "train", "test", "--by", "group", cwd=place).code == 2
