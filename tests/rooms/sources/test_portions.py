"""What is given to another process in portions is what is read in chunks, told and misread alike."""

from __future__ import annotations

import csv
import json
import pathlib
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rooms.sources.listening import Listener, rows_of
from whence.errors import SourceError
from whence.sources import CsvSource, JsonlSource, Source, TextSource

BLANK = ["", "  ", "\t"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return tmp_path_factory.mktemp("portions")


def portions_of(source: Source, size: int, witness: Listener) -> list[Any]:
    samples: list[Any] = []
    with source.open(witness) as reader:
        for portion in reader.portions(lambda: size):
            assert 1 <= portion.rows <= size
            made = rows_of(source.unfold(pickle.loads(pickle.dumps(portion.content))))
            assert len(made) == portion.rows
            samples += made
    return samples


def chunks_of(source: Source, size: int, witness: Listener) -> list[Any]:
    with source.open(witness) as reader:
        return [sample for chunk in reader.chunks(lambda: size) for sample in rows_of(chunk)]


TEXT = st.text(st.sampled_from("ab,\"' é\t"), max_size=6)


@given(lines=st.lists(TEXT, max_size=40), size=st.integers(1, 9), ending=st.sampled_from(["\n", "\r\n"]))
def test_lines(folder: pathlib.Path, lines: list[str], size: int, ending: str) -> None:
    paths = [folder / "a.txt", folder / "b.txt"]
    paths[0].write_bytes(ending.join(lines[:7]).encode())
    paths[1].write_bytes("".join(line + ending for line in lines[7:]).encode())
    check(TextSource.of([str(path) for path in paths]), size)


@given(values=st.lists(st.integers() | TEXT | st.sampled_from(BLANK), max_size=40), size=st.integers(1, 9))
def test_json_lines(folder: pathlib.Path, values: list[Any], size: int) -> None:

    path = folder / "a.jsonl"
    path.write_text("\n".join(each if each in BLANK else json.dumps(each) for each in values))
    check(JsonlSource.of(str(path)), size)


@given(values=st.lists(TEXT, min_size=1, max_size=40), size=st.integers(1, 9))
def test_records_with_quotes(folder: pathlib.Path, values: list[str], size: int) -> None:

    path = folder / "a.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["n", "text"])
        writer.writerows(
            [number, f"{value}\n{value}" if number % 3 == 0 else value] for number, value in enumerate(values)
        )
    check(CsvSource.of(str(path), types={"text": str}), size)


def check(source: Source, size: int) -> None:
    told, retold = Listener(), Listener()
    assert portions_of(source, size, retold) == chunks_of(source, size, told)
    assert vars(retold) == vars(told)


def test_a_bad_row_is_named_as_when_it_is_read_in_chunks(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text('{"a": 1}\n\n{"a": 2}\n{"a":\n{"a": 4}\n')
    source = JsonlSource.of(str(path))
    errors = []
    for read in (portions_of, chunks_of):
        with pytest.raises(SourceError, match="line 4") as caught:
            read(source, 2, Listener())
        errors.append((str(caught.value), caught.value.place))
    assert errors[0] == errors[1]
