"""Check the record: signed checkpoints, logs, journals, segments, objects, decisions; a receipt; a backup.

The verdict is intact; redacted, where an entry of a log allowed what is gone; unanchored, where all of it
holds and nobody else vouches for it; damaged; or forked. The exit code is 0 for the first three if nothing
else was found and the policy, if one is given, is met; and 1 where there was nothing to check.
"""

from __future__ import annotations

import argparse
import pathlib
from typing import Any

from whence.cli.page import Block, Cell, Grid, Line, Section, Tone, Words, dim, strong
from whence.cli.place import asked_workspace
from whence.cli.screen import Screen, watched
from whence.cli.wording import count_of, size_of
from whence.errors import InputError, NotFoundError
from whence.query import Verdict
from whence.store import check_archive_name
from whence.workspace import verify_backup, verify_receipt

_FINDINGS_SHOWN = 20
_RECEIPT = b"c2sp.org/tlog-proof@"
_WHAT = {
    "events": "of their journals, in an unbroken chain of digests",
    "frames": "of lineage and digests, by their checksums",
    "objects": "artifacts and models, by their digests",
    "entries": "of logs, each led to a signed root",
    "openings": "what entries commit to, compared with the record",
    "anchors": "that others attested",
    "cosignatures": "of witnesses that the policy names",
    "sources": "files that were read, as they are now",
}
_SINGULAR = {"entries": "entry"}
_OUTCOMES: dict[str, tuple[str, Tone, str]] = {
    "intact": ("✓ ", "good", "The record holds: intact."),
    "redacted": ("✓ ", "good", "The record holds: redacted."),
    "unanchored": ("✓ ", "good", "The record holds: unanchored."),
    "damaged": ("✗ ", "bad", "The record doesn't hold: damaged."),
    "forked": ("✗ ", "bad", "The record doesn't hold: forked."),
    "empty": ("✗ ", "bad", "Nothing was checked."),
}
_KEY_FROM = {
    "policy": "the policy names its key",
    "given": "its key was given",
    "key ring": "an own key",
    "log": "only the log itself names its key",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What, and what it is held against."""
    parser.add_argument(
        "what", nargs="?", metavar="WORKSPACE|RECEIPT|BACKUP", help="default: the workspace here"
    )
    parser.add_argument("--policy", metavar="FILE", help="which logs and witnesses count: a C2SP tlog-policy")
    parser.add_argument("--key", action="append", default=[], metavar="VKEY", help="the key of a log")
    parser.add_argument("--since", metavar="FILE", help="a checkpoint that was kept, which the log continues")
    parser.add_argument("--trust", metavar="FILE", help="whom to believe about anchors")
    parser.add_argument("--object", metavar="PATH", help="what a receipt is about, to be compared")
    parser.add_argument("--sources", action="store_true", help="compare the files that were read")


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Check it."""
    demands = {"policy": arguments.policy, "keys": arguments.key, "since": arguments.since}
    path = None if arguments.what is None else pathlib.Path(arguments.what)
    kind = "workspace" if path is None or path.is_dir() else _kind_of(path)
    _check_options(arguments, kind)
    verdict: Verdict
    with watched(screen) as tell:
        if kind == "receipt":
            verdict = verify_receipt(str(path), **demands, thing=arguments.object)
        elif kind == "backup":
            verdict = verify_backup(
                str(path), **demands, trust=arguments.trust, sources=arguments.sources, tell=tell
            )
        else:
            if path is not None:
                arguments.workspace = path
            workspace = asked_workspace(arguments)
            path = workspace.path
            verdict = workspace.verify(**demands, trust=arguments.trust, sources=arguments.sources, tell=tell)
    screen.show({kind: str(path)} | verdict.to_json(), page)
    return 0 if verdict.holds else 1


def _kind_of(path: pathlib.Path) -> str:
    """Tell a receipt from a backup by how it begins."""
    try:
        with path.open("rb") as file:
            if file.read(len(_RECEIPT)) == _RECEIPT:
                return "receipt"
        check_archive_name(path)
        return "backup"
    except FileNotFoundError as error:
        raise NotFoundError(f"{path}: not there", remedy="Check the path.") from error
    except InputError as error:
        raise InputError(
            f"{path}: neither a workspace nor a receipt nor a backup", remedy="Name one, or leave it out."
        ) from error
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror})", remedy="Check the path.") from error


def _check_options(arguments: argparse.Namespace, kind: str) -> None:
    if arguments.what is not None and arguments.workspace is not None:
        raise InputError("both a place and --workspace are given", remedy="Leave one of them out.")
    if arguments.object is not None and kind != "receipt":
        raise InputError(
            f"--object says what a receipt is about, and this is a {kind}", remedy="Leave it out."
        )
    if kind == "receipt" and (arguments.trust is not None or arguments.sources):
        raise InputError(
            "a receipt has neither anchors nor sources", remedy="Leave out --trust and --sources."
        )


def page(value: dict[str, Any]) -> list[Block]:
    """The verdict, what was checked, which logs, what doesn't hold."""
    checked = value["checked"]
    mark, style, words = _OUTCOMES[value["outcome"]]
    if not value["holds"] and style == "good":
        mark, style, words = "✗ ", "bad", "It doesn't hold: what is asked for isn't met."
    if value["outcome"] == "empty" and value["findings"]:
        words = "The record doesn't hold."
    place = next(value[kind] for kind in ("workspace", "receipt", "backup") if kind in value)
    blocks: list[Block] = [Line(words=(Words(mark, style), strong(words), dim(f"  {place}"))), Line(words="")]
    counts = [(key, count) for key, count in checked.items() if key != "bytes"]
    rows: list[list[Cell]] = [
        [
            f"{count:,}",
            key if count != 1 else _SINGULAR.get(key, key.removesuffix("s")),
            dim(_WHAT.get(key, "")),
        ]
        for key, count in counts
    ]
    if "bytes" in checked:
        rows.append([size_of(checked["bytes"]), "read", ""])
    blocks.append(Grid(rows=rows, right=frozenset({0})))
    return [*blocks, *_statement(value), *_logs(value), *_findings(value)]


def _statement(value: dict[str, Any]) -> list[Block]:
    said = value.get("statement")
    if not said:
        return []
    rows = [[key, str(each)] for key, each in said.items() if key not in ("at_ms", "index")]
    words = "what was logged" if value["holds"] else "what it says was logged"
    return [Section(title=f"{words}, as entry {said['index']:,}"), Grid(rows=rows)]


def _logs(value: dict[str, Any]) -> list[Block]:
    if not value["logs"]:
        return []
    rows: list[list[Cell]] = []
    for log in value["logs"]:
        vouched = ", ".join(log["vouchers"]) or "nobody else vouches for it"
        if log["vouchers"] and log["vouched_size"] < log["size"]:
            vouched += f", for {log['vouched_size']:,} of them"
        rows.append(
            [log["origin"], count_of(log["size"], "entry", "entries"), _KEY_FROM[log["key_from"]], vouched]
        )
    return [Section(title="logs"), Grid(rows=rows)]


def _findings(value: dict[str, Any]) -> list[Block]:
    blocks: list[Block] = []
    findings, redacted = value["findings"], value["redacted"]
    if findings:
        shown = findings[:_FINDINGS_SHOWN]
        note = (
            ""
            if len(shown) == len(findings)
            else f"{len(shown)} of {count_of(len(findings), 'finding')}; --json lists all"
        )
        blocks += [Section(title="findings", note=note)]
        blocks += [Grid(rows=[[Words(each["problem"], "bad"), each["where"]] for each in shown])]
    if redacted:
        by = sorted({each["allowed_by"] for each in redacted})
        note = f"allowed by {', '.join(by[:5])}" + (", …" if len(by) > 5 else "")
        blocks += [Section(title=f"{count_of(len(redacted), 'payload')} destroyed", note=note)]
    if value["notes"]:
        blocks += [Section(title="good to know"), Grid(rows=[[note] for note in value["notes"]])]
    return blocks
