"""What was learned of samples is told by trace, impact and show, for people and for programs."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

import whence as wh
from tests.rooms.cli.commands import ask


def said(*arguments: str) -> str:
    return ask(*arguments, cwd=pathlib.Path()).out


def told(*arguments: str) -> Any:
    return ask(*arguments, "--json", cwd=pathlib.Path()).value


@pytest.fixture
def name(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run that scaled five late samples by what it learned of three early ones."""
    monkeypatch.setenv("WHENCE_HOME", str(tmp_path))
    early = wh.from_items(
        [{"mass": 1.0, "kind": "x"}, {"mass": None, "kind": "y"}, {"mass": 5.0, "kind": "x"}], name="early"
    )
    late = wh.from_items([{"mass": float(number), "kind": "z"} for number in range(5)], name="late")
    with wh.start_run(workspace=tmp_path) as run:
        done = late.normalize("mass", how="minmax", fit=early).one_hot("kind", fit=early).collect()
    assert done[2] == {"mass": 0.25, "kind_x": 0, "kind_y": 0}
    return run.name


def test_a_trace_tells_what_a_sample_was_made_with(name: str) -> None:
    page = said("trace", f"{name}@0:2")
    assert "made with  learned of other samples; their rows aren't its origins" in page
    assert "min=1  max=5" in page
    assert "of 2 samples of early" in page
    assert "for normalize(mass)" in page
    assert page.index("late, row 2") < page.index("made with")
    value = told("trace", f"{name}@0:2")
    assert [fit["values"] for fit in value["fits"]] == [{"min": 1.0, "max": 5.0}, {"categories": ["x", "y"]}]
    assert [origin["source"] for origin in value["origins"]] == ["late"]


def test_an_impact_tells_what_was_learned_of_a_row_that_went_nowhere_else(name: str) -> None:
    page = said("impact", "early:2")
    assert "nothing made of it was delivered, but something was learned of it in 1 run" in page
    assert "min=1  max=5" in page
    value = told("impact", "early:1")
    assert value["absent"] is False
    assert [(fit["op"], fit["field"], fit["direct"]) for fit in value["fits"]] == [
        ("one_hot(kind)", "kind", True)
    ]
    assert told("impact", "late:1")["fits"] == []


def test_show_tells_what_was_learned_and_noticed(name: str) -> None:
    page = said("show", name)
    assert "learned  in the latest pass" in page
    assert "min=1  max=5" in page
    assert "categories=[x, y]" in page
    assert "5  kind of no known category" in page
    value = told("show", name)
    assert value["noticed"] == [
        {"stream": "stream", "op": "one_hot(kind)", "what": "kind of no known category", "count": 5}
    ]
    assert [step["op"] for step in value["streams"][0]["steps"]][:3] == [
        "late",
        "early",
        "fit of normalize(mass)",
    ]


def test_a_report_is_made_of_it(name: str, tmp_path: pathlib.Path) -> None:
    said("report", name, "--out", str(tmp_path / "page.html"))
    assert "normalize(mass)" in (tmp_path / "page.html").read_text()
