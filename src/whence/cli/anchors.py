"""List what others outside attested of the ledger, each checked offline against the ledger as it is now.

An anchor says: this root of this log existed at this time. Whom to believe about it is named with --trust, a
TOML file with a table for each kind. With --check the exit code is 1 where one doesn't hold, is damaged, or
accuses the ledger, and where none is by somebody who is trusted.
"""

from __future__ import annotations

import argparse
import datetime as dt
import pathlib
from collections.abc import Mapping
from typing import Any

from whence.cli.page import Block, Cell, Grid, Line, Section, Tone, Words, dim
from whence.cli.place import asked_workspace
from whence.cli.screen import Screen
from whence.cli.wording import count_of, moment
from whence.errors import EvidenceError, InputError
from whence.store import Shard, write_whole
from whence.trust import Anchor, Checked, check_anchors, find_kind, read_trust

_STATES: dict[str, tuple[Tone, str]] = {
    "holds": ("good", "holds"),
    "pending": ("doubt", "promised"),
    "unchecked": ("doubt", "not checked"),
    "false": ("bad", "false"),
    "damaged": ("bad", "damaged"),
    "foreign": ("doubt", "of another log"),
    "other-key": ("bad", "of another key"),
    "ahead": ("bad", "rolled back"),
    "differs": ("bad", "forked"),
}
_RUN = b'"kind":"run"'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whom to trust, and what else to do with them."""
    parser.add_argument("--trust", metavar="FILE", help="whom to believe: TOML, a table for each kind")
    parser.add_argument("--check", action="store_true", help="exit with 1 unless all hold and one is trusted")
    parser.add_argument(
        "--export", metavar="FOLDER", help="write checkpoints and evidence as files of other people's tools"
    )


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Check and list them."""
    workspace = asked_workspace(arguments)
    trust = {} if arguments.trust is None else read_trust(pathlib.Path(arguments.trust))
    anchors: list[dict[str, Any]] = []
    exported = []
    for shard in workspace.ledger.shards:
        found = check_anchors(shard, trust=trust)
        covered = _covered(shard, {each.anchor.size for each in found if each.anchor is not None})
        anchors += [_as_json(shard, each, covered) for each in found]
        if arguments.export is not None:
            exported += _exported(pathlib.Path(arguments.export), found)
    value = {"workspace": str(workspace.path), "anchors": anchors, "exported": exported}
    screen.show(value, page)
    if not arguments.check:
        return 0
    accused = any(_STATES[each["state"]][0] == "bad" for each in anchors)
    return 0 if not accused and any(each["trusted"] for each in anchors) else 1


def page(value: dict[str, Any]) -> list[Block]:
    """When, by whom, how much, and how it was checked."""
    anchors = value["anchors"]
    if not anchors:
        return [Line(words=dim("Nobody outside has attested anything of this ledger: whence anchor KIND"))]
    rows: list[list[Cell]] = []
    for each in anchors:
        tone, word = _STATES[each["state"]]
        rows.append(
            [
                moment(each["when"]) if each["when"] else dim(f"({moment(each['at'])})"),
                each["kind"] or "?",
                f"{each['size']:,}" if each["size"] is not None else "?",
                f"{each['runs']:,}" if each["runs"] is not None else "?",
                (
                    Words(word, tone),
                    "" if each["trusted"] or tone == "bad" else dim(", not by one you trust"),
                ),
                each["by"] or dim(each["problem"]),
            ]
        )
    heads = ["existed by", "kind", "entries", "runs", "verified", "says"]
    blocks: list[Block] = [Grid(heads=heads, rows=rows, right=frozenset({2, 3}), cut=(5,))]
    troubles = [each for each in anchors if each["problem"]]
    if troubles:
        blocks.append(Section(title="what is wrong"))
        blocks.append(Grid(rows=[[_where(each), Words(each["problem"], "bad")] for each in troubles]))
        blocks += [Line(words=dim(each), indent=2) for each in sorted({t["remedy"] for t in troubles} - {""})]
    rests = {each["by"]: each["rests_on"] for each in anchors if each["rests_on"]}
    if rests:
        blocks.append(Section(title="what it rests on"))
        blocks.append(Grid(rows=[[by, dim(words)] for by, words in rests.items()]))
    if any(each["when"] is None for each in anchors):
        blocks.append(Line(words=dim("(A time in brackets is this machine's own; it proves nothing.)")))
    if value["exported"]:
        blocks.append(Section(title=count_of(len(value["exported"]), "file"), note="exported"))
        blocks.append(Grid(rows=[[path] for path in value["exported"]]))
    return blocks


def _as_json(shard: Shard, checked: Checked, covered: Mapping[int, int]) -> dict[str, Any]:
    anchor, anchored = checked.anchor, checked.anchored
    when = anchored.at if anchored is not None and checked.state in ("holds", "pending") else None
    return {
        "shard": shard.name,
        "kind": anchor.kind if anchor else None,
        "when": when.isoformat() if when else None,
        "at": _iso(anchor.at_ms) if anchor else None,
        "size": anchor.size if anchor else None,
        "runs": covered.get(anchor.size) if anchor else None,
        "state": checked.state,
        "trusted": checked.state == "holds" and anchored is not None and anchored.is_trusted,
        "by": anchored.by if anchored else "",
        "rests_on": anchored.rests_on if anchored else "",
        "problem": checked.problem,
        "remedy": checked.remedy,
        "path": str(checked.path),
    }


def _covered(shard: Shard, sizes: set[int]) -> dict[int, int]:
    """Count the runs among the first entries of a log, for some sizes; without those that it hasn't got."""
    found: dict[int, int] = {}
    runs, most = 0, max((size for size in sizes if size <= shard.size), default=0)
    if not most:
        return found
    try:
        for index, entry in shard.entries(0, most):
            runs += _RUN in entry
            if index + 1 in sizes:
                found[index + 1] = runs
    except EvidenceError:  # the log is damaged, which whence verify tells in full
        return found
    return found


def _exported(folder: pathlib.Path, found: list[Checked]) -> list[str]:
    """Write each checkpoint and its evidence into a folder of its own."""
    written = []
    for each in found:
        if each.anchor is None or each.state == "false":
            continue
        try:
            files = {"checkpoint": each.anchor.checkpoint, **_files(each.anchor)}
        except InputError:  # of a kind that this version, or this installation, doesn't know
            continue
        for name, data in files.items():
            path = folder / each.path.name / name
            write_whole(path, data)
            written.append(str(path))
    return written


def _files(anchor: Anchor) -> dict[str, bytes]:
    files = find_kind(anchor.kind).export(anchor.evidence)
    return {f"checkpoint{ending}": data for ending, data in files.items()}


def _where(each: dict[str, Any]) -> str:
    return pathlib.PurePath(each["path"]).name


def _iso(at_ms: int) -> str:
    return dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC).isoformat()
