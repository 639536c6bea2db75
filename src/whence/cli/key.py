"""Show the keys that sign the ledger, replace the one that signs, or give out their public parts.

    whence key              where the keys are, which one signs, and the shards of this workspace with theirs
    whence key rotate       make a new key; the shard that is written is closed with the old one
    whence key export       the public keys of the shards, one a line, as verifiers and policies take them

Private keys lie outside the workspace: WHENCE_KEYS, else ~/.config/whence/keys; WHENCE_KEY_FILE names one of
your own, WHENCE_KEY_PASSPHRASE or WHENCE_KEY_PASSPHRASE_FILE opens those that are locked.
"""

from __future__ import annotations

import argparse
from typing import Any

from whence.cli.page import Block, Grid, Line, Section, Words, dim, strong, try_next
from whence.cli.place import asked_workspace
from whence.cli.screen import Screen
from whence.errors import WhenceError
from whence.store import Folder, Ledger, Shard


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do."""
    parser.add_argument(
        "action", nargs="?", choices=("show", "rotate", "export"), default="show", metavar="ACTION",
        help="show (which is what nothing means), rotate or export",
    )  # fmt: skip


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Do it."""
    ledger = Ledger(Folder(asked_workspace(arguments).path))
    begun = ledger.rotate() if arguments.action == "rotate" else None
    value = _value(ledger)
    value["begun"] = None if begun is None else begun.name
    pages = {"show": page, "rotate": rotated_page, "export": export_page}
    screen.show(value, pages[arguments.action])
    return 0


def _value(ledger: Ledger) -> dict[str, Any]:
    keys = ledger.keys
    paths = keys.paths()
    signing = keys.current() if paths else None
    current = ledger.current()
    shards = []
    for shard in ledger.shards():
        told = _shard_value(shard)
        key = keys.find_key(told["vkey"]) if signing is not None and told["vkey"] else None
        told |= {"ours": key is not None, "signs": key is not None and key == signing}
        told["current"] = current is not None and current.name == shard.name
        shards.append(told)
    return {
        "folder": str(keys.path),
        "keys": [{"path": str(path), "signs": not number} for number, path in enumerate(paths)],
        "shards": shards,
    }


def _shard_value(shard: Shard) -> dict[str, Any]:
    try:
        told = {"origin": shard.origin, "size": shard.size, "vkey": shard.vkey, "problem": ""}
    except WhenceError as error:
        told = {"origin": "", "size": 0, "vkey": "", "problem": error.message}
    return {"shard": shard.name, **told}


def page(value: dict[str, Any]) -> list[Block]:
    """Where the keys are, and what they sign."""
    blocks: list[Block] = []
    if value["keys"]:
        rows = [[each["path"], Words("signs", "good") if each["signs"] else ""] for each in value["keys"]]
        blocks.append(Grid(rows=[*rows], indent=0))
    else:
        blocks.append(Line(words=(strong("No key yet."), dim(f"  One is made in {value['folder']}"))))
    if not value["shards"]:
        blocks.append(Line(words=dim("Nothing is in the ledger of this workspace yet.")))
        return [*blocks, *try_next([("whence seal", "log what isn't logged")])]
    for each in value["shards"]:
        blocks.append(Section(title=each["shard"], note=f"{each['size']:,} entries"))
        if each["problem"]:
            blocks.append(Line(words=Words(each["problem"], "bad"), indent=2))
            continue
        blocks.append(Line(words=each["vkey"], indent=2))
        blocks.append(Line(words=dim(_state_of(each)), indent=2))
    return blocks


def rotated_page(value: dict[str, Any]) -> list[Block]:
    """Which key signs now, and what it signs."""
    blocks: list[Block] = [
        Line(words=(Words("✓ ", "good"), strong("A new key signs."), dim(f"  {value['keys'][0]['path']}")))
    ]
    for each in value["shards"]:
        if each["shard"] == value["begun"]:
            blocks.append(Line(words=("It begins the shard ", strong(each["shard"]), ":")))
            blocks.append(Line(words=each["vkey"], indent=2))
    blocks.append(Line(words=dim("Keep the old one: shards of other workspaces are closed with it.")))
    return blocks


def export_page(value: dict[str, Any]) -> list[Block]:
    """One line for each shard whose key is here."""
    return [Line(words=each["vkey"]) for each in value["shards"] if each["ours"]]


def _state_of(shard: dict[str, Any]) -> str:
    if shard["current"]:
        return "written here" if shard["signs"] else "written here by who has its key"
    return "not written any more, with a key of yours" if shard["ours"] else "the key isn't yours"
