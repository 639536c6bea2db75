"""Whence: find the source rows that a delivered sample came from, and the operations between.

ADDRESS is RUN@EPOCH:BATCH.ITEM, RUN@EPOCH:BATCH for a whole batch, RUN@EPOCH:ITEM without batches;
RUN/STREAM@… where a run read several streams, @EPOCH#1 for a second pass over the same epoch.
Of a model, digits@champion say, the sources and passes that it saw, and those that its parents saw.
"""

from __future__ import annotations

import argparse
import shlex
from typing import Any

from whence.cli.page import Block, Cell, Grid, Line, Section, Words, dim, name, strong, try_next
from whence.cli.place import asked_workspace
from whence.cli.screen import Screen
from whence.cli.wording import count_of, learned_words, pairs, short_digest
from whence.errors import InputError, NotFoundError

_ORIGINS_SHOWN = 12
_STEP_DEFAULTS = {"window": None, "drop_last": False, "collate": "stack", "on_error": "raise"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to trace."""
    parser.add_argument(
        "address",
        metavar="ADDRESS|MODEL",
        help="of a sample or a batch, for example quiet-otter-17@2:17.5; or a model",
    )


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Trace it."""
    workspace = asked_workspace(arguments)
    try:
        traced = workspace.trace(arguments.address)
    except (InputError, NotFoundError) as missing:
        try:
            model = workspace.model(arguments.address)
        except NotFoundError:
            raise missing from None
        screen.show(model.trace().to_json(), model_page)
        return 0
    screen.show(traced.to_json(), page)
    return 0


def model_page(value: dict[str, Any]) -> list[Block]:
    """The model on top, what it saw itself, and then what each model saw that it came of."""
    blocks: list[Block] = [
        Line(
            words=(
                strong(value["model"]),
                dim(f"  {short_digest(value['digest'])}  of run "),
                name(value["run"]),
            )
        )
    ]
    for seen in value["seen"]:
        title = f"{seen['how']} from {seen['model']}" if seen["how"] else "it saw"
        blocks.append(Section(title=title, note=count_of(seen["samples"], "sample")))
        blocks.append(Grid(rows=[_pass_row(each) for each in seen["passes"]], right=frozenset({2})))
        blocks.append(Grid(rows=[_source_row(each) for each in seen["sources"]]))
    unknown = [each for each in value["parents"] if each["model"] is None]
    for each in unknown:
        blocks += [
            Section(title=f"{each['how']} from {each['reference']}"),
            Line(words=Words("unknown", "doubt"), indent=2),
        ]
    if value["gaps"]:
        blocks += [Section(title="gaps"), Grid(rows=[[Words(each, "doubt")] for each in value["gaps"]])]
    return blocks


def _pass_row(seen: dict[str, Any]) -> list[Cell]:
    again = f", again ({seen['repeat']})" if seen["repeat"] else ""
    samples = "unknown" if seen["samples"] is None else f"{seen['samples']:,}"
    cut = "" if seen["whole"] else dim("not to its end")
    return [name(seen["run"]), f"epoch {seen['epoch']}{again} of {seen['stream']}", samples, cut]


def _source_row(seen: dict[str, Any]) -> list[Cell]:
    return [
        dim("└─"),
        name(seen["name"]),
        f"{seen['kind']}, {count_of(seen['parts'], 'part')}",
        dim(short_digest(seen["digest"])),
    ]


def page(value: dict[str, Any]) -> list[Block]:
    """The sample on top, what was done to it below, the rows it came from at the foot."""
    rows: list[list[Cell]] = [[Words("●", "name"), "as it was delivered"], [dim("│")]]
    rows += [_step_row(step) for step in reversed(value["steps"])]
    rows.append([dim("│")])
    shown = value["origins"][:_ORIGINS_SHOWN]
    for number, origin in enumerate(shown):
        is_last = number == len(shown) - 1
        rows.append([dim("└─" if is_last else "├─"), *_origin_cells(origin)])
    if not shown:
        rows.append([dim("└─"), Words("unknown", "doubt")])
    blocks: list[Block] = [Line(words=strong(value["address"])), Line(words=""), Grid(rows=rows)]
    hidden = len(value["origins"]) - len(shown)
    if hidden:
        blocks.append(Line(words=dim(f"and {count_of(hidden, 'more row')}; --json lists all"), indent=5))
    if value["fits"]:
        blocks += [Section(title="made with", note="learned of other samples; their rows aren't its origins")]
        blocks += [Grid(rows=[fit_row(fit) for fit in value["fits"]])]
    if not value["complete"]:
        blocks.append(
            Line(
                words=Words("Not complete: at a step called unknown the way back is lost.", "doubt"), indent=2
            )
        )
    if value["in_flight"]:
        blocks.append(
            Line(words=Words("In flight: the run died before it asked for the next one.", "doubt"), indent=2)
        )
    return [*blocks, *_next(value)]


def fit_row(fit: dict[str, Any]) -> list[Cell]:
    """A line for what was learned of a field."""
    where = f"of {count_of(fit['count'], 'sample')} of {', '.join(fit['sources'])}"
    note = "" if fit["direct"] else ", by way of what was learned of these"
    return [fit["field"], learned_words(fit["values"]), dim(where), dim(f"for {fit['op']}{note}")]


def _step_row(step: dict[str, Any]) -> list[Cell]:
    mark = dim("├─") if step["known"] else Words("├╌", "doubt")
    label = step["op"] if "(" in step["op"] or step["op"] == step["kind"] else f"{step['kind']} {step['op']}"
    notes: list[str | Words] = [] if step["known"] else [Words("unknown  ", "doubt")]
    params = {
        key: value
        for key, value in step["params"].items()
        if key not in _STEP_DEFAULTS or value != _STEP_DEFAULTS[key]
    }
    if "(" not in step["op"] and params:
        notes.append(pairs(params) + "  ")
    drawn = {key: value for key, value in step["random"].items() if key not in ("key", "epoch", "id", "seed")}
    if drawn:
        notes.append(Words(pairs(drawn), "random"))
    elif step["random"]:
        notes.append(Words(f"random: key {step['random'].get('key', '')}", "random"))
    if step["foreign"]:
        notes.append(Words(f"  drew from {' and '.join(step['foreign'])}: not replayable", "doubt"))
    where = next((f"{code['file']}:{code['line']}" for code in step["code"].values() if code["file"]), "")
    return [mark, label, tuple(notes) if notes else "", dim(where.rpartition("/")[2])]


def _origin_cells(origin: dict[str, Any]) -> list[Cell]:
    row = f"{origin['source']}, row {origin['row']:,}"
    digest = dim(short_digest(origin["digest"]))
    return [name(origin["path"]), row, digest] if origin["path"] else [name(row), "in memory", digest]


def _next(value: dict[str, Any]) -> list[Block]:
    commands = [(f"whence replay {value['address']}", "make it again and compare")]
    if value["origins"]:
        first = value["origins"][0]
        origin = first["path"] or f"{first['source']}:{first['row']}"
        commands.append((f"whence impact {shlex.quote(origin)}", "where else this row went"))
    return try_next(commands)
