"""Conditions, orders and cursors asked of the catalog: the same answers as trying each run by itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rooms.query.conditions import Run, holds, sort
from whence.errors import InputError
from whence.query import parse_sort, parse_where
from whence.store import (
    KEYED_FIELDS,
    NAMED_FIELDS,
    PLAIN_FIELDS,
    All,
    Catalog,
    CatalogRow,
    Comparison,
    Condition,
    Field,
    Folder,
    Named,
    Not,
    Order,
    Selection,
    Sign,
    Some,
)

COUNT = 7
IDS = [f"01M8{number:022d}" for number in range(COUNT)]

NUMBERS = st.integers(-3, 3) | st.sampled_from(
    [0.5, -0.0, 1e300, 2**63 - 1, -(2**63), 0.1, 2.0**53, 2**53 + 1]
)
TEXTS = st.sampled_from(
    ["", "a", "A", "ab", "a%", "a_", "3", "0.5", "true", "none", "é", "ß", "ss", "\x00", "\U0001f600"]
)
ODD_TEXTS = TEXTS | st.sampled_from(["\udcff", "a\udcffb", "\uffff"])
SCALARS = NUMBERS | TEXTS | st.booleans() | st.none()
KEYS = st.sampled_from(["a", "b", "a.b", "a.b.c", "b.a", ".", "a.", "", "odd key", "é"])
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=5,
)
NAMES = st.lists(TEXTS, max_size=2)


@st.composite
def runs(draw: st.DrawFn, run_id: str) -> dict[str, Any]:
    """A run of any values, told as conditions see it."""
    started = draw(st.none() | st.integers(0, 3))
    ended = draw(st.none() | st.integers(0, 3))
    values = st.dictionaries(KEYS, VALUES, max_size=4)
    return {
        "id": run_id, "name": draw(ODD_TEXTS), "title": draw(ODD_TEXTS),
        "status": draw(st.sampled_from(["finished", "failed"])), "started_at": started, "ended_at": ended,
        "duration_s": None if started is None or ended is None else (ended - started) / 1e6,
        "params": draw(values), "metrics": draw(values), "tags": draw(values),
        **{field: draw(NAMES) for field in NAMED_FIELDS},
    }  # fmt: skip


WORKSPACES = st.tuples(*(runs(run_id) for run_id in IDS))


@st.composite
def comparisons(draw: st.DrawFn) -> Comparison:
    group = draw(st.sampled_from((*PLAIN_FIELDS, *KEYED_FIELDS * 3, *NAMED_FIELDS)))
    field = Field(group, draw(KEYS) if group in KEYED_FIELDS else "")
    sign: Sign = draw(st.sampled_from(get_args(Sign)))
    if sign == "exists":
        return Comparison(field=field, sign=sign)
    if sign in ("like", "contains"):
        return Comparison(field=field, sign=sign, value=draw(ODD_TEXTS))
    value = draw(SCALARS | ODD_TEXTS)
    text = draw(TEXTS) if not isinstance(value, str) and draw(st.booleans()) else None
    return Comparison(field=field, sign=sign, value=value, text=text)


CONDITIONS: st.SearchStrategy[Condition] = st.recursive(
    comparisons(),
    lambda part: (
        st.lists(part, min_size=1, max_size=3).map(lambda parts: All(tuple(parts)))
        | st.lists(part, min_size=1, max_size=3).map(lambda parts: Some(tuple(parts)))
        | part.map(Not)
    ),
    max_leaves=6,
)
SORTABLE = st.one_of(
    st.sampled_from(PLAIN_FIELDS).map(Field), st.builds(Field, st.sampled_from(KEYED_FIELDS), KEYS)
)
ORDERS = st.lists(st.builds(Order, SORTABLE, st.booleans()), max_size=3).map(tuple)


def row_of(run: Run) -> CatalogRow:
    return CatalogRow(
        run_id=run["id"], name=run["name"], is_final=True, status=run["status"],
        started_us=run["started_at"], ended_us=run["ended_at"],
        summary={key: run[key] for key in ("id", "name", "title", *KEYED_FIELDS)},
        named=[
            Named(
                run_id=run["id"], number=0, kind=kind, name=name, digest=None, size_bytes=None, at_ns=0,
                body={},
            )
            for kind in NAMED_FIELDS
            for name in run[kind]
        ],
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """Folders of runs without a file; what they hold is generated, and the catalog is in memory."""
    path = tmp_path_factory.mktemp("runs")
    for run_id in IDS:
        (path / "runs" / run_id).mkdir(parents=True)
    return Folder(path)


@contextlib.contextmanager
def catalog_of(folder: Folder, held: tuple[Run, ...]) -> Iterator[Catalog]:
    by_id = {run["id"]: run for run in held}
    catalog = Catalog(folder, summarise=lambda run_id: row_of(by_id[run_id]))
    try:
        yield catalog
    finally:
        catalog.close()


@given(WORKSPACES, st.lists(CONDITIONS, min_size=1, max_size=8))
def test_a_condition_finds_the_runs_for_which_it_holds(
    folder: Folder, held: tuple[Run, ...], conditions: list[Condition]
) -> None:
    with catalog_of(folder, held) as catalog:
        for condition in conditions:
            expected = [run["id"] for run in reversed(held) if holds(condition, run)]
            assert catalog.ids(Selection(condition=condition)) == expected


@given(WORKSPACES, CONDITIONS, ORDERS, st.integers(1, 3))
def test_pages_of_any_order_are_the_whole_list_in_pieces(
    folder: Folder, held: tuple[Run, ...], condition: Condition, order: tuple[Order, ...], limit: int
) -> None:
    with catalog_of(folder, held) as catalog:
        expected = [run["id"] for run in sort([run for run in held if holds(condition, run)], order)]
        assert catalog.ids(Selection(condition=condition, order=order)) == expected
        found: list[str] = []
        after = None
        for _ in range(COUNT + 1):
            page = catalog.page(Selection(condition=condition, order=order, limit=limit, after=after))
            found += [summary["id"] for summary in page.summaries]
            after = page.following
            if after is None:
                break
            assert len(page.summaries) == limit
        assert found == expected


def test_the_longest_condition_and_the_longest_order_are_answered(folder: Folder) -> None:
    run = {"name": "", "title": "", "status": "finished", "started_at": 0, "ended_at": 0}
    run |= {each: {} for each in KEYED_FIELDS} | {each: [] for each in NAMED_FIELDS}
    ids = ", ".join([IDS[3], *(f"x{number}" for number in range(499))])
    condition = parse_where(
        f"id in ({ids}) or " + " and ".join(f"params.k{number} = 1" for number in range(500))
    )
    with catalog_of(folder, tuple({**run, "id": run_id} for run_id in IDS)) as catalog:
        assert catalog.ids(Selection(condition=condition)) == [IDS[3]]
        order = parse_sort(",".join(f"-params.k{number}" for number in range(20)))
        page = catalog.page(Selection(order=order, limit=2))
        after = catalog.page(Selection(order=order, limit=9, after=page.following))
        assert [each["id"] for each in (*page.summaries, *after.summaries)] == IDS[::-1]


@settings(max_examples=30)
@given(WORKSPACES, WORKSPACES, CONDITIONS, ORDERS)
def test_what_is_made_again_or_brought_up_to_date_answers_like_what_was_made_at_once(
    folder: Folder,
    before: tuple[Run, ...],
    now: tuple[Run, ...],
    condition: Condition,
    order: tuple[Order, ...],
) -> None:
    holding = {run["id"]: run for run in before}
    selections = [Selection(), Selection(condition=condition), Selection(order=order)]
    catalog = Catalog(folder, summarise=lambda run_id: row_of(holding[run_id]))
    catalog.refresh()
    for run in now:
        holding[run["id"]] = run
        path = folder.run_path(run["id"])
        (path / "journal").write_bytes(
            b"x" * ((path / "journal").stat().st_size + 1 if (path / "journal").exists() else 1)
        )
    updated = [catalog.page(selection) for selection in selections]
    names = catalog.named()
    catalog.rebuild()
    assert [catalog.page(selection) for selection in selections] == updated
    assert catalog.named() == names
    catalog.close()
    with catalog_of(folder, now) as fresh:
        assert [fresh.page(selection) for selection in selections] == updated
        assert fresh.named() == names


@pytest.mark.parametrize("cursor", ["", "!", "nonsense", "ÿ", "AAAA", "lZKpbWV0cmljcy54wwHAwLowMU04MDM"])
@pytest.mark.parametrize("order", [(), (Order(Field("title")),)])
def test_a_cursor_of_another_list_is_refused(folder: Folder, cursor: str, order: tuple[Order, ...]) -> None:
    run = {"id": "", "name": "", "title": "", "status": "finished", "started_at": 0, "ended_at": 0}
    run |= {each: {} for each in KEYED_FIELDS} | {each: [] for each in NAMED_FIELDS}
    with catalog_of(folder, tuple({**run, "id": run_id} for run_id in IDS)) as catalog:
        with pytest.raises(InputError, match="no cursor"):
            catalog.page(Selection(order=order, after=cursor))
        page = catalog.page(Selection(order=(Order(Field("name")),), limit=1))
        with pytest.raises(InputError, match="no cursor"):
            catalog.page(Selection(order=(Order(Field("name"), True),), after=page.following))
