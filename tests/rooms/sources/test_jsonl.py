"""JSON lines as samples."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rooms.sources.listening import DATA, Listener, at, read_all, samples_of
from whence.errors import SourceError
from whence.sources import JsonlSource

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def test_real_tasks_are_what_the_json_module_reads() -> None:
    expected = [json.loads(line) for line in (DATA / "seed_tasks.jsonl").read_text().splitlines()]
    source = JsonlSource.of(DATA / "seed_tasks.jsonl")
    assert samples_of(source) == expected
    assert source.name == "seed_tasks"


@given(
    values=st.lists(VALUES, max_size=40), gaps=st.lists(st.sampled_from(["\n", " \n", "\r\n"]), max_size=3)
)
def test_any_values_come_back_and_empty_lines_are_no_rows(
    tmp_path_factory: pytest.TempPathFactory, values: list[object], gaps: list[str]
) -> None:
    file = tmp_path_factory.mktemp("values") / "x.jsonl"
    file.write_text("".join("".join(gaps) + json.dumps(value) + "\n" for value in values))
    source = JsonlSource.of(file)
    assert samples_of(source) == values
    assert source.rows() == len(values)
    backwards = range(len(values) - 1, -1, -1)
    assert at(source.open(Listener()), *backwards) == values[::-1]


def test_a_line_that_is_not_json_is_named_with_its_number(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text('{"a": 1}\n\n{"a": 2}\n{"a": \n{"a": 4}\n')
    source = JsonlSource.of(file)
    with pytest.raises(SourceError, match=r"x\.jsonl, line 4 \(row 2\): not JSON") as caught:
        read_all(source.open(Listener()))
    assert caught.value.place == f"{file}:4"
    assert caught.value.remedy
    with pytest.raises(SourceError, match="line 4"):
        at(source.open(Listener()), 2)
    assert at(source.open(Listener()), 3) == [{"a": 4}]


@pytest.mark.parametrize("line", [b'{"a": "\xff"}', b'{"a": NaN}', b'{"a": 1} {"a": 2}', b"[1,", b"\xff"])
def test_what_is_not_one_json_value_is_refused(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "x.jsonl").write_bytes(b"1\n" + line + b"\n")
    with pytest.raises(SourceError, match="line 2"):
        samples_of(JsonlSource.of(tmp_path / "x.jsonl"))
