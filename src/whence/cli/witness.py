"""Have others cosign the ledger, or cosign for others (C2SP tlog-witness): fork and rollback are refused.

For the owner of a ledger: add, list and remove the witnesses that you ask; ask them; take a cosignature that
came by another way; logs shows the keys of your logs. For the witness: key shows your key; serve answers
requests over HTTP; sign cosigns the checkpoint of a log whose folder you have.
whence witness ACTION --help tells of one action.
"""

from __future__ import annotations

import argparse
import pathlib
import time
from typing import Any

from whence.cli.cosigning import add_witness_actions
from whence.cli.page import Block, Cell, Grid, Line, Words, dim, strong, try_next
from whence.cli.place import asked_workspace
from whence.cli.screen import Screen, watched
from whence.cli.wording import count_of, moment
from whence.errors import EvidenceError, InputError, NotFoundError, SignatureError
from whence.ledger import Signature, time_of
from whence.store import Folder, KeyRing, Ledger, Shard, explained_reading
from whence.trust import Asked, Friend, WitnessBook, ask_witnesses, take_lines
from whence.workspace import Workspace

_TIMEOUT_S = 15.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The actions, each with its own."""
    actions = parser.add_subparsers(metavar="ACTION", required=True, title="actions")
    add = _action(actions, "add", _add, "name a witness to be asked")
    add.add_argument("url", metavar="URL", help="its submission prefix, https://…")
    add.add_argument("vkey", metavar="VKEY", help="its key, as its operator shows it")
    add.add_argument("--name", default="", metavar="NAME", help="what you call it (default: its key's name)")
    add.add_argument("--auto", action="store_true", help="ask it whenever a run has been logged")
    _action(actions, "list", _list, "the witnesses that are asked")
    remove = _action(actions, "remove", _remove, "ask a witness no more")
    remove.add_argument("name", metavar="NAME", help="what you call it")
    ask = _action(actions, "ask", _ask, "have the newest checkpoint cosigned")
    ask.add_argument("names", nargs="*", metavar="NAME", help="only these witnesses")
    ask.add_argument("--all", action="store_true", help="all shards, not only the one that is written")
    ask.add_argument(
        "--timeout", type=float, default=_TIMEOUT_S, metavar="S", help="wait so long at most (default: 15)"
    )
    take = _action(actions, "take", _take, "keep a cosignature that came by another way")
    take.add_argument("file", metavar="FILE", help="signature lines, or the checkpoint with them")
    logs = _action(actions, "logs", _logs, "show the keys of your logs, as witnesses and policies take them")
    logs.add_argument("--all", action="store_true", help="all shards, not only the one that is written")
    add_witness_actions(actions, _action)


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Do what the action says."""
    code: int = arguments.action(arguments, screen)
    return code


def _action(actions: Any, verb: str, action: Any, told: str) -> argparse.ArgumentParser:
    """Add an action; the common options may stand behind it too."""
    parser: argparse.ArgumentParser = actions.add_parser(
        verb, help=told, description=f"{told[0].upper()}{told[1:]}.", allow_abbrev=False
    )
    parser.set_defaults(action=action)
    hidden = argparse.SUPPRESS  # said once, on the page of the verb
    parser.add_argument("-w", "--workspace", default=hidden, help=hidden)
    parser.add_argument("--json", action="store_true", default=hidden, help=hidden)
    return parser


def _add(arguments: argparse.Namespace, screen: Screen) -> int:
    book = WitnessBook(KeyRing.find().path)
    friend = book.add(arguments.url, arguments.vkey, name=arguments.name, is_auto=arguments.auto)
    screen.show(_friends_json(book, [friend]), _friends_page)
    return 0


def _list(arguments: argparse.Namespace, screen: Screen) -> int:
    book = WitnessBook(KeyRing.find().path)
    screen.show(_friends_json(book, book.friends()), _friends_page)
    return 0


def _remove(arguments: argparse.Namespace, screen: Screen) -> int:
    book = WitnessBook(KeyRing.find().path)
    book.remove(arguments.name)
    screen.show(_friends_json(book, book.friends()), _friends_page)
    return 0


def _ask(arguments: argparse.Namespace, screen: Screen) -> int:
    if not 0 < arguments.timeout <= 3600:
        raise InputError(f"--timeout {arguments.timeout:g}: wanted seconds, more than 0 and at most 3600")
    friends = _chosen(arguments.names)
    workspace = asked_workspace(arguments)
    with watched(screen) as tell:
        workspace.ledger.seal(tell=tell)
    ledger = Ledger(Folder(workspace.path))
    answers = [
        (shard, asked)
        for shard in _shards(workspace, every=arguments.all)
        for asked in ask_witnesses(
            ledger,
            shard,
            [each.witness for each in friends],
            timeout_s=arguments.timeout,
            at_ms=time.time_ns() // 1_000_000,
        )
    ]
    screen.show({"asked": [_asked_json(shard, asked) for shard, asked in answers]}, _asked_page)
    codes = {asked.error.exit_code for _, asked in answers if asked.error is not None}
    return EvidenceError.exit_code if EvidenceError.exit_code in codes else max(codes, default=0)


def _take(arguments: argparse.Namespace, screen: Screen) -> int:
    path = pathlib.Path(arguments.file)
    with explained_reading(path):
        data = path.read_bytes()
    friends = _chosen([])
    workspace = asked_workspace(arguments)
    shard, taken = _taken(workspace, data, friends)
    names = {(each.witness.verifier.name, each.witness.verifier.key_id): each for each in friends}
    answers = [
        _asked_json(shard, Asked(witness=names[line.name, line.key_id].witness, signature=line))
        for line in taken
    ]
    screen.show({"asked": answers}, _asked_page)
    return 0


def _taken(workspace: Workspace, data: bytes, friends: list[Friend]) -> tuple[Shard, list[Signature]]:
    """Find whose checkpoint signature lines are of, that of the shard which is written first of all."""
    ledger = Ledger(Folder(workspace.path))
    verifiers = [each.witness.verifier for each in friends]
    at_ms = time.time_ns() // 1_000_000
    refused: SignatureError | None = None
    for shard in (*_shards(workspace, every=False), *workspace.ledger.shards):
        try:
            return shard, take_lines(ledger, shard, data, verifiers, at_ms=at_ms)
        except SignatureError as error:
            refused = refused or error
    assert refused is not None, "there is a shard that is written"
    raise refused


def _logs(arguments: argparse.Namespace, screen: Screen) -> int:
    shards = _shards(asked_workspace(arguments), every=arguments.all)
    if screen.as_json:
        screen.write_json(
            {"logs": [{"shard": each.name, "origin": each.origin, "vkey": each.vkey} for each in shards]}
        )
    else:
        screen.write("".join(f"log {each.vkey}\n" for each in shards))
    return 0


def _chosen(names: list[str]) -> list[Friend]:
    friends = WitnessBook(KeyRing.find().path).friends()
    if not friends:
        raise InputError("no witness is known yet", remedy="Name one with: whence witness add URL VKEY")
    unknown = sorted(set(names) - {each.name for each in friends})
    if unknown:
        raise NotFoundError(f"no witness {unknown[0]!r:.100}", remedy="whence witness list names them.")
    return [each for each in friends if not names or each.name in names]


def _shards(workspace: Workspace, *, every: bool) -> list[Shard]:
    current = workspace.ledger.current
    found = workspace.ledger.shards if every else [current] if current is not None else []
    if not found:
        raise NotFoundError(
            f"nothing is logged in {workspace.path} yet", remedy="Record a run; it is logged when it ends."
        )
    return found


def _friends_json(book: WitnessBook, friends: list[Friend]) -> dict[str, Any]:
    listed = [
        {
            "name": each.name,
            "url": each.witness.url,
            "vkey": each.witness.verifier.vkey,
            "auto": each.is_auto,
        }
        for each in friends
    ]
    return {"witnesses": listed, "path": str(book.path)}


def _friends_page(value: dict[str, Any]) -> list[Block]:
    if not value["witnesses"]:
        told = "name one that you want to ask"
        return [
            Line(words="No witness is asked."),
            *try_next([("whence witness add URL VKEY", told)]),
        ]
    rows: list[list[Cell]] = [
        [strong(each["name"]), each["url"], "auto" if each["auto"] else "", dim(each["vkey"])]
        for each in value["witnesses"]
    ]
    return [Grid(heads=["witness", "url", "", "vkey"], rows=rows, cut=(3,))]


def _asked_json(shard: Shard, asked: Asked) -> dict[str, Any]:
    time_s = None if asked.signature is None else time_of(asked.signature)
    tree = shard.tree
    return {
        "shard": shard.name,
        "origin": tree.origin,
        "size": tree.size,
        "witness": asked.witness.name,
        "url": asked.witness.url,
        "cosigned": asked.signature is not None,
        "at": None if time_s is None else _utc(time_s),
        "was_there": asked.was_there,
        "forgot": asked.has_forgotten,
        "code": "" if asked.error is None else asked.error.code,
        "problem": "" if asked.error is None else asked.error.message,
        "remedy": "" if asked.error is None else asked.error.remedy,
    }


def _utc(time_s: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time_s))


def _asked_page(value: dict[str, Any]) -> list[Block]:
    blocks: list[Block] = []
    for each in value["asked"]:
        what = f"{count_of(each['size'], 'entry', 'entries')} of {each['shard']}"
        if not each["cosigned"]:
            blocks.append(Line(words=(Words("✗ ", "bad"), strong(each["witness"]), f"  {each['problem']}")))
            blocks += [Line(words=dim(each["remedy"]), indent=2)] if each["remedy"] else []
            continue
        said = "had cosigned" if each["was_there"] else "cosigned"
        told = dim(f"  {said} {what}, {moment(each['at'])}")
        blocks.append(Line(words=(Words("✓ ", "good"), strong(each["witness"]), told)))
        if each["forgot"]:
            warning = "It remembered less than it has cosigned before: tell its operator."
            blocks.append(Line(words=Words(warning, "doubt"), indent=2))
    if any(each["cosigned"] for each in value["asked"]):
        blocks += try_next([("whence verify --policy FILE", "check it against a policy with a quorum")])
    return blocks
