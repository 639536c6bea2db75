"""Sample journeys: what a delivered sample was at the source, after each operation, and as it was delivered.

The samples are made again for the page and compared with the recorded digests. What can't be made again
says why.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from whence.documents.images import Thumbnail, is_image_file, thumbnail_of_array, thumbnail_of_file
from whence.documents.wording import counted, number_text, shown, shown_value, size_text
from whence.errors import WhenceError
from whence.query import Address, Replayer, Stage, Trace, find_impact, trace_address
from whence.runs import PassView, RunRecord
from whence.sources import File

JOURNEYS = 6
STAGES = 24
FIELDS = 6
_SAME = 3
_TEXT = 160
_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = _TEXT
_UNCHANGING = {"shuffle", "filter", "dedup", "slice", "sample", "repeat", "concat"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StageView:
    """A stage as the page shows it.

    Args:
        title: the source or the operation.
        passed: operations before it that let the sample through as it was.
        drawn: the random values drawn for this sample.
        picture: its picture; None where it has none.
        facts: what it is, in words.
        count: of how many samples it is the first one.
        then: operations after it that let the sample through as it was.
    """

    title: str
    kind: str
    passed: tuple[str, ...]
    drawn: str
    picture: Thumbnail | None
    facts: tuple[str, ...]
    count: str = ""
    then: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JourneyView:
    """A journey as the page shows it.

    Args:
        address: of the sample.
        origin: the source row, or the first of several.
        is_same: whether the journey before it on the page began at the same row.
        digest: of its file or part.
        stages: on its way, the source first.
        left_out: how many stages in the middle aren't shown.
        equal: whether it came out as recorded; None where nothing was recorded, or where it can't be made.
        problem: why it can't be made again.
    """

    address: str
    origin: str
    digest: str
    is_same: bool = False
    stages: tuple[StageView, ...] = ()
    left_out: int = 0
    equal: bool | None = None
    made: str = ""
    recorded: str = ""
    differences: tuple[str, ...] = ()
    problem: str = ""


def choose_addresses(record: RunRecord, limit: int = JOURNEYS) -> list[Address]:
    """Choose samples that show a run: one source row in several epochs, then others all over the passes."""
    passes = [view for view in record.latest_passes if view.count]
    if not passes:
        return []
    first = _somewhere(record, passes[0], 0.5)
    chosen = [first, *_elsewhere(record, passes, first)]
    spread = max(1, limit - len(chosen))
    for number in range(spread):
        view = passes[len(passes) * number // spread]
        chosen.append(_somewhere(record, view, (number + 1) / (spread + 2)))
    return list(dict.fromkeys(chosen))[:limit]


def tell_journeys(record: RunRecord, addresses: Iterable[Address]) -> list[JourneyView]:
    """Make samples again, stage by stage."""
    replayer = Replayer(record)
    told: list[JourneyView] = []
    for address in addresses:
        view = tell_journey(replayer, record, address)
        told.append(replace(view, is_same=bool(told) and told[-1].origin == view.origin))
    return told


def tell_journey(replayer: Replayer, record: RunRecord, address: Address) -> JourneyView:
    """Make one sample again; whatever fails becomes the reason why it isn't shown."""
    try:
        trace = trace_address(record, address)
    except WhenceError as error:
        return JourneyView(
            address=str(address), origin="unknown", digest="", problem=shown(error.message, 400)
        )
    view = JourneyView(
        address=str(address),
        origin=origin_text(record, trace),
        digest=trace.origins[0].digest or "" if len(trace.origins) == 1 else "",
    )
    try:
        replay = replayer.replay(address)
        stages = _stage_views(replayer.journey(address), trace)
    except WhenceError as error:
        return replace(view, problem=shown(f"{error.message} {error.remedy}", 500))
    except Exception as error:  # the user's own code runs here, and a page must not die of it
        return replace(view, problem=shown(f"{type(error).__name__}: {error}", 500))
    half = STAGES // 2
    kept = stages if len(stages) <= STAGES else [*stages[:half], *stages[-half:]]
    return replace(
        view,
        stages=tuple(kept),
        left_out=len(stages) - len(kept),
        equal=replay.equal,
        made=replay.digest,
        recorded=replay.recorded or "",
        differences=tuple(shown(each.what, 200) for each in replay.differences[:5]),
    )


def origin_text(record: RunRecord, trace: Trace) -> str:
    """Name the source row of a sample, or the first of several."""
    if not trace.origins:
        return "unknown"
    first = trace.origins[0]
    kinds = {source.name: source.kind for source in record.sources}
    named = shown(first.path or first.source, 160)
    if kinds.get(first.source) != "files":
        named += f", row {first.row:,}"
    more = len(trace.origins) - 1
    return f"{named} and {counted(more, 'more row')}" if more else named


def _somewhere(record: RunRecord, view: PassView, share: float) -> Address:
    """A sample somewhere in a pass; in the middle of a batch where there are batches."""
    streams = {stream.number: stream for stream in record.streams}
    stream = streams.get(view.stream)
    named = stream.name if stream is not None and len(streams) > 1 else None
    output = min(view.delivered - 1, view.first + int(view.count * share))
    has_batches = stream is not None and stream.nodes[stream.items_at]["kind"] == "batch"
    return Address(
        run=record.name,
        stream=named,
        epoch=view.epoch,
        repeat=view.repeat,
        batch=output if has_batches else None,
        item=0 if has_batches else output,
    )


def _elsewhere(record: RunRecord, passes: Sequence[PassView], first: Address) -> list[Address]:
    """The same source row in other passes of the same stream."""
    try:
        origin = trace_address(record, first).origins[0]
        impact = find_impact([record], origin.source, rows=[origin.row])
    except (WhenceError, IndexError):
        return []
    seen = {(first.epoch, first.repeat)}
    found: list[Address] = []
    for number, point in enumerate(impact.exposures):
        if len(found) >= _SAME - 1 or number > 1_000:
            break
        is_here = first.stream in (None, point.stream)
        if is_here and (point.epoch, point.repeat) not in seen:
            seen.add((point.epoch, point.repeat))
            found.append(
                replace(first, epoch=point.epoch, repeat=point.repeat, batch=point.batch, item=point.item)
            )
    return found


def _stage_views(stages: Sequence[Stage], trace: Trace) -> list[StageView]:
    random = {(step.op, step.kind): step.random for step in trace.steps}
    views: list[StageView] = []
    passed: list[str] = []
    for stage in stages:
        if stage.kind in _UNCHANGING and views:
            passed.append(shown(stage.op, 40))
            continue
        views.append(_stage_view(stage, tuple(passed), random.get((stage.op, stage.kind), {})))
        passed = []
    if passed:
        views[-1] = replace(views[-1], then=tuple(passed))
    return views


def _stage_view(stage: Stage, passed: tuple[str, ...], random: dict[str, Any]) -> StageView:
    picture, facts = look_at(stage.value)
    hidden = ("key", "epoch", "id", "seed", "from", "to")
    drawn = [
        f"{shown(name, 24)} = {shown_value(value, 24)}"
        for name, value in random.items()
        if name not in hidden
    ]
    return StageView(
        title=shown(stage.op, 40),
        kind=stage.kind,
        passed=passed,
        drawn=", ".join(drawn) or ("draws at random" if random else ""),
        picture=picture,
        facts=facts,
        count=f"the first of {stage.count:,}" if stage.count > 1 else "",
    )


def look_at(value: Any) -> tuple[Thumbnail | None, tuple[str, ...]]:
    """See what a sample is: a picture where it holds one, and a few bounded facts."""
    if isinstance(value, File):
        data = value.read()
        return thumbnail_of_file(data), (shown(value.name, 60), size_text(len(data)))
    if isinstance(value, dict):
        picture = next((found for found in map(_picture_in, value.values()) if found is not None), None)
        facts = [f"{shown(key, 24)}: {fact_of(item)}" for key, item in list(value.items())[:FIELDS]]
        if len(value) > FIELDS:
            facts.append(f"and {counted(len(value) - FIELDS, 'more field')}")
        return picture, tuple(facts)
    if isinstance(value, tuple | list) and len(value) <= FIELDS:
        picture = next((found for found in map(_picture_in, value) if found is not None), None)
        return picture, tuple(fact_of(item) for item in value)
    return _picture_in(value), (fact_of(value),)


def fact_of(value: Any) -> str:
    """Say in a few words what a value is."""
    if isinstance(value, np.ndarray):
        shape = " × ".join(str(size) for size in value.shape)  # noqa: RUF001
        is_number = value.dtype.kind in "iuf" and value.size > 0
        bounds = (
            f", {number_text(float(value.min()))} to {number_text(float(value.max()))}" if is_number else ""
        )
        return f"{value.dtype} [{shape}]{bounds}"
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{size_text(len(value))} of bytes"
    if isinstance(value, File):
        return shown(value.name, 60)
    if isinstance(value, list | tuple | dict | set) and len(value) > FIELDS:
        return f"{type(value).__name__} of {counted(len(value), 'item')}"
    if isinstance(value, float | np.floating):
        return number_text(float(value))
    if isinstance(value, str):
        return shown(repr(value[: _TEXT + 1]), _TEXT)
    if getattr(type(value), "__repr__", None) is object.__repr__:
        return f"a {type(value).__name__}"  # all that its own words would add is a place in memory
    return shown(_REPR.repr(value), _TEXT)


def _picture_in(value: Any) -> Thumbnail | None:
    if isinstance(value, np.ndarray):
        return thumbnail_of_array(value)
    if isinstance(value, bytes) and is_image_file(value):
        return thumbnail_of_file(value)
    if type(value).__module__.partition(".")[0] == "PIL":
        return thumbnail_of_array(np.asarray(value))
    return None
