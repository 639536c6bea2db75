"""Who made what a run read: known by digests, whatever files are called and wherever they lie."""

from __future__ import annotations

import json
import os
import pathlib
import shutil

import pytest

import whence as wh
from whence.cli import main


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def made(title: str) -> wh.Run:
    with wh.start_run(title) as run:
        pathlib.Path("rows.csv").write_text("a,b\n1,2\n")
    return run


def read(path: str) -> wh.Run:
    with wh.start_run("reads") as run:
        pathlib.Path(path).read_text()
    return run


def test_a_file_that_another_run_wrote_is_known_under_any_name() -> None:
    writer = made("writes")
    os.rename("rows.csv", "other.csv")
    reader = read("other.csv")
    maker = wh.open().makers(reader)["other.csv"]
    assert (maker.run, maker.kind, maker.name) == (writer.name, "written", "rows.csv")
    assert wh.open().makers(writer) == {}


def test_the_last_one_before_it_was_read_made_it() -> None:
    made("first")
    second = made("second")
    reader = read("rows.csv")
    made("third")
    assert wh.open().makers(reader.name)["rows.csv"].run == second.name


def test_a_model_or_artifact_comes_before_the_file_that_it_was_kept_from() -> None:
    with wh.start_run("trains") as run:
        pathlib.Path("model.bin").write_bytes(b"weights")
        run.log_model("digits", b"weights")
    shutil.copy("model.bin", "copy.bin")
    with wh.start_run("uses") as reader:
        pathlib.Path("copy.bin").read_bytes()
    maker = wh.open().makers(reader)["copy.bin"]
    assert (maker.run, maker.kind, maker.name) == (run.name, "model", "digits")


def test_what_nobody_made_or_what_has_changed_has_no_maker() -> None:
    made("writes")
    pathlib.Path("rows.csv").write_text("a,b\n1,3\n")
    pathlib.Path("else.csv").write_text("else")
    with wh.start_run("reads") as reader:
        pathlib.Path("rows.csv").read_text()
        pathlib.Path("else.csv").read_text()
    assert wh.open().makers(reader) == {}


def test_show_tells_it(capsys: pytest.CaptureFixture[str]) -> None:
    writer = made("writes")
    with wh.start_run("reads") as reader:
        pathlib.Path("rows.csv").read_text()
        pathlib.Path("result.txt").write_text("r")
        os.system("true --password hunter22")
    assert main(["show", reader.name, "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    (found,) = value["inputs"]
    assert found["path"] == "rows.csv"
    assert found["made_by"] == {"run": writer.name, "kind": "written", "name": "rows.csv"}
    assert [each["path"] for each in value["outputs"]] == ["result.txt"]
    assert [(each["kind"], each["what"]) for each in value["unfollowed"]] == [
        ("process", "true --password [redacted]")
    ]
    assert main(["show", reader.name]) == 0
    text = capsys.readouterr().out
    assert f"made by {writer.name}" in text
    assert "result.txt" in text
    assert "hunter22" not in text
