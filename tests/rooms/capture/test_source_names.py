"""What a run calls its sources: one name for each, one record for what is the same."""

from __future__ import annotations

import pathlib

import whence as wh


def test_two_sources_of_one_name_are_told_apart(tmp_path: pathlib.Path) -> None:
    with wh.start_run(workspace=tmp_path) as run:
        for _ in wh.from_items([1, 2]).concat(wh.from_items([3, 4])):
            pass
    assert [source.name for source in run.sources] == ["items", "items-2"]
    assert run.trace(item=3).origins[0].source == "items-2"
    assert wh.open(tmp_path).impact("items", rows=[1]).count == 1


def test_a_file_read_by_two_streams_is_one_source(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_text("a\nb\nc\n")
    lines = wh.from_text(path)
    with wh.start_run(workspace=tmp_path) as run:
        for _ in lines.named("first"):
            pass
        for _ in lines.shuffle(seed=1).named("second"):  # by now it knows how many rows it has
            pass
        for _ in wh.from_text(path).named("third"):
            pass
    assert [source.name for source in run.sources] == ["lines"]
    assert wh.open(tmp_path).impact(path).count == 9


def test_streams_of_one_name_are_numbered(tmp_path: pathlib.Path) -> None:
    with wh.start_run(workspace=tmp_path) as run:
        for size in (1, 2):
            for _ in wh.from_items([1, 2]).batch(size).named("train"):
                pass
    assert [stream.name for stream in run.streams] == ["train", "train-2"]
