"""Runs found again on the command line: sorted, page by page, in columns, by words; and made anew."""

from __future__ import annotations

import pathlib
import sqlite3

import pytest

import whence as wh
from tests.rooms.cli.commands import ask

QUESTIONS = [
    ("runs",),
    ("runs", "--limit", "2"),
    ("runs", "--where", "metrics.acc > 0.1 and not tags.team = speech", "--sort", "-metrics.acc,started_at"),
    ("runs", "--columns", "name,status,duration_s,params.model.depth,metrics.acc,metrics.only"),
    ("runs", "--sort", "-metrics.only"),
    ("search", "warm"),
    ("search", "vision", "depth"),
    ("status",),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Six runs, one of which has a metric of its own."""
    folder = tmp_path_factory.mktemp("runs")
    for number in range(6):
        params = {"lr": 0.1 * number, "model": {"depth": number % 2}}
        tags = {"team": "speech" if number % 3 == 0 else "vision"}
        with wh.start_run(f"train {number}", params=params, tags=tags, workspace=folder) as run:
            run.log_metric("acc", number / 10)
            if number == 3:
                run.log_metric("only", 1)
                run.log_note("the warm-up of 100% was too short")
            run.log_model("digits", b"weights")
    return folder


def titles(place: pathlib.Path, *arguments: str) -> list[str]:
    value = ask("runs", *arguments, "--json", cwd=place).value
    return [run["title"][-1] for run in value["runs"]]


def test_runs_are_sorted_and_what_lacks_the_field_is_last(place: pathlib.Path) -> None:
    assert titles(place, "--sort", "-metrics.acc") == list("543210")
    assert titles(place, "--sort", "metrics.acc") == list("012345")
    assert titles(place, "--sort", "metrics.only") == titles(place, "--sort=-metrics.only") == list("354210")
    assert titles(place, "--sort", "tags.team,-started_at") == list("305421")


def test_a_list_goes_on_where_it_ended(place: pathlib.Path) -> None:
    found: list[str] = []
    after: list[str] = []
    for _ in range(3):
        value = ask(
            "runs", "--sort", "-params.model.depth", "--limit", "2", *after, "--json", cwd=place
        ).value
        found += [run["title"][-1] for run in value["runs"]]
        after = ["--after", value["next"]]
    assert (found, value["next"]) == (list("531420"), None)
    said = ask("runs", "--where", "tags.team = vision", "--limit", "2", cwd=place).out
    more = said[said.index("more: whence ") :].split("\n")[0].removeprefix("more: whence ")
    assert more.startswith("runs --where 'tags.team = vision' --limit 2 --after ")
    done = ask("runs", "--after", "nonsense!", cwd=place)
    assert (done.code, "no cursor" in done.err) == (2, True)


def test_columns_are_what_is_shown(place: pathlib.Path) -> None:
    shown = ask("runs", "--columns", "title,params.model.depth,metrics.only", "--limit", "3", cwd=place)
    assert [line.split() for line in shown.out.splitlines()[:4]] == [
        ["title", "params.model.depth", "metrics.only"],
        ["train", "5", "1", "-"],
        ["train", "4", "0", "-"],
        ["train", "3", "1", "1"],
    ]
    value = ask("runs", "--columns", "name,metrics.only", "--json", cwd=place).value
    assert value["columns"] == ["name", "metrics.only"]
    assert [run["metrics.only"] for run in value["runs"]] == [None, None, 1.0, None, None, None]


def test_a_mistake_in_an_order_or_in_columns_is_pointed_at(place: pathlib.Path) -> None:
    for option in ("--sort", "--columns"):
        done = ask("runs", option, "name,loss", cwd=place)
        assert done.code == 2
        assert done.err.splitlines()[2].index("^") == done.err.splitlines()[1].index("loss")


def test_runs_are_found_by_words_with_the_place_where_they_stand(place: pathlib.Path) -> None:
    value = ask("search", "warm-up", "100%", "--json", cwd=place).value
    (hit,) = value["runs"]
    assert hit["title"] == "train 3"
    assert {match["field"] for match in hit["matches"]} == {"notes"}
    assert "warm-up of 100%" in hit["matches"][0]["text"]
    text = ask("search", "warm", cwd=place).out
    assert "notes" in text
    assert "too short" in text
    assert len(ask("search", "digits", "--limit", "4", "--json", cwd=place).value["runs"]) == 4
    assert ask("search", "nowhere", cwd=place).out.startswith("No run mentions that")
    done = ask("search", "?!", cwd=place)
    assert (done.code, "no word" in done.err) == (2, True)


def test_rebuilding_changes_no_byte_of_any_answer(place: pathlib.Path) -> None:
    before = [ask(*question, cwd=place).out for question in QUESTIONS]
    before += [ask(*question, "--json", cwd=place).out for question in QUESTIONS[:-1]]
    done = ask("rebuild", cwd=place)
    assert (done.code, done.out[:12]) == (0, "Read 6 runs ")
    after = [ask(*question, cwd=place).out for question in QUESTIONS]
    after += [ask(*question, "--json", cwd=place).out for question in QUESTIONS[:-1]]
    sizes = QUESTIONS.index(("status",))  # which tells of the catalog's own size
    assert before[:sizes] + before[sizes + 1 :] == after[:sizes] + after[sizes + 1 :]


def test_rebuilding_forgets_what_isnt_in_the_journals(place: pathlib.Path) -> None:
    ask("runs", cwd=place)
    with sqlite3.connect(place / ".whence" / "catalog.sqlite") as connection:
        connection.execute("UPDATE run SET title = CAST('invented' AS BLOB)")
        connection.execute("DELETE FROM mention")
    connection.close()
    assert ask("runs", "--where", "title = invented", "--json", cwd=place).value["runs"]
    assert ask("rebuild", "--json", cwd=place).value["runs"] == 6
    assert ask("runs", "--where", "title = invented", "--json", cwd=place).value["runs"] == []
    assert len(ask("search", "digits", "--json", cwd=place).value["runs"]) == 6


def test_a_workspace_that_isnt_there_has_nothing_to_rebuild(tmp_path: pathlib.Path) -> None:
    assert ask("rebuild", "--json", cwd=tmp_path).value["runs"] == 0
    assert list(tmp_path.iterdir()) == []
