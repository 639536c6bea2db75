"""What reaches the terminal and what reaches a pipe."""

from __future__ import annotations

import io
import json
import math
import pathlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence as wh
from tests.rooms.cli.commands import Place, ask, on_terminal, whence
from whence.cli.drawing import drawn
from whence.cli.impact import parse_rows, spelled
from whence.cli.page import Block, Grid, Line, Section, Words
from whence.cli.screen import encodable, jsonable, visible
from whence.cli.wording import duration, size_of, sparkline, value_text

ESCAPE = "\x1b"
LOOKING = ["status", "runs", "show", "verify", "doctor"]


@pytest.mark.parametrize("verb", LOOKING)
def test_a_pipe_gets_plain_text(place: Place, verb: str) -> None:
    done = place.whence(verb)
    assert ESCAPE not in done.out + done.err
    assert done.err == ""
    assert not any(line.endswith(" ") for line in done.out.splitlines())


def test_a_pipe_has_no_edge(place: Place) -> None:
    narrow = whence("runs", cwd=place.folder, COLUMNS="40").out
    assert narrow == place.whence("runs").out
    assert len(narrow.splitlines()) == 1 + len(place.names)


@pytest.mark.parametrize("verb", LOOKING)
def test_a_terminal_gets_colour_and_the_same_words(place: Place, verb: str) -> None:
    shown = on_terminal(verb, cwd=place.folder, columns=250)
    assert ESCAPE in shown
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    lines = [[line.rstrip() for line in text.splitlines()] for text in (plain, place.whence(verb).out)]
    if verb == "doctor":  # how much room there is changes while others use the disk
        lines = [[re.sub(r"(free disk +)[0-9.]+ .?B", r"\1", line) for line in each] for each in lines]
    assert lines[0] == lines[1]


def test_no_color_is_respected(place: Place) -> None:
    assert ESCAPE not in on_terminal("show", cwd=place.folder, NO_COLOR="1")
    assert ESCAPE in on_terminal("show", cwd=place.folder, NO_COLOR="")


@pytest.mark.parametrize("columns", [60, 80, 100])
def test_a_table_fits_the_terminal(place: Place, columns: int) -> None:
    shown = on_terminal("runs", cwd=place.folder, columns=columns, NO_COLOR="1")
    assert len(shown.splitlines()) == 1 + len(place.names)
    assert max(map(len, shown.splitlines())) <= columns


def test_json_is_one_line_in_a_pipe_and_indented_on_a_terminal(place: Place) -> None:
    assert place.whence("runs", "--json").out.count("\n") == 1
    shown = on_terminal("runs", "--json", cwd=place.folder)
    assert shown.count("\n") > 10
    assert ESCAPE not in shown
    assert json.loads(shown) == place.ask("runs", "--json").value


def test_nothing_a_user_wrote_can_steer_the_terminal(tmp_path: pathlib.Path) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J"
    tags = {"t\n\ru": f"a{evil}b\u202ec"}
    with wh.start_run(f"evil {evil}", params={f"k{evil}": evil}, tags=tags, workspace=tmp_path):
        pass
    for verb in ("runs", "show", "status"):
        shown = on_terminal(verb, "-w", str(tmp_path), cwd=tmp_path, columns=200)
        assert not re.search(r"\x1b(?!\[[0-9;]*m)|\x07|\r|\u202e", shown)
        assert "\\x1b" in shown
    value = ask("runs", "--json", "-w", str(tmp_path), cwd=tmp_path).value
    assert value["runs"][0]["title"] == f"evil {evil}"


def test_an_old_encoding_gets_what_it_can_hold(place: Place) -> None:
    done = whence(
        "show", place.names[0], cwd=place.folder, PYTHONUTF8="0", PYTHONIOENCODING="ascii", LC_ALL="C"
    )  # fmt: skip
    assert done.code == 0
    assert done.out.isascii()
    value = whence("runs", "--json", cwd=place.folder, PYTHONUTF8="0", PYTHONIOENCODING="ascii").value
    assert len(value["runs"]) == 3


@given(st.text())
def test_visible_text_has_nothing_to_obey(text: str) -> None:
    shown = visible(text)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]", shown)
    shown.encode()


@given(st.text(), st.sampled_from(["ascii", "latin-1", "utf-8"]))
def test_any_text_can_be_written(text: str, encoding: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    stream.write(encodable(text, stream))
    stream.flush()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
        max_leaves=8,
    )
)
def test_every_value_becomes_strict_json(value: object) -> None:
    json.loads(json.dumps(jsonable(value), allow_nan=False))


@given(st.lists(st.none() | st.floats(), max_size=30))
def test_a_sparkline_has_a_bar_for_each_value(values: list[float | None]) -> None:
    line = sparkline(values)
    known = [value for value in values if value is not None and math.isfinite(value)]
    assert len(line) == (len(values) if known else 0)
    for value, bar in zip(values, line, strict=False):
        assert (bar == " ") == (value is None or not math.isfinite(value))


@given(st.sets(st.integers(0, 60), min_size=1))
def test_rows_are_spelled_and_read_again(rows: set[int]) -> None:
    assert parse_rows(spelled(sorted(rows))) == sorted(rows)


def test_quantities_are_worded() -> None:
    assert [size_of(count) for count in (0, 999, 1500, 123_456, 2 * 10**9)] == [
        "0 B", "999 B", "1.5 kB", "123 kB", "2.0 GB",
    ]  # fmt: skip
    assert [duration(span) for span in (5e-6, 0.25, 2.44, 200, 7300)] == [
        "5 µs", "250 ms", "2.4 s", "3 min 20 s", "2 h 1 min",
    ]  # fmt: skip
    assert [value_text(each) for each in (True, None, "two words", {"$tuple": [1, 2]}, {"a": 0.1})] == [
        "true", "none", "'two words'", "[1, 2]", "{a: 0.1}",
    ]  # fmt: skip
    assert len(value_text("x" * 500)) == 60


def test_a_page_is_drawn_in_aligned_columns() -> None:
    page: list[Block] = [
        Line(words=("head ", Words("good", "good"))),
        Section(title="part", note="of two"),
        Grid(heads=["name", "count"], rows=[["a", "1"], ["long", "1,000"]], right=frozenset({1})),
    ]
    assert drawn(page, is_terminal=False, colour=False) == (
        "head good\n\npart  of two\n  name  count\n  a         1\n  long  1,000\n"
    )
    assert "\x1b[32mgood\x1b[0m" in drawn(page, is_terminal=True, colour=True)
