"""What was learned of all samples is told apart from what a sample was made of, both ways, and replayed."""

from __future__ import annotations

import pathlib
import shutil
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence as wh
from tests.rooms.ops.pieces import Pieces
from whence.query import Replayer, find_impact, parse_address, trace_address
from whence.runs import RunRecord
from whence.streams import Stream, from_source

PENGUINS = pathlib.Path(__file__).parents[2] / "data" / "penguins.csv"


def penguins(path: pathlib.Path = PENGUINS) -> Stream:
    return wh.from_csv(str(path), missing=("", "NA"), name="penguins")


def is_late(row: dict[str, Any]) -> bool:
    return bool(row["year"] == 2009)


def is_early(row: dict[str, Any]) -> bool:
    return not is_late(row)


def jitter(row: dict[str, Any], *, rng: Any) -> dict[str, Any]:
    return row | {"draw": rng.random()}


def read(folder: Any, stream: Stream, epochs: int = 1) -> RunRecord:
    with wh.start_run(workspace=folder) as run:
        for epoch in range(epochs):
            for _ in stream.epoch(epoch):
                pass
    return wh.open(folder).run(run.name).record


def rows_of(fit: Any) -> list[int]:
    return [origin.row for origin in fit.origins]


def test_a_trace_names_what_was_learned_apart_from_the_rows_that_the_sample_was_made_of(
    tmp_path: Any,
) -> None:
    test = penguins().filter(is_late, reason="too early")
    train = penguins().filter(is_early, reason="too late")
    stream = test.fill_missing({"body_mass_g": "mean", "sex": "none"}, fit=train).normalize(
        "body_mass_g", "year"
    )
    trace = trace_address(read(tmp_path, stream), parse_address("x@0:7"))
    every = penguins().collect()
    late = [row for row, sample in enumerate(every) if is_late(sample)]
    assert [origin.row for origin in trace.origins] == [late[7]]
    assert [(fit.op, fit.field, fit.direct) for fit in trace.fits] == [
        ("fill_missing(sex, body_mass_g)", "body_mass_g", True),
        ("normalize(body_mass_g, year)", "body_mass_g", True),
        ("normalize(body_mass_g, year)", "year", True),
    ]
    learned_of = [
        [row for row, sample in enumerate(every) if is_early(sample) and sample["body_mass_g"] is not None],
        late,
        late,
    ]
    assert [rows_of(fit) for fit in trace.fits] == learned_of
    assert [fit.count for fit in trace.fits] == list(map(len, learned_of))
    assert trace.fits[0].values == {
        "mean": pytest.approx(np.mean([every[row]["body_mass_g"] for row in learned_of[0]]))
    }
    assert trace.fits[2].values == {"mean": 2009.0, "std": 0.0}
    assert trace.fits[0].sources == ("penguins",)
    assert trace.complete
    assert [step.fitted for step in trace.steps] == [
        {}, {"body_mass_g": trace.fits[0].values}, {fit.field: fit.values for fit in trace.fits[1:]}
    ]  # fmt: skip
    spelled = trace.to_json()["fits"]
    assert spelled[0] | {"values": None} == {
        "op": "fill_missing(sex, body_mass_g)", "field": "body_mass_g", "values": None,
        "count": len(learned_of[0]), "sources": ["penguins"], "direct": True,
    }  # fmt: skip


def test_values_that_had_a_part_in_what_was_learned_are_named_as_such(tmp_path: Any) -> None:
    train = penguins().filter(is_early).winsorize("body_mass_g")
    record = read(tmp_path, penguins().filter(is_late).normalize("body_mass_g", fit=train))
    trace = trace_address(record, parse_address("x@0:0"))
    assert [(fit.op, fit.direct) for fit in trace.fits] == [
        ("winsorize(body_mass_g)", False), ("normalize(body_mass_g)", True),
    ]  # fmt: skip
    assert [step.op for step in trace.steps] == ["is_late", "normalize(body_mass_g)"]


def test_a_row_that_only_a_fit_has_seen_is_not_absent(tmp_path: Any) -> None:
    early = tmp_path / "early.csv"
    early.write_text("mass,id\n1,a\n,b\n5,c\n900,d\n")
    late = tmp_path / "late.csv"
    late.write_text("mass,id\n3,x\n,y\n")
    train = wh.from_csv(str(early), name="early").filter(lambda row: row["id"] != "d", reason="too heavy")
    stream = wh.from_csv(str(late), name="late").fill_missing("mass", "mean", fit=train)
    with wh.start_run(workspace=tmp_path) as run:
        assert [row["mass"] for row in stream] == [3.0, 3.0]
        run.log_model("scale", b"1")
    workspace = wh.open(tmp_path)
    found = {row: workspace.impact("early", rows=[row]) for row in range(4)}
    assert [found[row].count for row in range(4)] == [0, 0, 0, 0]
    assert [found[row].absent for row in range(4)] == [False, True, False, True]
    assert [found[row].models for row in range(4)] == [["scale"], [], ["scale"], []]
    (influence,) = found[0].fits
    assert influence.to_json() == {
        "run": run.name, "stream": "stream", "op": "fill_missing(mass)", "field": "mass",
        "values": {"mean": 3.0}, "count": 2, "epochs": [0], "direct": True,
    }  # fmt: skip
    assert found[0].to_json()["fits"] == [influence.to_json()]
    assert found[0].drops == [], "what is learned of isn't dropped"
    (drop,) = found[1].drops
    assert (drop.op, drop.reason) == ("fit of fill_missing(mass)", "no value of mass to learn of")
    (drop,) = found[3].drops
    assert (drop.op, drop.reason, drop.detail) == ("lambda", "too heavy", "for the fit of fill_missing(mass)")
    assert found[1].fits == found[3].fits == []
    assert found[0].gaps == []


values = st.none() | st.integers(-3, 3) | st.just(float("nan"))
tables: Any = st.lists(st.fixed_dictionaries({"a": values, "b": values}), min_size=1, max_size=8)


def fitted_by_hand(rows: list[dict[str, Any]], kept: list[int]) -> dict[int, set[tuple[str, str, bool]]]:
    """Which row went into which fit of `stream_of`, and into which only by way of another."""

    def has(row: int, name: str) -> bool:
        value = rows[row][name]
        return not (value is None or value != value)  # noqa: PLR0124 - only NaN isn't itself

    filled = {"a"} if any(has(row, "a") for row in kept) else set()
    found: dict[int, set[tuple[str, str, bool]]] = {}
    for row in range(len(rows)):
        mine = found[row] = set()
        if row not in kept:
            continue
        if has(row, "a"):
            mine.add(("fill_missing(a)", "a", True))
        if filled:
            mine.add(("normalize(a, b)", "a", True))
        if has(row, "b"):
            mine.add(("normalize(a, b)", "b", True))
        if has(row, "a"):
            mine |= {("normalize(a, b)", name, False) for name in "ab"} - {
                ("normalize(a, b)", name, False) for op, name, direct in mine if op.startswith("norm")
            }
    return found


@given(tables, st.booleans())
def test_an_impact_names_every_fit_that_a_row_went_into_and_no_other(
    tmp_path_factory: Any, rows: list[dict[str, Any]], again: bool
) -> None:
    folder = tmp_path_factory.mktemp("ws")
    kept = [row for row, sample in enumerate(rows) if sample["b"] != 3]
    if not all(any(rows[row][name] in range(-9, 9) for row in kept) for name in "ab"):
        return
    given = wh.from_items(rows if again else iter(rows), name="rows")
    record = read(
        folder, given.filter(lambda row: row["b"] != 3).fill_missing("a", "median").normalize("a", "b")
    )
    wanted = fitted_by_hand(rows, kept)
    for row in range(len(rows)):
        impact = find_impact([record], "rows", rows=[row])
        assert {(each.op, each.field, each.direct) for each in impact.fits} == wanted[row]
        assert impact.absent is (row not in kept)
        assert impact.count == (row in kept)
    trace = trace_address(record, parse_address("x@0:0"))
    for fit in trace.fits:
        assert rows_of(fit) == [row for row in wanted if (fit.op, fit.field, True) in wanted[row]]
        assert fit.count == len(rows_of(fit))


def test_each_pass_has_what_it_learned(tmp_path: Any) -> None:
    rows = [{"a": float(number)} for number in range(20)]

    def shaken(row: dict[str, Any], *, rng: Any) -> dict[str, Any]:
        return {"a": row["a"] + rng.random()}

    record = read(tmp_path, wh.from_items(rows).map(shaken).normalize("a"), epochs=2)
    first, second = (trace_address(record, parse_address(f"x@{epoch}:0")).fits[0] for epoch in (0, 1))
    assert first.values != second.values
    impact = find_impact([record], "items", rows=[3])
    assert [each.epochs for each in impact.fits] == [(0,), (1,)]
    same = find_impact(
        [read(tmp_path / "b", wh.from_items(rows).normalize("a"), epochs=2)], "items", rows=[3]
    )
    assert [each.epochs for each in same.fits] == [(0, 1)]


def replayed(record: RunRecord, address: str, stream: Stream | None = None) -> Any:
    return Replayer(record, stream=stream).replay(parse_address(address))


def test_a_replay_takes_what_was_learned_from_the_record(tmp_path: Any) -> None:
    path = tmp_path / "birds.csv"
    shutil.copy(PENGUINS, path)
    stream = (
        penguins(path)
        .fill_missing("body_mass_g", "mean")
        .normalize("body_mass_g", how="robust")
        .one_hot("species")
    )
    record = read(tmp_path, stream.shuffle(3).batch(10, collate=list))
    assert replayed(record, "x@0:2.3").equal
    lines = path.read_text().split("\n")
    row = trace_address(record, parse_address("x@0:2.3")).origins[0].row
    other = 5 if row != 5 else 6
    lines[other + 1] = lines[other + 1].replace("Adelie", "Kiwi").replace("3", "9")
    path.write_text("\n".join(lines))
    again = replayed(record, "x@0:2.3")
    assert again.equal
    assert "species_Kiwi" not in again.value
    assert [difference.cause for difference in again.differences] == ["source"]


def test_a_replay_reads_one_row_and_a_journey_shows_each_stage(tmp_path: Any) -> None:
    source = Pieces([{"a": float(number)} for number in range(50)])
    stream = from_source(source).normalize("a").winsorize("a")
    record = read(tmp_path, stream)
    source.readings = 0
    replayer = Replayer(record, stream=stream)
    assert replayer.replay(parse_address("x@0:7")).equal
    stages = replayer.journey(parse_address("x@0:7"))
    assert [stage.op for stage in stages] == ["pieces", "normalize(a)", "winsorize(a)"]
    assert stages[0].value == {"a": 7.0}
    assert source.readings == 0, "nothing is read through to learn it again"


def test_what_the_record_has_lost_is_learned_again(tmp_path: Any, monkeypatch: Any) -> None:
    record = read(tmp_path, penguins().normalize("year"))
    monkeypatch.setattr(RunRecord, "fitted", lambda self, number: {})
    (fit,) = trace_address(record, parse_address("x@0:7")).fits
    assert (fit.values, fit.count) == (None, 344)
    assert replayed(record, "x@0:7").equal


def test_a_sample_filled_along_the_stream_is_traced_to_all_it_came_from_and_replayed(tmp_path: Any) -> None:
    path = tmp_path / "series.csv"
    path.write_text("value,flag\n1,x\n,\n,\n7,y\n,\n")
    stream = wh.from_csv(str(path), name="series").fill_missing({"value": "interpolate", "flag": "forward"})
    record = read(tmp_path, stream.map(jitter))
    origins = [
        [origin.row for origin in trace_address(record, parse_address(f"x@0:{item}")).origins]
        for item in range(5)
    ]
    assert origins == [[0], [0, 1, 3], [0, 2, 3], [3], [3, 4]]
    for item in range(5):
        assert replayed(record, f"x@0:{item}").equal
    assert find_impact([record], "series", rows=[0]).count == 3
    assert list(record.noticed(0).values()) == [{"value left missing": 1}]


def test_a_run_that_died_knows_what_it_had_learned(tmp_path: Any) -> None:
    run = wh.start_run(workspace=tmp_path)
    iterator = iter(penguins().normalize("body_mass_g"))
    for _ in range(5):
        next(iterator)
    record = wh.open(tmp_path).run(run.name).record
    assert record.passes[0].is_ended is False
    (fit,) = trace_address(record, parse_address("x@0:3")).fits
    assert fit.count == len(rows_of(fit)) == 342
    impact = find_impact([record], "penguins", rows=[300])
    assert (impact.count, impact.absent, len(impact.fits)) == (0, False, 1)
    iterator.close()
    run.finish()


def test_a_fit_changes_nothing_for_what_is_beside_it(tmp_path: Any) -> None:
    given = wh.from_items([{"a": float(number)} for number in range(6)], name="given")
    record = read(tmp_path, given.normalize("a").concat(given.take(2)))
    assert trace_address(record, parse_address("x@0:7")).fits == []
    assert len(trace_address(record, parse_address("x@0:2")).fits) == 1
    assert find_impact([record], "given", rows=[1]).count == 2
