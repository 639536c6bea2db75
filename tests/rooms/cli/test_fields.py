"""What functions did with fields is told by show and trace, for people and for programs."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

import whence as wh
from tests.rooms.cli.commands import ask


def heavier(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "heavy": row["mass"] > 2000}


def slim(row: dict[str, Any]) -> dict[str, Any]:
    made = dict(row)
    del made["note"]
    return made


def asks_for_types(row: dict[str, Any]) -> bool:
    return type(row) is dict


@pytest.fixture
def name(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run of which every kind of use was seen."""
    monkeypatch.setenv("WHENCE_HOME", str(tmp_path))
    rows = [{"mass": 1990.0 + number, "note": "n"} for number in range(20)]
    with wh.start_run(workspace=tmp_path) as run:
        list(wh.from_items(rows, name="rows").map(heavier).map(slim).filter(asks_for_types).select("heavy"))
    return run.name


def test_show_tells_what_functions_did_with_fields_and_on_how_many_samples(name: str) -> None:
    page = ask("show", name, cwd=pathlib.Path()).out
    assert "fields  as seen on the first samples" in page
    assert "reads mass; makes heavy" in page
    assert "reads and perhaps others; drops note" in page
    assert "unknown: its function can't be watched" in page
    assert "seen on 16 samples" in page
    steps = ask("show", name, "--json", cwd=pathlib.Path()).value["streams"][0]["steps"]
    fields = {step["op"]: step["fields"] for step in steps}
    assert fields["heavier"] == [
        {
            "function": "fn", "seen": 16, "read": ["mass"], "made": ["heavy"], "dropped": [], "whole": False,
            "copied": False, "known": True,
        }
    ]  # fmt: skip
    assert fields["rows"] == []
    assert [use["seen"] for use in fields["select(heavy)"]] == [None]


def test_a_trace_tells_what_each_step_did_with_fields(name: str) -> None:
    steps = ask("trace", f"{name}@0:3", "--json", cwd=pathlib.Path()).value["steps"]
    found = [
        (step["op"], [(use["seen"], use["known"], use["made"]) for use in step["fields"]]) for step in steps
    ]
    assert found == [
        ("heavier", [(16, True, ["heavy"])]),
        ("slim", [(16, True, [])]),
        ("asks_for_types", [(0, False, [])]),
        ("select(heavy)", [(None, True, [])]),
    ]
