"""Have the newest checkpoint of the ledger attested by somebody outside: a time stamp, a chain, a log, Git.

What isn't logged yet is logged first. The evidence is kept in the ledger, and checked offline by
whence anchors and whence verify. A checkpoint that this kind attested already is left as it is.
"""

from __future__ import annotations

import argparse
import datetime as dt
import time
from collections.abc import Sequence
from typing import Any, cast

from whence.cli.page import Block, Grid, Line, Words, dim, strong
from whence.cli.place import asked_workspace
from whence.cli.screen import Screen, watched
from whence.cli.wording import count_of, moment
from whence.errors import InputError, NotFoundError
from whence.store import Shard
from whence.trust import (
    KINDS,
    Checked,
    Confirmable,
    Kind,
    Made,
    Option,
    Upgradable,
    anchor_log,
    confirm_anchors,
    find_kind,
    upgrade_anchors,
)
from whence.workspace import Workspace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which kind, and the options of all kinds."""
    kinds = "; ".join(f"{name}: {row.summary}" for name, row in KINDS.items())
    parser.add_argument("kind", metavar="KIND", choices=list(KINDS), help=kinds)
    parser.add_argument("--all", action="store_true", help="all shards, not only the one that is written")
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--upgrade", action="store_true", help="make those final that are only promised yet")
    again.add_argument("--confirm", action="store_true", help="ask whether they still stand (evm)")
    options = parser.add_argument_group("options of the kinds")
    for name, by_kind in _options().items():
        told = "; ".join(f"{kind}: {option.help}" for kind, option in by_kind.items())
        option = next(iter(by_kind.values()))
        if not option.metavar:
            options.add_argument(f"--{name}", action="store_true", default=None, help=told)
        else:
            action = "append" if option.is_many else "store"
            options.add_argument(f"--{name}", metavar=option.metavar, action=action, help=told)


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Ask for it, and say what came."""
    kind = _made_kind(arguments)
    workspace = asked_workspace(arguments)
    if arguments.upgrade or arguments.confirm:
        shards = workspace.ledger.shards
    else:
        with watched(screen) as tell:
            workspace.ledger.seal(tell=tell)
        shards = _shards(workspace, every=arguments.all)
    if not shards:
        raise NotFoundError(
            f"nothing is logged in {workspace.path} yet", remedy="Record a run; it is logged when it ends."
        )
    if arguments.confirm:
        return _show_confirmed(shards, kind, screen)
    made = _made(shards, kind, is_upgrade=arguments.upgrade)
    value = {
        "kind": arguments.kind,
        "upgrade": arguments.upgrade,
        "anchors": [_made_json(shard, each) for shard, each in made],
    }
    screen.show(value, page)
    return 0 if all(not each.problem for _, each in made) else 4


def page(value: dict[str, Any]) -> list[Block]:
    """What was attested, and what is awaited."""
    blocks: list[Block] = []
    for each in value["anchors"]:
        entries = count_of(each["size"], "entry", "entries")
        if each["problem"]:
            sign, said = Words("✗ ", "bad"), each["problem"]
        elif each["new"]:
            said = "final now" if value["upgrade"] else f"attested, {value['kind']}"
            sign = Words("✓ ", "good")
        else:
            said = "not yet final" if value["upgrade"] else f"was attested on {moment(each['at'])}"
            sign = Words("· ", "dim")
        blocks.append(Line(words=(sign, strong(f"{entries} of {each['shard']}"), dim(f"  {said}"))))
    if not blocks:
        return [Line(words=dim(f"No anchor of the kind {value['kind']} awaits anything."))]
    if not value["upgrade"]:
        blocks.append(Grid(rows=[[dim("kept in"), each["path"]] for each in value["anchors"]]))
    return blocks


def _made(shards: Sequence[Shard], kind: Kind, *, is_upgrade: bool) -> list[tuple[Shard, Made]]:
    if not is_upgrade:
        at_ms = time.time_ns() // 1_000_000
        return [(shard, anchor_log(shard, kind, at_ms=at_ms)) for shard in shards]
    if not hasattr(kind, "upgrade"):
        raise InputError(f"anchors of the kind {kind.kind} are final at once", remedy="Leave --upgrade out.")
    upgradable = cast(Upgradable, kind)
    return [(shard, made) for shard in shards for made in upgrade_anchors(shard, upgradable)]


def _made_json(shard: Shard, made: Made) -> dict[str, Any]:
    return {
        "shard": shard.name,
        "origin": made.anchor.origin,
        "size": made.anchor.size,
        "at": dt.datetime.fromtimestamp(made.anchor.at_ms / 1000, dt.UTC).isoformat(),
        "new": made.is_new,
        "path": str(made.path),
        "problem": made.problem,
    }


def _show_confirmed(shards: Sequence[Shard], kind: Kind, screen: Screen) -> int:
    if not hasattr(kind, "confirm"):
        raise InputError(
            f"anchors of the kind {kind.kind} need nobody to be asked again",
            remedy="whence anchors --check checks them offline.",
        )
    confirmable = cast(Confirmable, kind)
    found = [(shard, each) for shard in shards for each in confirm_anchors(shard, confirmable)]
    if not found:
        raise NotFoundError(f"there is no anchor of the kind {kind.kind}", remedy="Make one first.")
    value = {"kind": kind.kind, "anchors": [_confirmed_json(shard, each) for shard, each in found]}
    screen.show(value, _confirmed_page)
    return 0 if all(each.state == "holds" for _, each in found) else 1


def _confirmed_json(shard: Shard, checked: Checked) -> dict[str, Any]:
    assert checked.anchor is not None
    return {
        "shard": shard.name,
        "size": checked.anchor.size,
        "state": checked.state,
        "by": checked.anchored.by if checked.anchored else "",
        "rests_on": checked.anchored.rests_on if checked.anchored else "",
        "problem": checked.problem,
        "path": str(checked.path),
    }


def _confirmed_page(value: dict[str, Any]) -> list[Block]:
    blocks: list[Block] = []
    for each in value["anchors"]:
        sign = Words("✓ ", "good") if each["state"] == "holds" else Words("✗ ", "bad")
        said = dim(f"  {each['problem'] or each['by']}")
        entries = count_of(each["size"], "entry", "entries")
        blocks.append(Line(words=(sign, strong(f"{entries} of {each['shard']}"), said)))
    return blocks


def _made_kind(arguments: argparse.Namespace) -> Kind:
    """Make the kind with its options; raises `InputError` where one is missing, or another kind's."""
    given = {
        name: value
        for name in _options()
        if (value := getattr(arguments, name.replace("-", "_"))) is not None
    }
    own = {option.name: option for option in KINDS[arguments.kind].options}
    stray = [f"--{name}" for name in given if name not in own]
    if stray:
        raise InputError(
            f"{', '.join(stray)}: no option of the kind {arguments.kind}",
            remedy="whence anchor --help tells which kind takes what.",
        )
    missing = [
        f"--{option.name}" for option in own.values() if option.is_required and option.name not in given
    ]
    if missing:
        raise InputError(
            f"the kind {arguments.kind} needs {' and '.join(missing)}",
            remedy="whence anchor --help tells what it is.",
        )
    return find_kind(arguments.kind)(**{name.replace("-", "_"): value for name, value in given.items()})


def _options() -> dict[str, dict[str, Option]]:
    """List the options of all kinds: by name, by kind."""
    found: dict[str, dict[str, Option]] = {}
    for kind, row in KINDS.items():
        for option in row.options:
            found.setdefault(option.name, {})[kind] = option
    return dict(sorted(found.items()))


def _shards(workspace: Workspace, *, every: bool) -> list[Shard]:
    if every:
        return workspace.ledger.shards
    current = workspace.ledger.current
    return [] if current is None else [current]
