"""What differs between two runs is named, with its source text, and what doesn't differ isn't."""

from __future__ import annotations

import itertools
import os
import pathlib
import subprocess
import sys
import textwrap
from importlib import util
from types import ModuleType
from typing import Any

import pytest

import whence as wh
from tests.oracle.readings import chunks_of
from whence.query import Change, RunDiff

_numbers = itertools.count()

STEPS = """
import math
LIMIT = 10

def doubled(x):
    return x * 2

def moved(x, by=1):
    return doubled(x) + by

def small(x):
    return x < LIMIT
"""


def module(folder: pathlib.Path, text: str) -> ModuleType:
    """The user's module, in this version of it."""
    path = folder / f"version{next(_numbers)}" / "steps.py"
    path.parent.mkdir()
    path.write_text(textwrap.dedent(text))
    spec = util.spec_from_file_location("steps", path)
    assert spec is not None
    assert spec.loader is not None
    found = sys.modules["steps"] = util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def stream_of(steps: ModuleType, seed: int = 3) -> wh.Stream:
    return wh.from_items(range(20), name="n").map(steps.moved).filter(steps.small).shuffle(seed).batch(4)


def recorded(stream: wh.Stream, workspace: pathlib.Path, **params: object) -> wh.Run:
    with wh.start_run(params=params, workspace=workspace) as run:
        stream.collect()
    return run


def compared(folder: pathlib.Path, before: wh.Stream, after: wh.Stream) -> RunDiff:
    runs = [recorded(stream, folder) for stream in (before, after)]
    return wh.open(folder).diff(*runs)


def test_what_is_the_same_however_it_was_read_has_no_differences(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x\n" + "\n".join(map(str, range(500))))
    steps = module(tmp_path, STEPS)
    runs = []
    for first, largest in ((1, 7), (64, 1_024)):
        with chunks_of(first, largest), wh.start_run(workspace=tmp_path) as run:
            stream_of(steps).collect()
            wh.from_csv(path).map(str).collect()
        runs.append(run)
    found = wh.open(tmp_path).diff(runs[0].name, runs[1].id)
    assert isinstance(found, RunDiff)
    assert found.same
    assert (found.params, found.ops, found.sources, found.environment) == ([], [], [], [])


def test_what_does_not_change_code_is_no_difference(tmp_path: pathlib.Path) -> None:
    other = STEPS.replace("import math", "import math  # of no use\n\n").replace("x * 2", "(x * 2)")
    found = compared(tmp_path, stream_of(module(tmp_path, STEPS)), stream_of(module(tmp_path, other)))
    assert found.same


@pytest.mark.parametrize(
    ("old", "new", "op", "shown"),
    [
        ("x * 2", "x * 3", "moved", ["-    return x * 2", "+    return x * 3"]),
        ("+ by", "- by", "moved", ["-    return doubled(x) + by", "+    return doubled(x) - by"]),
        ("x < LIMIT", "x <= LIMIT", "small", ["-    return x < LIMIT", "+    return x <= LIMIT"]),
    ],
)
def test_changed_text_is_shown_where_it_changed(
    tmp_path: pathlib.Path, old: str, new: str, op: str, shown: list[str]
) -> None:
    streams = [stream_of(module(tmp_path, text)) for text in (STEPS, STEPS.replace(old, new))]
    (change,) = compared(tmp_path, *streams).ops
    assert (change.op, change.how, change.params) == (op, "changed", [])
    (code,) = change.code
    assert [
        line for line in code.diff.splitlines() if line[:1] in "+-" and line[:3] not in ("---", "+++")
    ] == shown
    assert (code.constants, code.unknown) == ([], [])


@pytest.mark.parametrize(
    ("old", "new", "name", "values"),
    [
        ("LIMIT = 10", "LIMIT = 11", "steps.LIMIT", ("10", "11")),
        ("by=1", "by=2", "steps.moved(0=)", ("1", "2")),
    ],
)
def test_changed_values_are_named(
    tmp_path: pathlib.Path, old: str, new: str, name: str, values: tuple[str, str]
) -> None:
    streams = [stream_of(module(tmp_path, text)) for text in (STEPS, STEPS.replace(old, new))]
    (change,) = compared(tmp_path, *streams).ops
    (code,) = change.code
    assert code.constants == [Change(name=name, how="changed", before=values[0], after=values[1])]


def test_operations_that_came_went_and_changed_are_told_apart(tmp_path: pathlib.Path) -> None:
    steps = module(tmp_path, STEPS)
    before = wh.from_items(range(20), name="n").map(steps.moved, by=2).filter(steps.small).shuffle(3)
    after = wh.from_items(range(20), name="n").map(steps.moved, by=3).dedup().shuffle(4).batch(5)
    found = compared(tmp_path, before, after)
    assert [(each.op, each.before, each.how) for each in found.ops] == [
        ("moved", None, "changed"),
        ("small", None, "removed"),
        ("dedup()", None, "added"),
        ("shuffle(4)", "shuffle(3)", "changed"),
        ("batch(5)", None, "added"),
    ]
    assert found.ops[0].params == [Change(name="by", how="changed", before=2, after=3)]
    assert found.ops[3].params == [Change(name="seed", how="changed", before=3, after=4)]
    assert not found.ops[0].code


def test_draws_that_differ_by_the_seed_of_the_stream_alone_are_seen(tmp_path: pathlib.Path) -> None:
    def drawn(seed: int) -> wh.Stream:
        stream = wh.from_items(range(20), name="n").seeded(seed)
        return stream.map(lambda x, y: x + y, draw={"y": wh.draw.integers(0, 9)})

    (change,) = compared(tmp_path, drawn(1), drawn(2)).ops
    assert [each.name for each in change.params] == ["key"]


def test_sources_differ_by_their_files(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.txt").write_text(str(number))

    def read() -> wh.Run:
        stream = wh.from_files(folder, name="texts").map(lambda file: file.read())
        return recorded(stream, tmp_path)

    before = read()
    (folder / "3.txt").write_text("three")
    (folder / "4.txt").unlink()
    (folder / "5.txt").write_text("5")
    read()
    (change,) = wh.open(tmp_path).diff(before).sources
    assert (change.source, change.how, change.count) == ("texts", "changed", 3)
    assert [(part.name, part.how) for part in change.parts] == [
        ("3.txt", "changed"),
        ("4.txt", "removed"),
        ("5.txt", "added"),
    ]
    other = recorded(wh.from_items([1], name="others"), tmp_path)
    assert [(each.source, each.how) for each in wh.open(tmp_path).diff(before, other).sources] == [
        ("texts", "removed"),
        ("others", "added"),
    ]


def test_parameters_and_metrics_are_compared_but_metrics_are_no_cause(tmp_path: pathlib.Path) -> None:
    runs = []
    for value in (0.5, 0.25):
        with wh.start_run(params={"model": {"lr": 0.1}}, workspace=tmp_path) as run:
            run.log_metric("loss", value)
        runs.append(run)
    found = wh.open(tmp_path).diff(*runs)
    assert found.same
    assert found.metrics == [Change(name="loss", how="changed", before=0.5, after=0.25)]
    third = recorded(wh.from_items([], name="n"), tmp_path, model={"lr": 0.1, "depth": None})
    assert wh.open(tmp_path).diff(runs[0], third).params == [
        Change(name="model.depth", how="added", before=None, after=None)
    ]


def test_what_is_not_known_of_code_is_said_and_is_no_sameness(tmp_path: pathlib.Path) -> None:
    scope: dict[str, Any] = {}
    exec("def one(x):\n    return x\n\ndef two(x):\n    return -x", scope)
    before, after = (wh.from_items([1], name="n").map(scope[name], name="m") for name in ("one", "two"))
    (change,) = compared(tmp_path, before, after).ops
    assert any("source not available" in each for each in change.code[0].unknown)


def test_what_was_dropped_is_compared_by_operation_and_reason(tmp_path: pathlib.Path) -> None:
    numbers = wh.from_items(range(20), name="n")
    diff = compared(
        tmp_path,
        numbers.filter(lambda x: x < 15, name="low", reason="too high").batch(4),
        numbers.filter(lambda x: x < 12, name="low", reason="too high").batch(4),
    )
    (drop,) = diff.drops
    assert (drop.op, drop.reason, drop.before, drop.after) == ("low", "too high", 5, 8)
    assert diff.to_json()["drops"] == [drop.to_json()]


def test_an_operation_that_only_one_run_has_dropped_nothing_in_the_other(tmp_path: pathlib.Path) -> None:
    numbers = wh.from_items([1, 1, 2, 3], name="n")
    diff = compared(tmp_path, numbers.batch(2), numbers.dedup().batch(2))
    assert [(drop.op, drop.before, drop.after) for drop in diff.drops] == [("dedup()", None, 1)]


def test_runs_that_dropped_alike_have_no_drops_to_tell(tmp_path: pathlib.Path) -> None:
    stream = wh.from_items(range(20), name="n").filter(lambda x: x < 15, reason="too high").batch(4)
    assert compared(tmp_path, stream, stream).drops == []


def test_a_file_that_was_read_beside_the_streams_is_compared_by_its_digest(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    runs = []
    for text in ("lr,0.1", "lr,0.2"):
        pathlib.Path("settings.csv").write_text(text)
        with wh.start_run(workspace=tmp_path / "w") as run:
            assert pathlib.Path("settings.csv").read_text() == text
        runs.append(run)
    diff = wh.open(tmp_path / "w").diff(*runs)
    assert [(change.name, change.how) for change in diff.files] == [("settings.csv", "changed")]
    assert not diff.same


def test_scripts_without_streams_are_compared_as_text(tmp_path: pathlib.Path) -> None:
    script = tmp_path / "train.py"
    for rate in ("0.1", "0.2"):
        begin = "import whence as wh\nwith wh.start_run(workspace='w') as run:"
        script.write_text(f"{begin}\n    run.log_metric('lr', {rate})\n")
        subprocess.run(
            [sys.executable, script.name], cwd=tmp_path, check=True,
            env={**os.environ, "PYTHONPATH": str(pathlib.Path(wh.__file__).parents[1])},
        )  # fmt: skip
    workspace = wh.open(tmp_path / "w")
    newer, older = workspace.runs()
    diff = workspace.diff(older, newer)
    (change,) = diff.code
    assert (change.path, change.how) == ("train.py", "changed")
    assert "-    run.log_metric('lr', 0.1)\n+    run.log_metric('lr', 0.2)" in change.diff
    assert not diff.same
    assert workspace.diff(newer, newer).same
