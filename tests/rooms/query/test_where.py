"""Conditions on runs: what is written is what is meant, and mistakes are pointed at."""

from __future__ import annotations

import datetime as dt
import pathlib
from collections.abc import Callable
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence as wh
from tests.rooms.query.conditions import SIGNS, holds
from whence.errors import InputError
from whence.query.where import all_columns, parse_columns, parse_sort, parse_where
from whence.store import (
    KEYED_FIELDS,
    All,
    Comparison,
    Condition,
    Field,
    Not,
    Order,
    Sign,
    Some,
)
from whence.store.conditions import TEXT_FIELDS

RUN = {
    "id": "01M7", "name": "quiet-otter-17", "title": "train digits", "status": "finished",
    "params": {"lr": 0.1, "deep": {"er": 3}, "a.b": 1, "odd key": "x", "on": True, "sizes": [1, 2]},
    "metrics": {"loss": 0.25, "val/loss": 2.0, "gone": None},
    "tags": {"fold": "3"}, "started_at": 5_000_000, "ended_at": None, "duration_s": None,
    "model": ["digits", "letters"], "artifact": [], "source": ["train"],
}  # fmt: skip


def quoted(text: str) -> str:
    """Write a text so that it is taken as it is."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


KEYS = st.text(min_size=1, max_size=8)
NUMBERS = st.integers(-(10**12), 10**12) | st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def comparisons(draw: st.DrawFn) -> tuple[str, Comparison]:
    """A comparison as it is written, and what it means."""
    group = draw(st.sampled_from((*TEXT_FIELDS, *KEYED_FIELDS, "model")))
    key = draw(KEYS) if group in KEYED_FIELDS else ""
    sign: Sign = draw(st.sampled_from(get_args(Sign)))
    field = Field(group, key)
    spelled = f"{group}.{quoted(key)}" if key else group
    if sign == "exists":
        return f"{spelled} exists", Comparison(field=field, sign=sign)
    value = draw(st.text(max_size=8) if sign in ("like", "contains") else NUMBERS | st.text() | st.booleans())
    written = quoted(value) if isinstance(value, str) else repr(value)
    space = draw(st.sampled_from([" ", "\t "] if sign.isalpha() else ["", " ", "\t "]))
    text = None if isinstance(value, str) else written
    meant = Comparison(field=field, sign=sign, value=value, text=text)
    return f"{spelled}{space}{sign.upper()}{space}{written}", meant


def _joined(word: str, make: Callable[[tuple[Condition, ...]], Condition]) -> Any:
    def join(parts: list[tuple[str, Condition]]) -> tuple[str, Condition]:
        return f"({f' {word} '.join(text for text, _ in parts)})", make(tuple(meant for _, meant in parts))

    return join


def _widened(parts: st.SearchStrategy[tuple[str, Condition]]) -> st.SearchStrategy[tuple[str, Condition]]:
    several = st.lists(parts, min_size=2, max_size=3)
    return (
        several.map(_joined("and", All))
        | several.map(_joined("OR", Some))
        | parts.map(lambda part: (f"not {part[0]}", Not(part[1])))
    )


CONDITIONS: st.SearchStrategy[tuple[str, Condition]] = st.recursive(comparisons(), _widened, max_leaves=6)


@given(CONDITIONS)
def test_a_written_condition_means_what_was_written(written: tuple[str, Condition]) -> None:
    text, meant = written
    assert parse_where(text) == meant


def matches(text: str, run: dict[str, Any] = RUN) -> bool:
    """Whether a run matches a condition as it is written."""
    return holds(parse_where(text), run)


@given(st.sampled_from(sorted(SIGNS)), NUMBERS, NUMBERS)
def test_numbers_compare_as_numbers(sign: str, found: float, wanted: float) -> None:
    run = {"metrics": {"loss": found}}
    assert matches(f"metrics.loss {sign} {wanted!r}", run) == SIGNS[sign](found, wanted)


@pytest.mark.parametrize("parse", [parse_where, parse_sort, parse_columns])
@given(text=st.text(max_size=40))
def test_any_text_is_a_condition_or_an_input_error(parse: Callable[[str], object], text: str) -> None:
    try:
        parse(text)
    except InputError as error:
        assert error.remedy  # noqa: PT017 - most texts aren't conditions


WORDS = [
    "metrics.loss",
    "=",
    "and",
    "or",
    "not",
    "(",
    ")",
    ",",
    "in",
    "like",
    "0.3",
    "'x'",
    "name",
    "params.",
]


@given(st.lists(st.sampled_from(WORDS), max_size=9))
def test_any_words_are_a_condition_or_an_input_error(words: list[str]) -> None:
    try:
        parsed = parse_where(" ".join(words))
    except InputError:
        return
    assert isinstance(holds(parsed, RUN), bool)
    assert words.count("(") == words.count(")")


def test_and_binds_more_than_or_and_not_most() -> None:
    a, b, c = (Comparison(field=Field("name"), sign="=", value=each) for each in "abc")
    text = "name = 'a' or name = 'b' and not name = 'c'"
    assert parse_where(text) == Some((a, All((b, Not(c)))))


def test_a_time_is_the_readers_unless_it_says_its_zone() -> None:
    local = dt.datetime(2026, 11, 1).astimezone()
    for text, when in (
        ("2026-11-01", local),
        ("2026-11-01T12:30Z", dt.datetime(2026, 11, 1, 12, 30, tzinfo=dt.UTC)),
        ("2026-11-01 12:30+02:00", dt.datetime(2026, 11, 1, 10, 30, tzinfo=dt.UTC)),
    ):
        condition = parse_where(f"started_at > '{text}'")
        assert isinstance(condition, Comparison)
        assert condition.value == int(when.timestamp()) * 1_000_000


def test_an_order_is_fields_with_their_directions() -> None:
    assert parse_sort('-metrics.val_acc, started_at,-params."odd key"') == (
        Order(Field("metrics", "val_acc"), True),
        Order(Field("started_at")),
        Order(Field("params", "odd key"), True),
    )


def test_columns_are_fields_and_without_a_choice_all_that_there_are() -> None:
    assert parse_columns("name,params.a.b") == (Field("name"), Field("params", "a.b"))
    found = [str(field) for field in all_columns([{"params": {"b": 1}, "metrics": {"m": 1}, "tags": {}}])]
    assert found[-2:] == ["params.b", "metrics.m"]
    assert found[0] == "id"


@pytest.mark.parametrize(
    "condition",
    [
        "metrics.loss < 0.3 and params.lr = 0.1",
        "status=finished",
        "name = quiet-otter-17",
        "title = 'train digits'",
        "params.deep.er = 3",
        "params.a.b = 1",
        'params."odd key" = x',
        "params.on = true",
        "params.lr != 0.2",
        "params.lr != text",
        "metrics.val/loss >= 2",
        "metrics.gone = none",
        "tags.fold = 3",
        "tags.fold = '3'",
        "tags.fold in (1, 2, 3)",
        "tags.fold not in (1, 2)",
        "metrics.loss > 3 or name = quiet-otter-17",
        "not metrics.missing > 3",
        "params.lr exists and not params.missing exists",
        "title like 'train %' and title contains DIGITS",
        "model = digits and model like 'let%'",
        "model != numbers",
        "ended_at = none",
        "duration_s = none",
        "started_at > '1970-01-01T00:00:04.5Z'",
    ],
)
def test_a_run_that_fits_matches(condition: str) -> None:
    assert matches(condition)


@pytest.mark.parametrize(
    "condition",
    [
        "metrics.loss < 0.3 and params.lr = 0.2",
        "metrics.missing != 3",
        "params.deep.missing = 3",
        "params.lr.deeper = 3",
        "params.lr < text",
        "params.on = 1",
        "params.sizes < 3",
        "metrics.gone < 3",
        "tags.missing not in (1, 2)",
        "title like 'TRAIN %'",
        "params.lr contains 1",
        "model != digits",
        "artifact != digits",
        "ended_at > '1970-01-01'",
    ],
)
def test_a_run_that_does_not_fit_does_not_match(condition: str) -> None:
    assert not matches(condition)


@pytest.mark.parametrize(
    ("condition", "at", "said"),
    [
        ("", 0, "wanted a field"),
        ("loss < 3", 0, "'loss' isn't a field"),
        ("params. < 3", 0, "isn't a field"),
        ("'name' = x", 0, "isn't a field"),
        ("metrics.loss", 12, "wanted one of"),
        ("metrics.loss 3", 13, "wanted one of"),
        ("metrics.loss <", 14, "wanted a value"),
        ("metrics.loss < <", 15, "wanted a value"),
        ("metrics.loss < 3 xor name = x", 17, "wanted 'and', 'or' or the end"),
        ("(metrics.loss < 3", 17, "wanted ')'"),
        ("metrics.loss < 3)", 16, "wanted 'and', 'or' or the end"),
        ("name in x", 8, "wanted '('"),
        ("name in (x y)", 11, "wanted ')'"),
        ("name not like x", 9, "wanted 'in'"),
        ("started_at > soon", 13, "wanted a time"),
        ("duration_s > 'long'", 13, "wanted a number of seconds"),
        (f"id in ({', '.join('x' * 1001)})", 3007, "more than 1000 values"),
        ("not " * 99 + "name = x", 200, "too many brackets"),
        ("metrics.loss < 3 and", 20, "wanted a field"),
        ("name = 'open", 7, "isn't closed"),
        ("name ! x", 5, "doesn't belong"),
    ],
)
def test_a_mistake_is_pointed_at(condition: str, at: int, said: str) -> None:
    with pytest.raises(InputError, match=r"--where") as raised:
        parse_where(condition)
    assert said in raised.value.message
    is_short = len(condition) <= 200
    pointer = "  " + " " * at + "^" if is_short else f"  at character {at}"
    assert raised.value.message.splitlines()[-1] == pointer


@pytest.mark.parametrize(
    ("order", "at", "said"),
    [
        ("", 0, "wanted a field"),
        ("-", 1, "isn't a field"),
        ("name,", 5, "wanted a field"),
        ("name title", 5, "wanted ','"),
        ("name,loss", 5, "'loss' isn't a field"),
        ("model", 0, "can have several"),
        (",".join(["id"] * 21), 0, "more than 20 fields"),
    ],
)
def test_a_mistake_in_an_order_is_pointed_at(order: str, at: int, said: str) -> None:
    with pytest.raises(InputError, match=r"--sort") as raised:
        parse_sort(order)
    assert said in raised.value.message
    assert raised.value.message.splitlines()[-1] == "  " + " " * at + "^"


def test_nothing_is_evaluated() -> None:
    with pytest.raises(InputError):
        parse_where("__import__('os').system('true') = 1")


def test_a_workspace_lists_the_runs_that_match(tmp_path: pathlib.Path) -> None:
    for rate in (0.1, 0.2):
        with wh.start_run("train", params={"rate": rate}, workspace=tmp_path) as run:
            run.log_metric("loss", rate * 2)
    workspace = wh.open(tmp_path)
    assert [
        run.params["rate"] for run in workspace.runs(where="metrics.loss < 0.3 and params.rate = 0.1")
    ] == [0.1]
    assert len(workspace.runs()) == 2
