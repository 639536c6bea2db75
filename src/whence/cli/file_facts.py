"""What `show` tells of the files that a run opened beside its streams, and of what couldn't be followed."""

from __future__ import annotations

from typing import Any

from whence.cli.page import Block, Cell, Grid, Section, Words, dim, name
from whence.cli.wording import count_of, short_digest, size_of
from whence.workspace import Run, Workspace

_SHOWN = 12


def describe_files(run: Run, workspace: Workspace) -> dict[str, Any]:
    """Describe the inputs with the runs that made them, the outputs, and what can't be followed."""
    makers = {path: maker.to_json() for path, maker in workspace.makers(run).items()}
    return {
        "inputs": [each.to_json() | {"made_by": makers.get(each.path)} for each in run.inputs],
        "outputs": [each.to_json() for each in run.outputs],
        "unfollowed": [each.to_json() for each in run.unfollowed],
    }


def file_blocks(value: dict[str, Any]) -> list[Block]:
    """The same for people."""
    blocks: list[Block] = []
    for title in ("inputs", "outputs"):
        if value[title]:
            more = len(value[title]) - _SHOWN
            note = f"{more:,} more with --json" if more > 0 else ""
            rows = [_file(each) for each in value[title][:_SHOWN]]
            blocks += [Section(title=title, note=note), Grid(rows=rows, right=frozenset({1}), cut=(0, 3))]
    unfollowed = [each for each in value["unfollowed"] if each["kind"] != "gone"]
    if unfollowed:
        rows = [
            [Words(each["kind"], "doubt"), each["what"], dim(count_of(each["count"], "time"))]
            for each in unfollowed[:_SHOWN]
        ]
        blocks += [Section(title="not followed", note="what happened there isn't known"), Grid(rows=rows)]
    return blocks


def _file(each: dict[str, Any]) -> list[Cell]:
    size = "" if each["size_bytes"] is None else size_of(each["size_bytes"])
    maker = each.get("made_by")
    digest = short_digest(each["digest"]) if each["digest"] else "unknown"
    said: Cell = dim(each["note"])
    if maker:
        said = (dim("made by "), name(maker["run"]), dim(f"  {maker['kind']} {maker['name']}"))
    return [name(each["path"]), size, dim(digest), said]
