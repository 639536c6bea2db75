"""A run is gone on with by another process: it is the same run, for whoever reads it."""

from __future__ import annotations

import collections
import errno
import functools
import json
import os
import pathlib
import secrets
import signal
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

import whence as wh
from tests.rooms.store.reader import RunReader
from whence.cli import main
from whence.errors import (
    DamagedError,
    InputError,
    NotFoundError,
    StoreBusyError,
    StoreError,
    StoreFullError,
)
from whence.vocab import digest_bytes, digest_value


def in_child(act: Callable[[], object]) -> None:
    """Do something in a process that is killed then, as if its power had gone."""
    child = os.fork()
    if child == 0:
        code = 3
        try:
            act()
            os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code == -signal.SIGKILL


def read_some(make: Callable[[], Any], count: int, **how: Any) -> Callable[[], None]:
    """In a run: read so many samples of a stream, and leave the pass open."""

    def act() -> None:
        wh.start_run(**how)
        iterator = iter(make())
        for _ in range(count):
            next(iterator)
        globals()["held"] = iterator  # or the pass would be ended

    return act


@pytest.fixture
def place(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "ws"


def newest(place: pathlib.Path) -> wh.Run:
    return wh.open(place).run()


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def plus(number: int) -> int:
    return number + 1


# what it is


def test_a_killed_run_goes_on_under_its_name_and_ends(place: pathlib.Path) -> None:
    def begins() -> None:
        run = wh.start_run("title", params={"a": 1, "b": 1}, tags={"t": "x"}, workspace=place)
        run.log_metric("loss", 1.0)

    in_child(begins)
    before = newest(place)
    assert (before.status, before.ended_at, before.totals) == ("lost", None, {})
    with wh.start_run(resume=before.name, params={"b": 2}, tags={"u": "y"}, workspace=place) as run:
        assert (run.id, run.name, run.title, run.status) == (before.id, before.name, "title", "resumed")
        run.log_metric("loss", 0.5)
        run.log_note("went on")
    after = wh.open(place).run(before.id)
    assert [each.id for each in wh.open(place).runs()] == [before.id]
    assert (after.status, after.params, after.tags) == ("finished", {"a": 1, "b": 2}, {"t": "x", "u": "y"})
    assert after.history("loss").value.tolist() == [1.0, 0.5]
    assert after.notes == ["went on"]
    assert after.started_at == before.started_at
    assert after.ended_at is not None
    assert wh.open(place).verify().holds


@pytest.mark.parametrize("way", ["name", "id", "beginning of the id"])
def test_a_run_is_named_as_anywhere(place: pathlib.Path, way: str) -> None:
    with wh.start_run(workspace=place) as run:
        pass
    named = {"name": run.name, "id": run.id, "beginning of the id": run.id[:12]}[way]
    with wh.start_run(resume=named, workspace=wh.open(place)) as again:
        assert again.id == run.id


def test_totals_are_those_of_all_processes_and_the_end_that_of_the_last(place: pathlib.Path) -> None:
    with pytest.raises(ZeroDivisionError), wh.start_run(workspace=place) as run:
        raise ZeroDivisionError
    first = newest(place)
    assert (first.status, "ZeroDivisionError" in first.totals["traceback"]) == ("failed", True)
    live = wh.start_run(resume=run.name, workspace=place)
    going_on = newest(place)
    assert (going_on.status, going_on.ended_at) == ("resumed", None)
    assert "traceback" not in going_on.totals
    live.finish()
    last = newest(place)
    assert (last.status, "traceback" in last.totals) == ("finished", False)
    ends = [event.body or {} for event in last.record.journal.find("run_end")]
    assert len(ends) == 2
    assert last.totals["wall_s"] == sum(end["wall_s"] for end in ends) > first.totals["wall_s"]
    assert last.totals["cpu_s"] == sum(end["cpu_s"] for end in ends)
    assert first.ended_at is not None
    assert last.ended_at is not None
    assert last.ended_at > first.ended_at


def test_the_environment_is_the_last_one_and_that_of_a_pass_its_own(
    place: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with wh.start_run(workspace=place) as run:
        wh.from_items([1]).collect()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    with wh.start_run(resume=run.name, workspace=place):
        wh.from_items([1]).collect()
    record = newest(place).record
    assert len(record.journal.find("environment")) == 2
    first, last = record.environment_of(0), record.environment_of(1)
    assert record.environment == last
    assert first != last
    told = {name: (first.get(name), last.get(name)) for name in first if first[name] != last.get(name)}
    assert "CUDA_VISIBLE_DEVICES" in str(told)


def test_models_are_further_versions_and_small_ones_are_kept_once(place: pathlib.Path) -> None:
    small = secrets.token_bytes(24)  # nothing that stands in the environment, which has the code's changes
    with wh.start_run(workspace=place) as run:
        run.log_model("m", small)
    with wh.start_run(resume=run.name, workspace=place) as run:
        run.log_model("m", small)
        run.log_model("m", b"other")
    workspace = wh.open(place)
    assert [model.load_bytes() for model in workspace.models("m")] == [small, small, b"other"]
    assert (workspace.path / "runs" / run.id / "payloads").read_bytes().count(small) == 1


# streams, sources and passes


class Lazily(Sequence[int]):
    """Makes an item when it is asked for it."""

    def __len__(self) -> int:
        return 50

    def __getitem__(self, at: Any) -> Any:
        return int(at)


MADE: dict[str, Callable[[pathlib.Path], Any]] = {
    "list": lambda folder: wh.from_items([number * 3 for number in range(9_000)]),
    "objects": lambda folder: wh.from_items([{"text": str(number)} for number in range(50)]),
    "tuple": lambda folder: wh.from_items(tuple(range(50))),
    "range": lambda folder: wh.from_items(range(10_000)),
    "array": lambda folder: wh.from_items(np.arange(50.0)),
    "arrays": lambda folder: wh.from_arrays(a=np.arange(50), b=np.array(["x"] * 50, object)),
    "table": lambda folder: wh.from_table(pa.table({"a": list(range(50)), "b": [None, "x"] * 25})),
    "named sequence": lambda folder: wh.from_items(Lazily(), name="lazily"),
    "named iterable": lambda folder: wh.from_items((number for number in range(50)), name="numbers"),
    "files": lambda folder: wh.from_files(folder / "files"),
    "text": lambda folder: wh.from_text(folder / "lines.txt"),
    "csv": lambda folder: wh.from_csv(folder / "rows.csv"),
}


@pytest.fixture
def data(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "files").mkdir()
    for number in range(50):
        (tmp_path / "files" / f"{number:02}").write_text(str(number))
    (tmp_path / "lines.txt").write_text("".join(f"{number}\n" for number in range(50)))
    (tmp_path / "rows.csv").write_text("a,b\n" + "".join(f"{number},x\n" for number in range(50)))
    return tmp_path


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize("taken", [1, 20])
def test_the_same_source_keeps_its_number_and_the_stream_its_own(
    place: pathlib.Path, data: pathlib.Path, kind: str, taken: int
) -> None:
    def make() -> Any:
        return MADE[kind](data).batch(2)

    in_child(read_some(make, taken, workspace=place))
    in_child(read_some(make, 3, resume=newest(place).name, workspace=place))
    with wh.start_run(resume=newest(place).name, workspace=place):
        make().collect()
    run = newest(place)
    assert (len(run.sources), [stream.name for stream in run.streams]) == (1, ["stream"])
    assert [(view.stream, view.epoch, view.repeat) for view in run.passes] == [
        (0, 0, 0),
        (0, 0, 1),
        (0, 0, 2),
    ]
    assert [view.delivered for view in run.passes][:2] == [taken, 3]
    assert wh.open(place).verify().holds
    told = [tuple(event.body["digests"]) for event in run.record.journal.find("source_parts") if event.body]
    assert len(told) == len(set(told)), "nothing is told twice"


@pytest.mark.parametrize("kind", ["sequence", "iterable"])
def test_what_can_not_be_compared_and_has_no_name_is_another_source(place: pathlib.Path, kind: str) -> None:
    def make() -> Any:
        return wh.from_items(Lazily() if kind == "sequence" else iter(range(50)))

    in_child(read_some(make, 5, workspace=place))
    with wh.start_run(resume=newest(place).name, workspace=place):
        make().collect()
    run = newest(place)
    assert [source.name for source in run.sources] == ["items", "items-2"]
    assert [stream.name for stream in run.streams] == ["stream", "stream-2"]
    assert [view.stream for view in run.passes] == [0, 1]


@pytest.mark.parametrize("changed", [0, 4_096, 8_999])
def test_other_content_is_another_source_even_where_all_that_describes_it_is_the_same(
    place: pathlib.Path, changed: int
) -> None:
    def make(number: int) -> Any:
        items = list(range(9_000))
        items[changed] = number
        return wh.from_items(items)

    in_child(read_some(lambda: make(-1), 9_000, workspace=place))
    with wh.start_run(resume=newest(place).name, workspace=place):
        make(-2).take(3).collect()
        make(-1).take(3).collect()
    run = newest(place)
    assert [source.name for source in run.sources] == ["items", "items-2"]
    nodes = [stream.nodes[0]["source"] for stream in run.streams]
    assert nodes == [0, 1, 0]


def test_content_that_was_never_delivered_says_nothing(place: pathlib.Path) -> None:
    """The second block was not told, so no row of it was received: whatever it holds now is as good."""
    in_child(read_some(lambda: wh.from_items([0] * 5_000), 2, workspace=place))
    with wh.start_run(resume=newest(place).name, workspace=place):
        wh.from_items([0] * 4_096 + [1] * 904).collect()
    run = newest(place)
    assert len(run.sources) == 1
    assert {row for _, row in run.sources[0].digests} == {0, 4_096}


def test_equal_descriptions_are_told_apart_in_whatever_order_they_are_read(place: pathlib.Path) -> None:
    first, second = [1, 2, 3], [4, 5, 6]

    def begins() -> None:
        wh.start_run(workspace=place)
        wh.from_items(first).collect()
        wh.from_items(second).collect()

    in_child(begins)
    with wh.start_run(resume=newest(place).name, workspace=place) as run:
        wh.from_items(list(second)).collect()
        wh.from_items(list(first)).collect()
        wh.from_items(list(first)).collect()
    assert [view.stream for view in run.passes] == [0, 1, 1, 0, 2]
    assert [source.name for source in run.sources] == ["items", "items-2", "items-3"]


def test_files_that_have_changed_are_told_again(place: pathlib.Path, data: pathlib.Path) -> None:
    in_child(read_some(lambda: MADE["files"](data), 30, workspace=place))
    (data / "files" / "07").write_text("changed")
    before = newest(place).sources[0].digests
    with wh.start_run(resume=newest(place).name, workspace=place):
        wh.from_files(data / "files").map(lambda file: file.read()).collect()
    run = newest(place)
    assert len(run.sources) == 1
    now = run.sources[0].digests
    assert {part for (part, _), told in before.items() if now[part, 0] != told} <= {7}
    assert len(now) == 50


PROGRAM = """
import sys
import whence as wh
{blank}
def plus(number):
    return number + {addend}

run = wh.start_run(resume=sys.argv[2] or None, workspace=sys.argv[1])
stream = wh.from_items(list(range(9))).map(plus).map(lambda number: number * 2).named("train")
list(stream.epoch(int(sys.argv[3])))
"""


def test_a_function_on_another_line_is_the_same_and_one_that_has_changed_is_not(
    place: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    def execute(program: str, resume: str, epoch: int) -> None:
        path = tmp_path / "train.py"
        path.write_text(program)
        subprocess.run([sys.executable, str(path), str(place), resume, str(epoch)], check=True)

    execute(PROGRAM.format(blank="", addend=1), "", 0)
    run = newest(place)
    execute(PROGRAM.format(blank="\n# a comment\nimport os\n", addend=1), run.name, 1)
    assert [(view.stream, view.epoch) for view in newest(place).passes] == [(0, 0), (0, 1)]
    execute(PROGRAM.format(blank="", addend=2), run.name, 2)
    run = newest(place)
    assert [(view.stream, view.epoch) for view in run.passes] == [(0, 0), (0, 1), (1, 2)]
    assert [stream.name for stream in run.streams] == ["train", "train-2"]
    assert len(run.sources) == 1


def test_what_was_seen_of_fields_is_kept_and_added_to(place: pathlib.Path) -> None:
    def reads(sample: dict[str, int]) -> dict[str, int]:
        return {"a": sample["a"]} if sample["a"] < 6 else {"b": sample["b"]}

    def make() -> Any:
        return wh.from_items([{"a": number, "b": -number} for number in range(40)]).map(reads)

    with wh.start_run(workspace=place):
        make().take(5).collect()
    with wh.start_run(resume=newest(place).name, workspace=place):
        make().take(5).collect()
    with wh.start_run(resume=newest(place).name, workspace=place) as run:
        make().collect()
    seen = {(stream, node): body for stream, node, body in run.record.fields_seen}
    assert seen[1, 1]["read"] == ["a", "b"]
    first = [body["count"] for stream, _, body in run.record.fields_seen if stream == 0]
    assert first == [5, 10]


def test_a_pass_that_never_ended_is_known_by_the_journal_too(place: pathlib.Path) -> None:
    in_child(read_some(lambda: wh.from_items(list(range(50))), 7, workspace=place))
    name = newest(place).name
    in_child(read_some(lambda: wh.from_items(list(range(50))), 3, resume=name, workspace=place))
    wh.start_run(resume=name, workspace=place).finish()
    run = newest(place)
    events = [event.public for event in run.record.journal.find("run_resume")]
    assert events == [{"passes": 1, "lost": [[0, 7, 6]]}, {"passes": 2, "lost": [[1, 3, 2]]}]
    expected = [(7, 6, False), (3, 2, False)]
    assert [(view.delivered, view.taken, view.is_ended) for view in run.passes] == expected
    (run.record.journal.path / "cursors").unlink()
    assert [(view.delivered, view.taken, view.is_ended) for view in newest(place).passes] == expected
    assert newest(place).trace(item=6).origins[0].row == 6


def test_a_state_taken_before_the_first_sample_abandons_what_came_after_it(place: pathlib.Path) -> None:
    def make() -> Any:
        return wh.from_items(list(range(40))).batch(2).named("s")

    states: pathlib.Path = place.parent / "state"

    def begins(epochs: int) -> None:
        run, stream = wh.start_run(workspace=place), make()
        for epoch in range(epochs):
            samples = iter(stream.epoch(epoch))
            states.write_text(json.dumps(samples.state()))
            for batch in samples:
                run.log_metric("first", float(batch[0]))
                if epoch == epochs - 1 and batch[0] == 10:
                    run.sync()
                    os.kill(os.getpid(), signal.SIGKILL)

    for epochs in (1, 2):
        in_child(functools.partial(begins, epochs))
        with wh.start_run(resume=newest(place).name, workspace=place) as run:
            for batch in make().resume(json.loads(states.read_text())):
                run.log_metric("first", float(batch[0]))
        assert [(view.repeat, view.count) for view in run.passes][-2:] == [(0, 6), (0, 20)]
        fates = collections.Counter(point.fate for point in run.exposures(epochs - 1) if point.item == 0)
        assert fates == {"abandoned": 6, "again": 6, "delivered": 14}
        history = run.history("first")
        assert history.step.tolist()[-20:] == list(range(20 * epochs - 19, 20 * epochs + 1))
        assert history.value.tolist()[-20:] == [2.0 * at for at in range(20)]


def test_what_a_killed_pass_decided_is_still_there_when_the_run_has_ended(place: pathlib.Path) -> None:
    def make() -> Any:
        return wh.from_items(list(range(90))).filter(lambda number: number % 3 == 1).batch(4).named("s")

    in_child(read_some(make, 3, workspace=place))
    in_child(read_some(make, 2, resume=newest(place).name, workspace=place))
    with wh.start_run(resume=newest(place).name, workspace=place):
        make().collect()
    run = newest(place)
    for repeat, output in ((0, 2), (1, 1), (2, 2)):
        rows = [origin.row for origin in run.trace(0, output, repeat=repeat).origins]
        assert rows == [3 * number + 1 for number in range(4 * output, 4 * output + 4)]
    reader = RunReader(run.record.journal.path)
    reader.check_segments()
    assert [public["passes"] for public, _ in reader.find("run_resume")] == [1, 2]
    workspace = wh.open(place)
    assert workspace.verify().holds
    assert workspace.impact("items", rows=[4]).count == 3
    assert workspace.impact("items", rows=[3]).count == 0


def test_a_reader_of_the_page_of_formats_reads_it(place: pathlib.Path) -> None:
    page = (pathlib.Path(__file__).parents[3] / "docs" / "reference" / "format.md").read_text("utf-8")
    in_child(read_some(lambda: wh.from_items(list(range(50))), 7, workspace=place))
    wh.start_run(resume=newest(place).name, workspace=place).finish()
    with wh.start_run(resume=newest(place).name, workspace=place) as run:
        wh.from_items(list(range(50))).collect()
    reader = RunReader(run.record.journal.path)
    reader.check_segments()
    assert [kind for kind, *_ in reader.events if kind in ("run_start", "run_resume", "run_end")] == [
        "run_start",
        "run_resume",
        "run_end",
        "run_resume",
        "run_end",
    ]
    for kind, _, public, body in reader.events:
        for name in [kind, *public, *(body or {})]:
            assert f"`{name}`" in page, (kind, name)
    (lost,) = (each for public, _ in reader.find("run_resume") for each in public["lost"])
    assert lost == [0, *reader.cursors()[0]]
    (source,) = (body for _, body in reader.find("source"))
    described = {name: source[name] for name in ("kind", "name", "root", "layout", "description")}
    paths = zlib.decompress(source["paths"])
    assert source["identity"] == digest_value([described, digest_bytes(paths)])


# what others knew of it


def test_what_was_known_of_a_run_that_had_ended_is_not_told_of_the_one_that_goes_on(
    place: pathlib.Path,
) -> None:
    rows = list(range(100))
    workspace = wh.open(place)

    def ask(row: int) -> int:
        return workspace.impact("items", rows=[row]).count

    with wh.start_run(params={"lr": 1}, workspace=place) as run:
        wh.from_items(rows).take(10).named("s").collect()
    assert (ask(5), ask(50)) == (1, 0)
    assert workspace.summaries("params.lr = 1")[0]["status"] == "finished"
    live = wh.start_run(resume=run.name, params={"lr": 2}, workspace=place)
    assert workspace.summaries("params.lr = 2")[0]["status"] == "resumed"
    assert (ask(5), ask(50)) == (1, 0)
    passing = iter(wh.from_items(rows).skip(45).named("t"))
    assert [next(passing) for _ in range(10)][-1] == 54
    assert (ask(5), ask(50), ask(60)) == (1, 1, 0)
    assert not workspace.impact("items", rows=[50]).absent
    live.finish()
    assert workspace.summaries("params.lr = 2")[0]["status"] == "finished"
    for asked in (workspace, wh.open(place)):
        workspace = asked
        assert (ask(5), ask(50), ask(60)) == (1, 1, 0)
    assert workspace.impact("items", rows=[60]).absent


def test_reach_from_before_does_not_answer_where_none_could_be_kept(
    place: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with wh.start_run(workspace=place) as run:
        wh.from_items(list(range(9))).take(2).collect()
    monkeypatch.setattr("whence.workspace.starting.write_reach", lambda record, writer: None)
    with wh.start_run(resume=run.name, workspace=place):
        wh.from_items(list(range(9))).skip(2).collect()
    assert len(newest(place).record.journal.find("reach")) == 1
    assert [wh.open(place).impact("items", rows=[row]).count for row in (1, 5)] == [1, 1]


def test_a_run_that_died_between_its_seal_and_its_end_goes_on(
    place: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies_when_sealed() -> None:
        run = wh.start_run(workspace=place)
        wh.from_items(list(range(9))).take(2).collect()
        run._writing._writer.sync = lambda: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign]
        run.finish()

    in_child(dies_when_sealed)
    assert newest(place).status == "finished"
    with wh.start_run(resume=newest(place).name, workspace=place):
        wh.from_items(list(range(9))).skip(2).collect()
    assert wh.open(place).verify().holds
    assert [wh.open(place).impact("items", rows=[row]).count for row in (1, 5)] == [1, 1]


# what is refused


def test_a_name_and_a_run_to_resume_are_one_too_many(place: pathlib.Path) -> None:
    with pytest.raises(InputError, match="keeps its name"):
        wh.start_run("other", resume="quiet-otter-17", workspace=place)
    assert not place.exists()


@pytest.mark.parametrize("resume", ["", 7, b"quiet-otter-17", ["a"]])
def test_what_names_no_run_is_refused(place: pathlib.Path, resume: Any) -> None:
    with pytest.raises(InputError, match="wanted the name or id"):
        wh.start_run(resume=resume, workspace=place)


def test_an_unknown_run_is_not_found_and_nothing_is_made(place: pathlib.Path) -> None:
    with pytest.raises(NotFoundError, match="quiet-otter-17"):
        wh.start_run(resume="quiet-otter-17", workspace=place)
    assert not place.exists()


def test_a_run_that_goes_on_is_busy(place: pathlib.Path) -> None:
    with wh.start_run(workspace=place) as run:
        with pytest.raises(StoreBusyError, match="this process"):
            wh.start_run(resume=run.name, workspace=place)
        run.log_note("unharmed")
    assert (run.status, run.notes) == ("finished", ["unharmed"])


@pytest.mark.parametrize("given", [{"params": [1]}, {"tags": 3}])
def test_bad_parameters_leave_the_run_as_it_was(place: pathlib.Path, given: dict[str, Any]) -> None:
    with wh.start_run(workspace=place) as run:
        pass
    before = contents(place / ".whence" / "runs")
    with pytest.raises(InputError):
        wh.start_run(resume=run.name, workspace=place, **given)
    assert contents(place / ".whence" / "runs") == before


def test_a_sealed_pass_whose_blocks_were_spoiled_is_damage(place: pathlib.Path) -> None:
    def begins() -> None:
        run = wh.start_run(workspace=place)
        for _ in range(2):
            wh.from_items(list(range(5_000))).filter(lambda number: number % 7 < 3).collect()
        run.sync()

    in_child(begins)
    run = newest(place)
    lineage = run.record.journal.path / "segments" / "lineage"
    whole = lineage.read_bytes()
    os.truncate(lineage, len(whole) // 2)
    before = contents(place / ".whence" / "runs")
    with pytest.raises(DamagedError, match="lineage") as caught:
        wh.start_run(resume=run.name, workspace=place)
    assert "lineage" in caught.value.place
    assert contents(place / ".whence" / "runs") == before
    lineage.write_bytes(whole)
    wh.start_run(resume=run.name, workspace=place).finish()


def attempt(act: Callable[[], wh.Run]) -> tuple[wh.Run | None, StoreError]:
    try:
        return act(), StoreError("nothing failed")
    except StoreError as error:
        return None, error


@pytest.mark.parametrize("has_ended", [False, True])
def test_whichever_write_fails_the_run_is_unchanged_and_can_be_resumed_later(
    place: pathlib.Path, monkeypatch: pytest.MonkeyPatch, has_ended: bool
) -> None:
    in_child(read_some(lambda: wh.from_items(list(range(50))), 7, workspace=place))
    name = newest(place).name
    if has_ended:
        wh.start_run(resume=name, workspace=place).finish()
    folder = newest(place).record.journal.path
    before = contents(folder)
    real_write, real_sync = os.write, os.fdatasync

    def fails_at(count: int) -> Iterator[None]:
        left = [count]

        def write(descriptor: int, content: Any) -> int:
            left[0] -= 1
            if left[0] == -1:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real_write(descriptor, content)

        def sync(descriptor: int) -> None:
            left[0] -= 1
            if left[0] == -1:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            real_sync(descriptor)

        monkeypatch.setattr(os, "write", write)
        monkeypatch.setattr(os, "fdatasync", sync)
        yield
        monkeypatch.undo()

    failed = 0
    for scope in map(fails_at, range(100)):
        next(scope)
        run, error = attempt(
            lambda: wh.start_run(resume=name, params={"a": 1}, tags={"b": 2}, workspace=place)
        )
        next(scope, None)
        if run is not None:
            run.finish()
            break
        failed += 1
        assert isinstance(error, StoreFullError) or "Input/output" in error.message
        assert str(folder) in error.message
        assert contents(folder) == before
    assert failed > 8
    assert newest(place).params == {"a": 1}
    assert wh.open(place).verify().holds


def test_a_run_whose_payloads_were_destroyed_goes_on_with_new_names(place: pathlib.Path) -> None:
    with wh.start_run(params={"a": 1}, workspace=place) as run:
        wh.from_items([1, 2, 3]).map(plus).collect()
    (run.record.journal.path / "payloads").unlink()
    with wh.start_run(resume=run.id, params={"b": 1}, workspace=place):
        wh.from_items([1, 2, 3]).map(plus).collect()
    record = newest(place).record
    assert record.params == {"b": 1}
    assert [source.is_redacted for source in record.sources] == [True, False]
    (finding,) = wh.open(place).verify().findings
    assert f"bodies of run {run.name}" in finding.problem  # which no entry of the log allows


def test_a_lease_from_elsewhere_that_stands_still_is_taken_over(
    place: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_child(lambda: wh.start_run(workspace=place))
    run = newest(place)
    lease = run.record.journal.path / "lease"
    lease.write_bytes(msgspec.json.encode(msgspec.json.decode(lease.read_bytes()) | {"host": "elsewhere"}))
    assert newest(place).status == "unknown"
    monkeypatch.setattr("whence.store.reopening._LEASE_LOOK_S", 0.001)
    wh.start_run(resume=run.name, workspace=place).finish()
    assert newest(place).status == "finished"


def test_what_a_run_tells_on_the_command_line_is_of_all_of_it(
    place: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHENCE_HOME", str(place / ".whence"))
    in_child(read_some(lambda: wh.from_items(list(range(50))), 7, workspace=place))
    with wh.start_run(resume=newest(place).name, workspace=place) as run:
        wh.from_items(list(range(50))).collect()
    for verb in (["runs"], ["show", run.name], ["verify"], ["diff", run.name, run.name], ["status"]):
        assert main(verb) == 0, verb
    told = capsys.readouterr().out
    assert run.name in told
    assert "finished" in told
    assert "resumed  1 time " in told
    assert len(run.resumed_at) == 1
    assert run.started_at < run.resumed_at[0] < (run.ended_at or run.started_at)
