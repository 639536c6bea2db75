"""Fields followed from what was delivered to the sources, as far as was seen."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import whence as wh
from whence.errors import NotFoundError
from whence.query import FieldTrace
from whence.streams import Stream

Row = dict[str, Any]
Origins = set[tuple[str, str | None]]

ROWS = [
    {
        "id": number,
        "mass": 1000.0 + number,
        "age": 300 + number,
        "site": "ab"[number % 2],
        "note": str(number),
    }
    for number in range(40)
]


def penguins() -> Stream:
    return wh.from_items(ROWS, name="penguins")


def sites() -> Stream:
    return wh.from_items([{"site": site, "lat": 1000.5} for site in "ab"], name="sites")


def heavier(row: Row) -> Row:
    return {**row, "heavy": row["mass"] > row["age"]}


def kilos(row: Row) -> Row:
    return row | {"mass": row["mass"] / 1000}


def narrowed(row: Row) -> Row:
    return {"kg": row["mass"], "when": row["age"]}


def everything(row: Row) -> Row:
    return {"all": len("".join(map(str, row.values())))}


def careless(row: Row) -> Row:
    made = dict(row)
    made["ratio"] = made["mass"] / made["age"]
    return made


def number(row: Row) -> float:
    return float(row["mass"])


def wrapped(value: float) -> Row:
    return {"value": value}


def asked(stream: Stream, folder: pathlib.Path, name: str | None) -> FieldTrace:
    with wh.start_run("fields", workspace=folder / "ws") as run:
        list(stream)
    return run.fields(name)


CASES: list[tuple[Stream, str | None, Origins]] = [
    (penguins(), "mass", {("penguins", "mass")}),
    (penguins().map(heavier), "heavy", {("penguins", "mass"), ("penguins", "age")}),
    (penguins().map(heavier), "mass", {("penguins", "mass")}),
    (penguins().map(kilos).map(heavier), "heavy", {("penguins", "mass"), ("penguins", "age")}),
    (penguins().map(narrowed), "kg", {("penguins", "mass"), ("penguins", "age")}),
    (penguins().map(everything), "all", {("penguins", None)}),
    (penguins().map(number).map(wrapped), "value", {("penguins", "mass")}),
    (penguins().map(heavier).select("heavy"), None, {("penguins", "mass"), ("penguins", "age")}),
    (
        penguins().filter(lambda row: row["id"] > 3).shuffle(seed=1).take(30).batch(4).unbatch(),
        "age",
        {("penguins", "age")},
    ),
    (
        penguins().rename({"mass": "m"}).map(lambda row: row | {"d": row["m"] * 2}),
        "d",
        {("penguins", "mass")},
    ),
    (penguins().rename({"mass": "m"}), "age", {("penguins", "age")}),
    (penguins().drop("note").cast({"age": "float"}), "age", {("penguins", "age")}),
    (penguins().with_columns(d=lambda c: c["mass"] * 2, e="age", f=1), "d", {("penguins", "mass")}),
    (penguins().with_columns(d=lambda c: c["mass"] * 2, e="age", f=1), "e", {("penguins", "age")}),
    (penguins().with_columns(d=lambda c: c["mass"] * 2, e="age", f=1), "f", set()),
    (penguins().with_columns(d=lambda c: c["mass"] * 2, e="age", f=1), "site", {("penguins", "site")}),
    (penguins().with_columns(mass=lambda c: c["age"] * 2.5), "mass", {("penguins", "age")}),
    (penguins().normalize("mass"), "mass", {("penguins", "mass")}),
    (penguins().normalize("mass"), "age", {("penguins", "age")}),
    (penguins().fill_missing({"mass": "mean"}), "mass", {("penguins", "mass")}),
    (penguins().one_hot("site"), "site_a", {("penguins", "site")}),
    (penguins().one_hot("site"), "mass", {("penguins", "mass")}),
    (
        penguins().group_by("site").aggregate(heaviest=("mass", "max"), n="size"),
        "heaviest",
        {("penguins", "mass"), ("penguins", "site")},
    ),
    (penguins().group_by("site").aggregate(heaviest=("mass", "max"), n="size"), "n", {("penguins", "site")}),
    (
        penguins().group_by(lambda row: row["age"] % 2).aggregate(
            lambda key, rows: {"most": max(row["mass"] for row in rows)}
        ),
        "most",
        {("penguins", "mass"), ("penguins", "age")},
    ),
    (
        penguins().join(sites(), on="site", combine=lambda one, two: one | {"far": two["lat"] + one["age"]}),
        "far",
        {("penguins", "age"), ("penguins", "lat"), ("sites", "age"), ("sites", "lat")},
    ),
    (penguins().join(sites(), on="site"), "lat", {("penguins", "lat"), ("sites", "lat")}),
    (penguins().concat(sites()), "site", {("penguins", "site"), ("sites", "site")}),
    (penguins().zip(sites().repeat(20)), None, {("penguins", None), ("sites", None)}),
    (
        penguins().map_batches(lambda rows: [{"x": row["age"]} for row in rows], size=4),
        "x",
        {("penguins", "age")},
    ),
    (
        penguins().map_batches(lambda c: {"mass": c["mass"], "x": c["age"] * 2}, size=4, form="columns"),
        "x",
        {("penguins", "age"), ("penguins", "mass")},
    ),
    (
        penguins().flat_map(lambda row: [{"word": word} for word in (row["note"] * 3, row["site"])]),
        "word",
        {("penguins", "note"), ("penguins", "site")},
    ),
    (penguins().split({"a": 1.0}, seed=1)["a"].dedup("id").sort("age"), "age", {("penguins", "age")}),
    (penguins().window(2).pack(9, lambda _: 1).unbatch().unbatch(), "age", {("penguins", "age")}),
]  # fmt: skip


@pytest.mark.parametrize(("stream", "name", "origins"), CASES)
def test_a_field_is_followed_to_the_fields_it_came_from(
    tmp_path: pathlib.Path, stream: Stream, name: str | None, origins: Origins
) -> None:
    found = asked(stream, tmp_path, name)
    assert {(origin.source, origin.field) for origin in found.origins} == origins
    assert found.complete, found.gaps
    assert found.to_json()["complete"]


def collated(rows: list[Row]) -> Row:
    return {"n": len(rows)}


def exact(row: Row) -> Row:
    if row.__class__ is not dict:
        raise TypeError("only dicts")
    return {"x": row["mass"]}


def rare(row: Row) -> Row:
    return row | ({"late": row["mass"]} if row["id"] > 30 else {})


GAPS: list[tuple[Callable[[Stream], Stream], str, str]] = [
    (lambda stream: stream.map(careless), "ratio", "its function made a copy of all fields"),
    (lambda stream: stream.map(exact), "x", "it can't be seen what its function reads"),
    (lambda stream: stream.map(rare), "late", "it was never seen to give a field 'late'"),
    (lambda stream: stream.map(kilos), "absent", "it was never seen to give a field 'absent'"),
    (lambda stream: stream.batch(4, collate=collated), "n", "what it did with fields wasn't seen"),
    (lambda stream: stream.skip(40).map(kilos), "mass", "what it did with fields wasn't seen"),
]


@pytest.mark.parametrize(("chain", "name", "gap"), GAPS)
def test_what_isnt_known_is_said(
    tmp_path: pathlib.Path, chain: Callable[[Stream], Stream], name: str, gap: str
) -> None:
    found = asked(chain(penguins()), tmp_path, name)
    assert not found.complete
    assert gap in found.gaps[0]


def test_the_steps_say_what_was_seen_and_on_how_many_samples(tmp_path: pathlib.Path) -> None:
    stream = penguins().map(heavier).filter(lambda row: row["heavy"]).select("id", "heavy")
    found = asked(stream, tmp_path, "heavy")
    uses = [(step.kind, [(use.seen, use.read, use.made) for use in step.uses]) for step in found.steps]
    assert uses == [
        ("map", [(16, ("age", "mass"), ("heavy",))]),
        ("filter", [(16, ("heavy",), ())]),
        ("select", [(None, (), ())]),
    ]
    assert found.steps[0].to_json()["uses"][0]["known"]


def test_one_of_several_streams_is_named(tmp_path: pathlib.Path) -> None:
    with wh.start_run("two", workspace=tmp_path / "ws") as run:
        list(penguins().named("one"))
        list(sites().named("other"))
    with pytest.raises(NotFoundError, match="read several streams: one, other"):
        run.fields("site")
    with pytest.raises(NotFoundError, match="no stream 'third'"):
        run.fields("site", stream="third")
    assert [origin.source for origin in run.fields("site", stream="other").origins] == ["sites"]


def test_columns_of_arrays_are_followed_as_rows_are(tmp_path: pathlib.Path) -> None:
    stream = wh.from_arrays(name="arrays", x=np.arange(50.0), y=np.arange(50)).map(
        lambda row: {"z": row["y"]}
    )
    assert {(each.source, each.field) for each in asked(stream, tmp_path, "z").origins} == {("arrays", "y")}
