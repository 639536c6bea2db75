"""Ops out of the record: made again from what it says of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from whence.chance import draw_from_spec
from whence.ops.batch import Batch
from whence.ops.cache import Cache
from whence.ops.cast import Cast
from whence.ops.combine import Concat, Zip
from whence.ops.dedup import Dedup
from whence.ops.fields import Drop, Rename, Select
from whence.ops.filling import FillMissing
from whence.ops.filling_along import FillAlong
from whence.ops.filter import Filter
from whence.ops.fitting import Fit, FitOf
from whence.ops.flat_map import FlatMap, Unbatch
from whence.ops.group import GroupColumns, GroupFunction, GroupSamples
from whence.ops.join import Join
from whence.ops.map import Map
from whence.ops.map_batches import MapBatches
from whence.ops.mix import Mix
from whence.ops.one_hot import OneHot
from whence.ops.op import Function, Op
from whence.ops.pack import Pack
from whence.ops.positions import Repeat, Sample, Shuffle, Slice
from whence.ops.scaling import Normalize, Winsorize
from whence.ops.sort import Sort
from whence.ops.split import Split
from whence.ops.watched import Watched
from whence.ops.window import Window
from whence.ops.with_columns import WithColumns
from whence.ops.with_ids import WithIds
from whence.vocab import from_plain

_BY_KIND: dict[str, type[Op]] = {
    op.kind: op
    for op in (
        Map,
        MapBatches,
        Filter,
        FlatMap,
        Batch,
        Unbatch,
        Shuffle,
        Dedup,
        Slice,
        Sample,
        Repeat,
        Concat,
        Zip,
        Join,
        GroupSamples,
        GroupFunction,
        GroupColumns,
        Window,
        Pack,
        Mix,
        Split,
        Sort,
        Cache,
        Select,
        Drop,
        Rename,
        Cast,
        WithColumns,
        WithIds,
        Watched,
        FillMissing,
        FillAlong,
        Fit,
        FitOf,
        Normalize,
        Winsorize,
        OneHot,
    )
}


def restore_op(
    kind: str, label: str, parameters: Mapping[str, Any], functions: Mapping[str, Function]
) -> Op | None:
    """Make a recorded op again.

    Args:
        kind: the op's kind.
        label: what the record calls it.
        parameters: as `Op.parameters` gave them.
        functions: the user's functions, by parameter; any function will do for a trace.

    Returns:
        The op; None where the kind isn't one of ours, so that its mapping is unknown.

    Raises:
        CanonicalError: a parameter can't be made again.
    """
    found = _BY_KIND.get(kind)
    if found is None:
        return None
    known = dict(parameters)
    if "params" in known:
        known["params"] = from_plain(known["params"])
    if issubclass(found, WithColumns | OneHot):
        return found.restored(label, known, functions)
    if "draw" in known:
        known["draw"] = {name: draw_from_spec(spec) for name, spec in known["draw"].items()}
    if known.get("collate") == "list":
        known["collate"] = list
    if "reason" in known:
        known["why"] = known.pop("reason")
    return found(label=label, **known, **functions)


def outline_op(kind: str, label: str, parameters: Mapping[str, Any], function_names: list[str]) -> Op | None:
    """Make a recorded op again for its mapping only: without its functions or the user's parameters."""
    known = {name: value for name, value in parameters.items() if name != "params"}
    return restore_op(kind, label, known, dict.fromkeys(function_names, _absent))


def _absent(*args: Any, **kwargs: Any) -> Any:
    raise AssertionError("an op made for its mapping only was asked to run")
