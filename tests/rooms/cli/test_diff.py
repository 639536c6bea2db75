"""Two runs are compared for people and for programs."""

from __future__ import annotations

from tests.rooms.cli.commands import Place


def test_the_two_tries_differ_in_what_was_given(place: Place) -> None:
    value = place.ask("diff", *place.names[:2], "--json").value
    assert (value["before"], value["after"], value["same"]) == (*place.names[:2], False)
    assert "lr" in [change["name"] for change in value["params"]]
    assert (value["ops"], value["sources"], value["environment"]) == ([], [], [])
    page = place.ask("diff", *place.names[:2]).out
    assert "lr  0.1 → 0.2" in page


def test_a_run_is_compared_with_the_newest_one(place: Place) -> None:
    newest = place.ask("show", "--json").value["name"]
    assert place.ask("diff", place.names[0], "--json").value["after"] == newest


def test_a_run_is_the_same_as_itself(place: Place) -> None:
    said = place.ask("diff", place.names[0], place.names[0]).out
    assert "Nothing that was recorded differs" in said


def test_a_run_that_is_not_there_is_named(place: Place) -> None:
    said = place.ask("diff", place.names[0], "no-such-run")
    assert said.code == 3
    assert "no-such-run" in said.err
