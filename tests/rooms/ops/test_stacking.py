"""What a function of columns is given: a dict, of which no more is made than is asked for."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import whence as wh
from whence.ops.stacking import Stacked

FIELDS = {"a": 1, "b": 2, "c": 3}

Deed = Callable[[Any], Any]


def popped(fields: Any) -> Any:
    return fields.pop("a"), fields.pop("z", 5), fields.popitem(), dict(fields)


def deleted(fields: Any) -> Any:
    del fields["b"]
    return list(fields.items())


def changed(fields: Any) -> Any:
    fields["z"] = 0
    fields["b"] += 5
    fields |= {"c": 7, "y": 1}
    fields.update(x=2)
    return list(fields.items())


def defaulted(fields: Any) -> Any:
    return fields.setdefault("a", 9), fields.setdefault("q", 9), list(fields)


def cleared(fields: Any) -> Any:
    fields.clear()
    return len(fields), dict(fields), bool(fields)


def matched(fields: Any) -> Any:
    match fields:
        case {"a": first, **rest}:
            return first, rest
    return None


def called(fields: Any) -> Any:
    return dict(**fields)


SOME: list[tuple[Deed, set[str]]] = [
    (lambda fields: fields["b"], {"b"}),
    (lambda fields: fields.get("b"), {"b"}),
    (lambda fields: fields.get("z", 4), set()),
    (lambda fields: "a" in fields and "z" not in fields, set()),
    (lambda fields: (len(fields), bool(fields)), set()),
    (lambda fields: fields.__setitem__("a", 3) or fields["a"], set()),
]
ALL: list[Deed] = [
    popped, deleted, changed, defaulted, cleared, matched, called,
    dict, list, repr, sorted, copy.copy, copy.deepcopy,
    lambda fields: list(reversed(fields)),
    lambda fields: {**fields, "d": 4},
    lambda fields: fields | {"d": 4},
    lambda fields: list(({"d": 4, "a": 0} | fields).items()),
    lambda fields: dict({"d": 4}, **fields),
    lambda fields: sorted(map(str, {"d": 4, **fields})),
    lambda fields: list(fields.keys() - {"a"}),
    lambda fields: (list(fields.values()), list(fields.items())),
    lambda fields: (fields == FIELDS, fields != FIELDS, fields == dict(FIELDS), fields == {"a": 1}),
    lambda fields: pickle.loads(pickle.dumps(fields)),
    lambda fields: fields.copy(),
]  # fmt: skip


def stacked(made: set[str]) -> Stacked:
    def make(name: str) -> Any:
        assert name not in made, "a field is made twice"
        made.add(name)
        return FIELDS[name]

    return Stacked(FIELDS, make)


@pytest.mark.parametrize(("deed", "expected"), SOME)
def test_only_what_is_asked_for_is_made(deed: Deed, expected: set[str]) -> None:
    made: set[str] = set()
    assert deed(stacked(made)) == deed(dict(FIELDS))
    assert made == expected


@pytest.mark.parametrize("begin", [lambda fields: None, lambda fields: fields["c"], list])
@pytest.mark.parametrize("deed", [*ALL, *(deed for deed, _ in SOME)])
def test_whatever_is_done_it_is_a_dict(begin: Deed, deed: Deed) -> None:
    fields, plain = stacked(set()), dict(FIELDS)
    begin(fields)
    assert deed(fields) == deed(plain)
    assert list(fields.items()) == list(plain.items())
    assert fields == plain


def test_what_is_not_there_is_a_key_error() -> None:
    for name in ("z", None):
        with pytest.raises(KeyError):
            stacked(set())[name]
    with pytest.raises(TypeError, match="unhashable"):
        hash(stacked(set()))
    assert stacked(set()) == stacked(set())
    assert stacked(set()).__or__([]) is NotImplemented
    assert stacked(set()).__ror__([]) is NotImplemented


def test_other_libraries_take_it() -> None:
    frames = []

    def kept(columns: Any) -> Any:
        frames.append(pd.DataFrame(columns))
        return columns["a"] > 0

    wh.from_arrays(a=np.arange(9), b=np.arange(9) / 2).filter(kept, form="columns").collect()
    assert frames[-1].to_dict("list") == {"a": list(range(9)), "b": [n / 2 for n in range(9)]}


@pytest.mark.parametrize("make", [wh.from_table, lambda table: wh.from_items(table.to_pylist())])
def test_a_field_that_nobody_asks_for_need_not_go_together(make: Any) -> None:
    table = pa.table({"n": [1, 2, 3], "s": ["a", None, "b"]})
    rows = [sample | {"v": np.zeros(number)} for number, sample in enumerate(table.to_pylist())]
    stream = wh.from_items(rows) if make is not wh.from_table else make(table)
    assert [each["n"] for each in stream.filter(lambda columns: columns["n"] > 1, form="columns")] == [2, 3]
