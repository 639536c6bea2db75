"""Show one run, model or dataset in full: what went in, what happened to it, what came out.

Without a name: the newest run. A model is NAME, NAME@3, NAME@ALIAS, NAME@stage:STAGE or NAME@sha256:DIGEST;
where a run and a model have the same name, the run is shown, and a model before a dataset.
"""

from __future__ import annotations

import argparse
from typing import Any

from whence.cli.dataset_facts import dataset_page, describe_dataset
from whence.cli.file_facts import describe_files, file_blocks
from whence.cli.ledger_facts import describe_logged, logged_words
from whence.cli.machine_facts import describe_machine, gap_blocks, machine_blocks, training_blocks
from whence.cli.model_facts import describe_model, format_words, model_page
from whence.cli.page import Block, Cell, Grid, Line, Section, Words, dim, facts, name, strong, try_next
from whence.cli.place import asked_workspace
from whence.cli.run_facts import describe_run
from whence.cli.runs import status_words
from whence.cli.screen import Screen
from whence.cli.wording import (
    count_of,
    duration,
    field_words,
    learned_words,
    moment,
    number,
    pairs,
    seen_words,
    short_digest,
    size_of,
    span_of,
    sparkline,
)
from whence.errors import NotFoundError
from whence.workspace import Workspace

_SOURCES_SHOWN = 12
_TRACEBACK_LINES = 6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to show."""
    parser.add_argument(
        "name",
        nargs="?",
        metavar="RUN|MODEL|DATASET",
        help="a run's name or id, MODEL[@VERSION] or DATASET[@VERSION]; default: the newest run",
    )


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Show it."""
    value = _described(asked_workspace(arguments), arguments.name)
    screen.show(value, _PAGES[value["kind"]])
    return 0


def _described(workspace: Workspace, asked: str | None) -> dict[str, Any]:
    if asked is not None and "@" in asked:
        return _of_version(workspace, asked)
    try:
        found = workspace.run(asked)
        described = describe_run(found) | describe_logged(found, workspace)
        return described | describe_files(found, workspace) | describe_machine(found)
    except NotFoundError as missing:
        try:
            return _of_version(workspace, asked or "")
        except NotFoundError:
            raise missing from None


def _of_version(workspace: Workspace, asked: str) -> dict[str, Any]:
    try:
        model = workspace.model(asked)
    except NotFoundError as missing:
        try:
            dataset = workspace.dataset(asked)
        except NotFoundError:
            raise missing from None
        return describe_dataset(dataset, versions=len(workspace.datasets(dataset.name)))
    return describe_model(model, versions=len(workspace.models(model.name)))


def run_page(value: dict[str, Any]) -> list[Block]:
    """A run: its facts, then metrics, streams, drops, results, surroundings."""
    return [
        *_head(value),
        *_metrics(value),
        *(block for stream in value["streams"] for block in _stream(stream)),
        *_drops(value),
        *_fields(value),
        *_fits(value),
        *_sources(value),
        *file_blocks(value),
        *training_blocks(value),
        *_results(value),
        *_surroundings(value),
        *machine_blocks(value),
        *gap_blocks(value),
        *_next(value),
    ]


def _head(value: dict[str, Any]) -> list[Block]:
    took = span_of(value["started_at"], value["ended_at"])
    totals, standing = value["totals"], value["standing"]
    rows: list[tuple[str, Cell]] = [
        ("status", (status_words(value["status"]), dim(f"  {standing}") if standing else "")),
        ("started", (moment(value["started_at"]), dim(f"  took {took}") if took else "")),
    ]
    if value["resumed_at"]:
        often = count_of(len(value["resumed_at"]), "time")
        rows.append(("resumed", (often, dim(f"  last {moment(value['resumed_at'][-1])}"))))
    if "cpu_s" in totals:
        rows.append(
            (
                "used",
                f"{duration(totals['cpu_s'])} of processor, {size_of(totals['peak_memory_bytes'])} of memory",
            )
        )
    rows.append(("ledger", logged_words(value["logged"], is_ended=value["ended_at"] is not None)))
    rows += [("params", pairs(value["params"]))] if value["params"] else []
    rows += [("tags", pairs(value["tags"]))] if value["tags"] else []
    rows += [("note", note) for note in value["notes"]]
    blocks: list[Block] = [
        Line(words=(strong(value["name"]), f"  {value['title']}", dim(f"  {value['id']}"))),
        facts(rows),
    ]
    if totals.get("traceback"):
        lines = totals["traceback"].rstrip().split("\n")
        blocks += [Section(title="how it failed")]
        blocks += [
            Line(words=Words(line, "bad" if line == lines[-1] else "dim"), indent=2)
            for line in lines[-_TRACEBACK_LINES:]
        ]
    return blocks


def _metrics(value: dict[str, Any]) -> list[Block]:
    if not value["history"]:
        return []
    rows: list[list[Cell]] = [
        [
            key,
            strong(number(each["last"])),
            name(sparkline(each["points"])),
            number(each["min"]),
            number(each["max"]),
            dim(f"{each['count']:,}"),
        ]
        for key, each in value["history"].items()
    ]
    heads = ["metric", "last", "", "least", "most", "values"]
    return [Section(title="metrics"), Grid(heads=heads, rows=rows, right=frozenset({1, 3, 4, 5}))]


def _stream(stream: dict[str, Any]) -> list[Block]:
    passes = stream["passes"]
    note = count_of(len(passes), "pass", "passes")
    delivered = sum(each["delivered"] for each in passes)
    note += f", {delivered:,} delivered"
    cut = sum(not each["complete"] for each in passes)
    if cut:
        note += f", {cut:,} not read to the end"
    resumed = sum(len(each["resumed_at"]) for each in passes)
    if resumed:
        note += f", resumed {count_of(resumed, 'time', 'times')}"
    rows: list[list[Cell]] = [
        [
            step["op"]
            if step["kind"] in ("source", "fit", "fit_of", step["op"].partition("(")[0])
            else f"{step['kind']} {step['op']}",
            "" if step["in"] is None else f"{step['in']:,}",
            "" if step["out"] is None else f"{step['out']:,}",
            "" if step["ns"] is None else duration(step["ns"] / 1e9),
            _share_bar(step["time_share"]),
        ]
        for step in stream["steps"]
    ]
    heads = ["operation", "in", "out", "time", "share"]
    return [
        Section(title=_stream_title(stream["name"]), note=note),
        Grid(heads=heads, rows=rows, right=frozenset({1, 2, 3})),
    ]


def _stream_title(stream: str) -> str:
    return stream if stream == "stream" else f"stream {stream}"


def _share_bar(share: float | None) -> Cell:
    if share is None:
        return ""
    return (name("█" * round(share * 10)), dim("·" * (10 - round(share * 10))), f"{share:5.0%}")


def _fields(value: dict[str, Any]) -> list[Block]:
    """What operations did with fields; of those that follow from parameters the parameters tell."""
    rows: list[list[Cell]] = [
        [
            f"{step['op']}{_of_stream(value, {'stream': stream['name']})}",
            field_words(use),
            dim(seen_words(use)),
        ]
        for stream in value["streams"]
        for step in stream["steps"]
        for use in step["fields"]
        if use["seen"] is not None
    ]
    note = "as seen on the first samples"
    return [Section(title="fields", note=note), Grid(rows=rows)] if rows else []


def _drops(value: dict[str, Any]) -> list[Block]:
    if not value["drops"]:
        return []
    rows: list[list[Cell]] = [
        [
            f"{drop['count']:,}",
            Words(drop["reason"], "doubt"),
            dim(f"at {drop['op']}{_of_stream(value, drop)}"),
        ]
        for drop in value["drops"]
    ]
    return [Section(title="dropped", note="over all passes"), Grid(rows=rows, right=frozenset({0}))]


def _fits(value: dict[str, Any]) -> list[Block]:
    """What was learned of fields, and what operations had to tell of samples."""
    blocks: list[Block] = []
    if value["fits"]:
        rows: list[list[Cell]] = [
            [
                fit["field"],
                learned_words(fit["values"]),
                dim(f"of {count_of(fit['count'], 'sample')}"),
                dim(f"for {fit['op']}{_of_stream(value, fit)}"),
            ]
            for fit in value["fits"]
        ]
        blocks += [Section(title="learned", note="in the latest pass"), Grid(rows=rows)]
    if value["noticed"]:
        rows = [
            [f"{each['count']:,}", each["what"], dim(f"at {each['op']}{_of_stream(value, each)}")]
            for each in value["noticed"]
        ]
        blocks += [Section(title="noticed", note="over all passes"), Grid(rows=rows, right=frozenset({0}))]
    if value["foreign"]:
        rows = [
            [
                Words(f"drew from {' and '.join(each['generators'])}", "doubt"),
                f"{each['op']}{_of_stream(value, each)}",
            ]
            for each in value["foreign"]
        ]
        blocks += [Section(title="not replayable", note="draws that no replay makes again"), Grid(rows=rows)]
    return blocks


def _of_stream(value: dict[str, Any], drop: dict[str, Any]) -> str:
    return f", stream {drop['stream']}" if len(value["streams"]) > 1 else ""


def _sources(value: dict[str, Any]) -> list[Block]:
    if not value["sources"]:
        return []
    rows: list[list[Cell]] = [
        [each["name"], dim(each["kind"]), each["root"] or "", dim(count_of(each["parts"], "part"))]
        for each in value["sources"][:_SOURCES_SHOWN]
    ]
    return [Section(title="sources"), Grid(rows=rows)]


def _results(value: dict[str, Any]) -> list[Block]:
    blocks: list[Block] = []
    for title in ("models", "artifacts"):
        if value[title]:
            rows: list[list[Cell]] = [
                [
                    name(each["name"]),
                    size_of(each["bytes"]),
                    format_words({"format": "", "unsafe": False, **each}),
                    dim(short_digest(each["digest"])),
                ]
                for each in value[title]
            ]
            blocks += [Section(title=title), Grid(rows=rows, right=frozenset({1}))]
    return blocks


def _surroundings(value: dict[str, Any]) -> list[Block]:
    about = value["environment"]
    if not about:
        return []
    machine, cpu, git = about.get("platform") or {}, about.get("cpu") or {}, about.get("git") or {}
    version = (about.get("python") or {}).get("version", "unknown")
    packages = count_of(len(about.get("packages") or {}), "package")
    system = " ".join(machine[key] for key in ("system", "machine") if machine.get(key))
    rows: list[tuple[str, Cell]] = [
        ("command", " ".join(about.get("argv") or []) or "unknown"),
        ("python", f"{version}, {packages}"),
        ("machine", ", ".join(part for part in (system, cpu.get("model"), _cores(cpu)) if part)),
    ]
    rows += [("gpu", gpu["name"]) for gpu in about.get("gpus") or []]
    if git.get("commit"):
        changed = Words("  with changes", "doubt") if git.get("dirty") else ""
        rows.append(("git", (f"{git['commit'][:12]}", f"  {git.get('branch') or ''}", changed)))
    return [Section(title="environment"), facts(rows)]


def _cores(cpu: dict[str, Any]) -> str:
    return count_of(cpu["count"], "core") if cpu.get("count") else ""


def _next(value: dict[str, Any]) -> list[Block]:
    commands = []
    if value["example"]:
        commands = [
            (f"whence trace {value['example']}", "where this sample came from"),
            (f"whence replay {value['example']}", "make it again and compare"),
        ]
    return try_next([*commands, (f"whence report {value['name']}", "all of this as a page")])


_PAGES = {"run": run_page, "model": model_page, "dataset": dataset_page}
