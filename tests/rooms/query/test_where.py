"""Conditions on runs: what is written is what is meant, and mistakes are pointed at."""

from __future__ import annotations

import operator
import pathlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence as wh
from whence.errors import InputError
from whence.query.where import KEYED_FIELDS, PLAIN_FIELDS, Comparison, parse_comparisons, parse_where

SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt,
    "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
RUN = {
    "id": "01M7", "name": "quiet-otter-17", "title": "train digits", "status": "finished",
    "params": {"lr": 0.1, "deep": {"er": 3}, "a.b": 1, "odd key": "x", "on": True, "sizes": [1, 2]},
    "metrics": {"loss": 0.25, "val/loss": 2.0, "gone": None},
    "tags": {"fold": "3"},
}  # fmt: skip


def quoted(text: str) -> str:
    """Write a text so that it is taken as it is."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


KEYS = st.text(min_size=1, max_size=8)
NUMBERS = st.integers(-(10**12), 10**12) | st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def comparisons(draw: st.DrawFn) -> tuple[str, Comparison]:
    """A comparison as it is written, and what it means."""
    group = draw(st.sampled_from(PLAIN_FIELDS + KEYED_FIELDS))
    key = draw(KEYS) if group in KEYED_FIELDS else ""
    sign = draw(st.sampled_from(sorted(SIGNS)))
    value = draw(NUMBERS | st.text(max_size=8) | st.booleans())
    written = quoted(value) if isinstance(value, str) else repr(value)
    space = draw(st.sampled_from(["", " ", "\t "]))
    field = f"{group}.{quoted(key)}" if key else group
    meant = Comparison(
        group=group, key=key, sign=sign, value=value, text=None if isinstance(value, str) else written
    )
    return f"{field}{space}{sign}{space}{written}", meant


@given(st.lists(comparisons(), min_size=1, max_size=4), st.sampled_from([" and ", " AND ", "\nand\t"]))
def test_a_written_condition_means_what_was_written(parts: list[tuple[str, Comparison]], joint: str) -> None:
    assert parse_comparisons(joint.join(text for text, _ in parts)) == [meant for _, meant in parts]


@given(st.sampled_from(sorted(SIGNS)), NUMBERS, NUMBERS)
def test_numbers_compare_as_numbers(sign: str, found: float, wanted: float) -> None:
    matches = parse_where(f"metrics.loss {sign} {wanted!r}")
    assert matches({"metrics": {"loss": found}}) == SIGNS[sign](found, wanted)


@given(st.text(max_size=40))
def test_any_text_is_a_condition_or_an_input_error(text: str) -> None:
    try:
        parse_where(text)({"params": {}})
    except InputError as error:
        assert error.remedy  # noqa: PT017 - most texts aren't conditions


@given(
    st.lists(
        st.sampled_from(["metrics.loss", "=", "and", "<", "0.3", "'x'", "name", "params.", "!"]), max_size=7
    )
)
def test_any_words_are_a_condition_or_an_input_error(words: list[str]) -> None:
    try:
        parsed = parse_comparisons(" ".join(words))
    except InputError:
        return
    assert len(parsed) * 4 - 1 == len(words)


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
    ],
)
def test_a_run_that_fits_matches(condition: str) -> None:
    assert parse_where(condition)(RUN)


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
    ],
)
def test_a_run_that_does_not_fit_does_not_match(condition: str) -> None:
    assert not parse_where(condition)(RUN)


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
        ("metrics.loss < 3 or name = x", 17, "wanted 'and'"),
        ("metrics.loss < 3 and", 20, "wanted a field"),
        ("name = 'open", 7, "isn't closed"),
        ("name ! x", 5, "doesn't belong"),
    ],
)
def test_a_mistake_is_pointed_at(condition: str, at: int, said: str) -> None:
    with pytest.raises(InputError, match=r"--where") as raised:
        parse_where(condition)
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
