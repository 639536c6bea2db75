"""Fields: what functions read, make and leave out is seen on the first samples, and nobody notices."""

from __future__ import annotations

import collections
import contextlib
import copy
import json
import operator
import pathlib
import pickle
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

import whence as wh
from whence.capture import FieldWatch
from whence.capture.views import View
from whence.errors import OpError
from whence.ops import Filter
from whence.streams import Stream

Sample = dict[str, Any]


def sample() -> Sample:
    return {"x": 1000, "name": "Ada", "inner": {"x": 1}, "array": np.arange(3)}


def seen(call: Callable[[Sample], Any], given: Sample | None = None) -> tuple[Any, dict[str, Any]]:
    """Call a function with a view, and with a plain sample; both must come to the same."""
    watched, plain = copy.deepcopy(given or sample()), copy.deepcopy(given or sample())
    watch = FieldWatch()
    made = watch.map(call, watched)
    assert repr(made) == repr(call(plain))
    assert repr(watched) == repr(plain), "a sample that is changed in place is changed"
    assert not holds_views(made)
    assert not holds_views(watched)
    return made, watch.notes.to_plain()


def holds_views(value: Any) -> bool:
    return any(type(each) is View for each in deep(value, set()))


def spread(given: Sample) -> Sample:
    return {**given, "y": given["x"] + 1}


def spread_by_choice(given: Sample) -> Sample:
    return {**given, "y": 1} if given["x"] else dict(given)


def spread_by_dict(given: Sample) -> Sample:
    return dict(given, y=given["x"] + 1)


def joined(given: Sample) -> Sample:
    return given | {"y": given["x"] + 1}


def joined_from_the_right(given: Sample) -> Sample:
    return {"y": given["x"] + 1} | given


def copied_by_method(given: Sample) -> Sample:
    made = given.copy()
    made["y"] = made["x"] + 1
    return made


def copied_shallow(given: Sample) -> Sample:
    made = copy.copy(given)
    made["y"] = made["x"] + 1
    return made


def added_in_place(given: Sample) -> Sample:
    given["y"] = given["x"] + 1
    return given


def updated_in_place(given: Sample) -> Sample:
    given.update(y=given["x"] + 1)
    given |= {"z": 3}
    del given["z"]
    return given


ADDS_Y = [
    spread, spread_by_dict, joined, joined_from_the_right, copied_by_method, copied_shallow, added_in_place,
    updated_in_place, lambda given: {**given, "y": given["x"] + 1},
    lambda given: dict(given, y=given["x"] + 1),
]  # fmt: skip


@pytest.mark.parametrize("call", ADDS_Y)
def test_a_field_that_is_added_to_the_others(call: Callable[[Sample], Any]) -> None:
    _, notes = seen(call)
    assert notes == {
        "count": 1, "read": ["x"], "made": ["y"], "kept": ["array", "inner", "name", "x"], "dropped": []
    }  # fmt: skip


def test_a_copy_that_is_what_comes_out_is_no_reading() -> None:
    assert "copied" not in seen(spread_by_choice)[1]
    assert seen(lambda given: [{**given, "i": 1}, {"inner": {**given}}])[1].get("copied") is None


def named_arguments(x: int, **rest: Any) -> int:
    return x


def copied_and_read(given: Sample) -> Any:
    made = dict(given)
    return made["name"]


def copied_by_a_helper(given: Sample) -> Any:
    return spread(given)["name"]


def spread_and_read(given: Sample) -> Any:
    return {**given}["name"]


@pytest.mark.parametrize(
    "call",
    [copied_and_read, copied_by_a_helper, spread_and_read, lambda given: named_arguments(**given),
     lambda given: collections.ChainMap(dict(given))["name"]],
)  # fmt: skip
def test_a_copy_from_which_anything_may_be_read_is_noted(call: Callable[[Sample], Any]) -> None:
    assert seen(call)[1]["copied"]


def dict_of_another_kind(given: Sample) -> Any:
    dict: Callable[[Any], Any] = operator.itemgetter("name")
    return dict(given)


def test_only_pythons_own_dict_is_taken_for_a_copy() -> None:
    assert seen(dict_of_another_kind)[1]["read"] == ["name"]


def matched(given: Sample) -> Any:
    match given:
        case {"x": int(x), "name": str()}:
            return x
    return None


READS: list[tuple[Callable[[Sample], Any], list[str]]] = [
    (lambda given: given["x"], ["x"]),
    (lambda given: given.get("x"), ["x"]),
    (lambda given: given.get("absent", 0), ["absent"]),
    (lambda given: "x" in given, ["x"]),
    (lambda given: given.pop("x"), ["x"]),
    (lambda given: given.pop("absent", None), ["absent"]),
    (lambda given: given.setdefault("x", 5), ["x"]),
    (operator.itemgetter("x", "name"), ["name", "x"]),
    (lambda given: "%(x)s" % given, ["x"]),  # noqa: UP031 - one way to read
    ("{name}".format_map, ["name"]),
    (lambda given: string.Template("$name").substitute(given), ["name"]),
    (lambda given: (given | {"x": 1})["name"], ["name"]),
    (matched, ["name", "x"]),
]


@pytest.mark.parametrize(("call", "read"), READS)
def test_what_is_read_by_name(call: Callable[[Sample], Any], read: list[str]) -> None:
    notes = seen(call)[1]
    assert notes["read"] == read
    assert "whole" not in notes
    assert "copied" not in notes


WHOLE: list[Callable[[Sample], Any]] = [
    list, sorted, lambda given: [*given.values()], lambda given: [*given.items()],
    lambda given: [*given.keys()], lambda given: {key: given[key] for key in given},
    lambda given: {key: given[key] for key in given.keys()},  # noqa: SIM118 - another way to read
    lambda given: given == {"x": 1}, lambda given: given != {}, copy.deepcopy,
    lambda given: pickle.loads(pickle.dumps(given)), repr, str, lambda given: [*reversed(given)],
    lambda given: given.popitem(),
]  # fmt: skip


@pytest.mark.parametrize("call", WHOLE)
def test_what_is_gone_through_is_read_as_a_whole(call: Callable[[Sample], Any]) -> None:
    assert seen(call)[1]["whole"]


def test_a_sample_is_written_as_json() -> None:
    assert seen(json.dumps, {"x": 1, "y": [1]})[1]["whole"]
    assert seen(lambda given: json.dumps(given, indent=1), {"x": 1})[1]["whole"]


def set_and_read(given: Sample) -> Sample:
    given["x"] = 5
    given["y"] = given["x"]
    return given


def test_what_was_set_before_isnt_read() -> None:
    assert seen(set_and_read)[1]["read"] == []
    assert seen(lambda given: (given | {"x": 7})["x"])[1]["read"] == []


def doubled_in_place(given: Sample) -> Sample:
    given["array"] *= 2
    return given


def test_what_is_changed_in_place_is_made() -> None:
    notes = seen(doubled_in_place)[1]
    assert notes["made"] == ["array"]
    assert "array" in notes["read"]


def test_what_is_left_out_is_dropped() -> None:
    notes = seen(lambda given: {"x": given["x"], "n": given["name"]})[1]
    assert (notes["kept"], notes["made"], notes["dropped"]) == (["x"], ["n"], ["array", "inner", "name"])
    assert seen(lambda given: given["x"])[1]["gives_values"]


class Pair(NamedTuple):
    first: Any
    second: Any


@dataclass(frozen=True, slots=True)
class Slotted:
    value: Any


class Holder:
    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"Holder({dict(self.value)})"


def in_an_array(given: Sample) -> Any:
    made = np.empty(2, object)
    made[0] = given
    return made


def in_a_circle(given: Sample) -> Any:
    made: list[Any] = [given]
    made.append(made)
    return made


DEEP: list[Callable[[Sample], Any]] = [
    lambda given: [given], lambda given: (given, given), lambda given: {"a": {"b": [given]}},
    lambda given: Pair(given, 1), Slotted, Holder, in_an_array, in_a_circle,
    lambda given: collections.defaultdict(list, a=[given]), lambda given: [given.copy(), given | {"x": 2}],
]  # fmt: skip


def deep(value: Any, done: set[int]) -> list[Any]:
    if id(value) in done:
        return []
    done.add(id(value))
    inner: list[Any] = []
    if isinstance(value, Mapping):
        inner = list(value.values())
    elif isinstance(value, list | tuple):
        inner = list(value)
    elif isinstance(value, np.ndarray) and value.dtype.hasobject:
        inner = value.tolist()
    elif isinstance(value, Slotted | Holder):
        inner = [value.value]
    return [value] + [each for item in inner for each in deep(item, done)]


@pytest.mark.parametrize("call", DEEP)
def test_no_view_is_left_in_what_comes_out(call: Callable[[Sample], Any]) -> None:
    given = sample()
    made = FieldWatch().map(call, given)
    found = deep(made, set())
    assert not any(type(each) is View for each in found)
    assert any(each is given for each in found) is (call is not DEEP[-1])


def test_a_view_that_somebody_keeps_is_a_dict_that_notes_nothing_more() -> None:
    kept: list[Any] = []
    watch = FieldWatch()
    watch.map(kept.append, sample())
    before = watch.notes.to_plain()
    assert kept[0]["name"] == "Ada"
    assert json.loads(json.dumps({"n": kept[0]["x"]})) == {"n": 1000}
    assert type(pickle.loads(pickle.dumps(kept[0]))) is dict
    assert watch.notes.to_plain() == before


def strict(given: Sample) -> Any:
    if given.__class__ is not dict:
        raise TypeError("wanted a dict and nothing else")
    return {"y": given["x"]}


def test_a_function_that_fails_on_a_view_gets_the_sample_itself() -> None:
    watch = FieldWatch()
    assert watch.map(strict, sample()) == {"y": 1000}
    assert watch.left == 0
    assert watch.notes.to_plain()["unknown"]


def asks(given: Sample) -> str:
    return type(given).__name__


class Asks:
    def __call__(self, given: Sample) -> str:
        return asks_inside(given)


def asks_inside(given: Sample) -> str:
    return next(type(each).__name__ for each in [given])


def test_a_function_that_asks_for_types_gets_nothing_but_dicts(tmp_path: pathlib.Path) -> None:
    source = wh.from_items([sample() for _ in range(3)])
    with wh.start_run("types", workspace=tmp_path / "ws") as run:
        assert list(source.map(asks)) == ["dict"] * 3
        assert list(source.map(asks_inside)) == ["dict"] * 3
    assert all(event.body["unknown"] for event in run.record.journal.find("fields") if event.body)


def failing(given: Sample) -> Any:
    given["x"] = 0
    raise ValueError(given["name"])


def test_a_function_that_fails_anyway_fails_as_without_views_and_changes_nothing(
    tmp_path: pathlib.Path,
) -> None:
    items = [sample()]
    with wh.start_run("fails", workspace=tmp_path / "ws"):
        with pytest.raises(OpError, match=r"failed on sample 0 .*ValueError: Ada") as caught:
            list(wh.from_items(items).map(failing))
        found = list(wh.from_items(items * 3).map(failing, on_error="quarantine"))
    assert isinstance(caught.value.__cause__, ValueError)
    assert found == []


def stopping(given: Sample) -> Any:
    if given["x"] == 2:
        raise StopIteration
    return given["x"]


@pytest.mark.parametrize("recorded", [True, False])
def test_errors_name_the_sample_whether_watched_or_not(tmp_path: pathlib.Path, recorded: bool) -> None:
    stream = wh.from_items([{"x": number} for number in range(40)], name="n")
    for function, place in ((stopping, 2), (lambda given: 1 // (given["x"] - 20), 20)):
        run = wh.start_run("errors", workspace=tmp_path / "ws") if recorded else contextlib.nullcontext()
        with run, pytest.raises(OpError, match=f"failed on sample {place} ") as caught:
            list(stream.map(function))
        assert caught.value.position == place


def noisy(given: Sample, *, rng: Any) -> Sample:
    return given | {"noise": rng.integers(0, 1 << 40)}


def drawn(given: Sample, dx: int) -> Sample:
    return given | {"dx": dx}


def test_what_is_made_is_the_same_whether_watched_or_not(tmp_path: pathlib.Path) -> None:
    source = wh.from_items([{"x": number} for number in range(100)])
    streams: list[Stream] = [
        source.map(noisy),
        source.map(drawn, draw={"dx": wh.draw.integers(0, 1 << 40)}),
        source.shuffle(seed=1).map(noisy).filter(lambda given: given["noise"] % 3 > 0),
        source.map(strict),
    ]
    for stream in streams:
        outside = list(stream)
        with wh.start_run("same", workspace=tmp_path / "ws"):
            assert list(stream) == outside
            assert list(stream) == outside


def test_a_sample_in_memory_that_a_function_changes_is_changed_as_without_a_run(
    tmp_path: pathlib.Path,
) -> None:
    def reorder(given: Sample) -> Sample:
        given["x"] = given.pop("x") + 1
        given.pop("name")
        return given

    items, others = [[{"x": number, "name": "a", "y": 2} for number in range(20)] for _ in range(2)]
    outside = list(wh.from_items(others).map(reorder))
    with wh.start_run("same", workspace=tmp_path / "ws"):
        inside = list(wh.from_items(items).map(reorder))
    assert [list(each.items()) for each in inside] == [list(each.items()) for each in outside]
    assert [list(each.items()) for each in items] == [list(each.items()) for each in others]


def test_only_the_first_samples_are_watched_and_told_once(tmp_path: pathlib.Path) -> None:
    kinds: list[str] = []

    def look(given: Sample) -> Sample:
        kinds.append(given.__class__.__name__)
        return given

    stream = wh.from_items([{"x": number} for number in range(50)]).map(look)
    with wh.start_run("first", workspace=tmp_path / "ws") as run:
        part = iter(stream.epoch(0))
        next(part)
        part.close()
        list(stream.epoch(1))
        list(stream.epoch(2))
    assert kinds.count("View") == 16
    assert kinds[:16] == ["View"] * 16
    events = run.record.journal.find("fields")
    assert [event.body["count"] for event in events if event.body] == [16]
    kinds.clear()
    list(stream)
    assert set(kinds) == {"dict"}


def test_what_a_dying_run_has_seen_is_written_when_it_is_complete(tmp_path: pathlib.Path) -> None:
    stream = wh.from_items([{"x": number} for number in range(50)]).map(spread)
    with wh.start_run("left", workspace=tmp_path / "ws") as run:
        part = iter(stream)
        for _ in range(3):
            next(part)
        assert run.record.journal.find("fields")
        part.close()


def test_every_function_of_an_op_is_watched_by_itself(tmp_path: pathlib.Path) -> None:
    rows = [{"k": number % 3, "x": number, "t": "a" * number, "u": 1} for number in range(30)]
    source = wh.from_items(rows, name="rows")
    other = wh.from_items([{"k": key, "z": key + 1000} for key in range(3)], name="other")
    streams = {
        "sorted": source.sort(lambda row: -row["x"]),
        "unique": source.dedup(lambda row: row["k"]),
        "packed": source.pack(60, lambda row: len(row["t"])),
        "part": source.split({"a": 1.0}, seed=1, by=lambda row: row["k"])["a"],
        "grouped": source.group_by(lambda row: row["k"]).aggregate(
            lambda key, some: {"k": key, "most": max(row["x"] for row in some)}
        ),
        "joined": source.join(
            other, on=lambda row: row["k"], combine=lambda left, right: left | {"z": right["z"] + left["x"]}
        ),
        "zipped": source.zip(source, combine=lambda one, two: {"x": one["x"], "d": one["x"] - two["u"]}),
        "several": source.flat_map(lambda row: [row | {"n": n} for n in range(row["x"] % 3)]),
        "listed": source.map_batches(lambda some: [{"s": row["x"]} for row in some], size=4),
        "columns": source.map_batches(
            lambda cols: {"x": cols["x"], "h": cols["u"] * 2}, size=4, form="columns"
        ),
        "masked": source.pipe(Filter(label="masked", fn=lambda cols: cols["x"] > 3, form="columns")),
        "added": source.with_columns(a=lambda cols: cols["x"] + cols["u"], b=lambda cols: cols["k"], c=1),
    }
    with wh.start_run("functions", workspace=tmp_path / "ws") as run:
        inside = {name: list(stream.named(name)) for name, stream in streams.items()}
    assert all(list(stream) == inside[name] for name, stream in streams.items())
    names = [stream.name for stream in run.streams]
    found = {}
    for event in run.record.journal.find("fields"):
        body = dict(event.body or {})
        assert body.pop("count") >= 3
        place = names[event.public["stream"]], body.pop("part")
        found[place] = {key: body[key] for key in body if body[key]}
    key_only = {"read": ["k"]}
    assert found == {
        ("sorted", "key"): {"read": ["x"]},
        ("unique", "key"): key_only,
        ("packed", "length"): {"read": ["t"]},
        ("part", "by"): key_only,
        ("grouped", "key"): key_only,
        ("grouped", "fn"): {"read": ["x"], "made": ["most"], "kept": ["k"], "dropped": ["t", "u", "x"]},
        ("joined", "key"): key_only,
        ("joined", "combine"): {"read": ["x", "z"], "made": ["z"], "kept": ["k", "t", "u", "x"]},
        ("zipped", "combine"): {
            "read": ["u", "x"], "made": ["d"], "kept": ["x"], "dropped": ["k", "t", "u"]
        },
        ("several", "fn"): {"read": ["x"], "made": ["n"], "kept": ["k", "t", "u", "x"]},
        ("listed", "fn"): {"read": ["x"], "made": ["s"], "dropped": ["k", "t", "u", "x"]},
        ("columns", "fn"): {"read": ["u", "x"], "made": ["h"], "kept": ["x"], "dropped": ["k", "t", "u"]},
        ("masked", "fn"): {"read": ["x"], "kept": ["k", "t", "u", "x"]},
        ("added", "columns"): {
            "read": ["k", "u", "x"], "made": ["a", "b"], "sources": {"a": ["u", "x"], "b": ["k"]}
        },
    }  # fmt: skip


def test_a_column_that_nobody_asks_for_fails_nobody(tmp_path: pathlib.Path) -> None:
    rows = [{"x": number, "ragged": np.zeros(1 + number % 2)} for number in range(20)]
    stream = wh.from_items(rows).map_batches(lambda cols: {"y": cols["x"] * 2}, size=4, form="columns")
    with wh.start_run("ragged", workspace=tmp_path / "ws"):
        assert [row["y"] for row in stream] == [2 * number for number in range(20)]


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_see_what_one_process_sees(tmp_path: pathlib.Path, workers: int) -> None:
    source = wh.from_items([{"x": number, "k": number % 7, "t": "a"} for number in range(3000)], name="rows")
    stream = (
        source.map(spread).filter(lambda row: row["x"] >= 0).map_batches(lambda some: [*some], size=5)
        .flat_map(lambda row: [{"y": row["y"]}]).dedup(lambda row: row["y"])
    )  # fmt: skip
    seen_by: list[list[Any]] = []
    for count in (0, workers):
        with wh.start_run("seen", workspace=tmp_path / "ws") as run:
            list(stream.epoch(0, workers=count))
        events = run.record.journal.find("fields")
        found = [(event.public["node"], event.body["part"], event.body) for event in events if event.body]
        seen_by.append(sorted(found, key=lambda each: each[:2]))
    assert seen_by[0] == seen_by[1]
    assert len(seen_by[0]) == 5
