"""Several runs as one page of HTML: what differs between them first, then what came of it."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from whence.documents.facts import STATUS
from whence.documents.overlays import overlay
from whence.documents.pages import render_page, write_page
from whence.documents.plots import HEIGHT, LEFT, PLOTS, RIGHT, WIDTH
from whence.documents.wording import duration_text, number_text, shown, shown_lines, shown_value, time_text
from whence.errors import InputError
from whence.query import OpChange, RunDiff, SourceChange, diff_runs, drops_of, verify_runs
from whence.runs import History, RunRecord

RUNS = 12
"""So many colours can be told apart; with the dashes of the lines also without seeing them."""
ROWS = 400
PARTS = 20
DIFF_CHARACTERS = 20_000

_NONE = "–"  # noqa: RUF001 - a dash where a run has none
_Key = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A value that the runs have, side by side.

    Args:
        name: what it is.
        note: more of it in words.
        values: one for each run, in words.
        differs: whether they are not all the same.
    """

    name: str
    values: list[str]
    differs: bool
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """How a run's pipeline differs from that of the first run.

    Args:
        name: the run.
        ops: operations with parameters and code.
        code: files of code, whole where no operation has told what changed in them.
        sources: what was read by streams.
        files: what was read beside them.
        unknown: what can't be compared.
    """

    run: int
    name: str
    ops: list[dict[str, Any]]
    code: list[dict[str, Any]]
    sources: list[dict[str, Any]]
    files: list[dict[str, str]]
    unknown: list[str]


def write_comparison(records: Sequence[RunRecord], path: str | os.PathLike[str]) -> pathlib.Path:
    """Write several runs as one page of HTML; the first is what the others' code is compared with.

    Args:
        records: the runs, 2 to `RUNS`.
        path: the file to write; replaced if it is there.

    Returns:
        The path.

    Raises:
        StoreError: the page can't be written there.
        InputError: the path is a folder, or there are too few or too many runs.

    Cost: reads each journal once and each metric's history; no lineage but counts.
    """
    return write_page(path, render_comparison(records))


def render_comparison(records: Sequence[RunRecord]) -> str:
    """Make the page of several runs; see `write_comparison`."""
    _check_runs(records)
    params = _lines([record.params for record in records])
    environment = _lines([_told_environment(record) for record in records])
    verdict = verify_runs(list(records))
    keys = _metric_keys(records)
    histories = {key: [_history(record, key) for record in records] for key in keys}
    curves = [key for key in keys if any(each is not None and len(each.value) > 1 for each in histories[key])]
    overlays = [overlay(key, histories[key]) for key in curves[:PLOTS]]
    return render_page(
        "comparison.html",
        runs=[_head(number, record) for number, record in enumerate(records)],
        params=[line for line in params if line.differs][:ROWS],
        same_params=[line for line in params if not line.differs][:ROWS],
        overlays=overlays,
        overlays_left_out=len(curves) - len(overlays),
        values=[_value_line(key, histories[key]) for key in keys if key not in set(curves)][:ROWS],
        against=[_against(number, records[0], each) for number, each in enumerate(records) if number],
        drops=_drop_lines(records)[:ROWS],
        environment=[line for line in environment if line.differs][:ROWS],
        environment_same=sum(not line.differs for line in environment),
        results=_result_lines(records)[:ROWS],
        gaps=[(shown(record.name, 60), shown(gap, 300)) for record in records for gap in record.gaps],
        plot={"width": WIDTH, "height": HEIGHT, "left": LEFT, "right": WIDTH - RIGHT},
        holds=verdict.holds,
        findings=[(shown(each.where, 200), shown(each.problem, 200)) for each in verdict.findings[:20]],
    )


def _check_runs(records: Sequence[RunRecord]) -> None:
    if not 2 <= len(records) <= RUNS:
        raise InputError(
            f"{len(records)} runs to compare, wanted 2 to {RUNS}",
            remedy="Write a page of each, or compare fewer at once.",
        )
    twice = {record.name for record in records if sum(each.id == record.id for each in records) > 1}
    if twice:
        raise InputError(f"{', '.join(sorted(twice))}: named twice", remedy="Name each run once.")


def _head(number: int, record: RunRecord) -> dict[str, Any]:
    ended, git = record.ended_at_ns, record.environment.get("git") or {}
    commit = git.get("commit")
    code = f"{commit[:12]}{' with changes' if git.get('dirty') else ''}" if commit else _NONE
    return {
        "number": number,
        "id": record.id,
        "name": shown(record.name, 60),
        "title": shown(record.title, 120),
        "status": record.status,
        "tone": STATUS.get(record.status, ("open", ""))[0],
        "started": time_text(record.started_at_ns) if record.started_at_ns else "unknown",
        "took": duration_text((ended - record.started_at_ns) / 1e9) if ended else _NONE,
        "code": code,
        "chain": record.journal.chain.hex(),
    }


def _lines(found: Sequence[Mapping[str, Any]]) -> list[Line]:
    """Lay nested values of the runs side by side, by their names joined with dots."""
    flat = [dict(_flattened(values)) for values in found]
    lines = []
    for name in sorted({name for values in flat for name in values}):
        texts = [shown_value(values[name], 160) if name in values else _NONE for values in flat]
        # compared as they are, since two long values may look the same when cut
        differs = any(
            (name in values) != (name in flat[0]) or values.get(name) != flat[0].get(name) for values in flat
        )
        lines.append(Line(name=shown(name, 100), values=texts, differs=differs))
    return lines


def _flattened(values: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _told_environment(record: RunRecord) -> dict[str, Any]:
    """What of the environment says how a run was made; changes that weren't committed only by being there."""
    found = record.environment
    git = found.get("git") or {}
    python = found.get("python") or {}
    return {
        "git": {key: git[key] for key in ("commit", "branch", "dirty") if key in git},
        "python": {key: python[key] for key in ("version", "implementation") if key in python},
        **{key: found.get(key) or {} for key in ("platform", "cpu", "packages", "variables")},
        "gpus": [gpu.get("name") for gpu in found.get("gpus") or []],
        "memory_bytes": found.get("memory_bytes"),
    }


def _metric_keys(records: Sequence[RunRecord]) -> list[str]:
    """Name the metrics, those of several runs before those of few."""
    runs_by_key: dict[str, int] = {}
    for record in records:
        for key in record.metrics:
            runs_by_key[key] = runs_by_key.get(key, 0) + 1
    return sorted(runs_by_key, key=lambda key: -runs_by_key[key])  # stable: else as they were logged


def _value_line(key: str, histories: Sequence[History | None]) -> Line:
    """Lay the one value that each run has of a metric side by side."""
    texts = [_NONE if each is None else number_text(float(each.value[-1])) for each in histories]
    return Line(name=shown(key, 100), values=texts, differs=len(set(texts)) > 1)


def _history(record: RunRecord, key: str) -> History | None:
    return record.history(key) if key in record.metrics else None


def _against(number: int, first: RunRecord, other: RunRecord) -> Against:
    diff: RunDiff = diff_runs(first, other)
    return Against(
        run=number,
        name=shown(other.name, 60),
        ops=[_op(change) for change in diff.ops[:ROWS]],
        code=_code(diff),
        sources=[_source(change) for change in diff.sources[:ROWS]],
        files=[{"path": shown(change.name, 160), "how": change.how} for change in diff.files[:ROWS]],
        unknown=[shown(each, 300) for each in diff.unknown],
    )


def _op(change: OpChange) -> dict[str, Any]:
    return {
        "op": shown(change.op, 80),
        "before": shown(change.before or "", 80),
        "stream": shown(change.stream, 60),
        "kind": change.kind,
        "how": change.how,
        "values": [
            (
                shown(each.name, 80),
                _NONE if each.how == "added" else shown_value(each.before, 160),
                _NONE if each.how == "removed" else shown_value(each.after, 160),
            )
            for each in [
                *change.params,
                *(each for code in change.code for each in (*code.constants, *code.packages)),
            ]
        ],
        "diff": [line for code in change.code for line in _diff_lines(code.diff)],
        "unknown": [shown(each, 200) for code in change.code for each in code.unknown],
    }


def _code(diff: RunDiff) -> list[dict[str, Any]]:
    is_told = any(code.diff for op in diff.ops for code in op.code)
    return [
        {
            "path": shown(change.path, 160),
            "how": change.how,
            "diff": [] if is_told else _diff_lines(change.diff),
        }
        for change in diff.code[:ROWS]
    ]


def _diff_lines(diff: str) -> list[tuple[str, str]]:
    """The lines of a diff with their signs."""
    return [(line[:1], shown(line, 300)) for line in shown_lines(diff, DIFF_CHARACTERS).splitlines()]


def _source(change: SourceChange) -> dict[str, Any]:
    return {
        "source": shown(change.source, 80),
        "how": change.how,
        "parts": [shown(part.name, 160) for part in change.parts[:PARTS]],
        "count": change.count,
        "left_out": max(0, change.count - PARTS),
    }


def _drop_lines(records: Sequence[RunRecord]) -> list[Line]:
    found = [drops_of(record) for record in records]
    places: list[_Key] = list(dict.fromkeys(place for drops in found for place in drops))
    lines = []
    for stream, op, reason in places:
        counts = [drops.get((stream, op, reason), _NONE) for drops in found]
        texts = [
            "unknown" if each is None else each if isinstance(each, str) else f"{each:,}" for each in counts
        ]
        lines.append(
            Line(
                name=shown(reason or op, 100),
                note=shown(f"{op} of {stream}", 120),
                values=texts,
                differs=len(set(texts)) > 1,
            )
        )
    return lines


def _result_lines(records: Sequence[RunRecord]) -> list[Line]:
    """The models and artifacts by name: the beginning of the digest of each run's last one."""
    found: list[dict[_Key, str]] = []
    for record in records:
        bodies = [("model", body) for body in record.models] + [
            ("artifact", body) for body in record.artifacts
        ]
        found.append({(kind, body["name"]): body["digest"].hex()[:12] for kind, body in bodies})
    lines = []
    for kind, name in dict.fromkeys(key for results in found for key in results):
        values = [results.get((kind, name), _NONE) for results in found]
        lines.append(Line(name=shown(name, 80), note=kind, values=values, differs=len(set(values)) > 1))
    return lines
