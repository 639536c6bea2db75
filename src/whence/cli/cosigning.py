"""The side of the witness in `whence witness`: its key, its server, a log whose folder is at hand."""

from __future__ import annotations

import argparse
import contextlib
import pathlib
import signal
import threading
import time
from collections.abc import Callable
from typing import Any, cast

from whence.cli.page import Block, Line, dim, facts, strong
from whence.cli.screen import Screen, visible
from whence.errors import InputError, KeyUnusableError
from whence.ledger import Algorithm, Cosigner, parse_checkpoint, parse_note, time_of
from whence.store import KeyRing, explained_reading, write_whole
from whence.trust import KEY_FILE, Logs, Witness, WitnessServer, memory_beside, open_cosigner

_PORT = 7391

Adds = Callable[[Any, str, Any, str], argparse.ArgumentParser]


def add_witness_actions(actions: Any, add: Adds) -> None:
    """Add the actions of whoever cosigns for others."""
    key = add(actions, "key", _key, "show the key that you cosign with, for those who trust it")
    serve = add(actions, "serve", _serve, "cosign for others, over HTTP")
    serve.add_argument("--host", default="127.0.0.1", help="where to listen (default: this machine only)")
    serve.add_argument("--port", type=int, default=_PORT, help=f"0 for any that is free (default: {_PORT})")
    sign = add(actions, "sign", _sign, "cosign a log whose folder you have")
    sign.add_argument("checkpoint", metavar="CHECKPOINT", help="the log's checkpoint, a file")
    sign.add_argument(
        "--from", dest="folder", metavar="FOLDER", help="the log's folder (default: the checkpoint's)"
    )
    sign.add_argument("--out", metavar="FILE", help="write the cosignature there (default: standard output)")
    for parser in (key, serve, sign):
        parser.add_argument(
            "--key", metavar="FILE", help="the key, made on first use (default: below your keys)"
        )
        parser.add_argument("--name", default="", metavar="NAME", help="the witness's name, for a new key")
        parser.add_argument(
            "--algorithm", choices=["ed25519", "ml-dsa-44"], help="of a new key (default: ed25519)"
        )
    for parser in (serve, sign):
        parser.add_argument("--state", metavar="FOLDER", help="what was cosigned (default: beside the key)")
        parser.add_argument(
            "--log", action="append", default=[], metavar="VKEY", help="a log to cosign; may be repeated"
        )
        parser.add_argument(
            "--logs",
            metavar="FILE",
            help="a policy with log lines, or a vkey on each line; read when it changes",
        )


def _key(arguments: argparse.Namespace, screen: Screen) -> int:
    path = _key_path(arguments)
    cosigner = _cosigner(arguments, path)
    screen.show({"name": cosigner.name, "vkey": cosigner.vkey, "key": str(path)}, _key_page)
    return 0


def _serve(arguments: argparse.Namespace, screen: Screen) -> int:
    if not 0 <= arguments.port <= 65535:
        raise InputError(f"--port {arguments.port}: wanted 0 to 65535")
    witness = _witness(arguments, screen)
    server = WitnessServer(witness.answer, host=arguments.host, port=arguments.port, say=_told(screen))
    value = {
        "name": witness.cosigner.name,
        "vkey": witness.cosigner.vkey,
        "url": server.url,
        "logs": witness.logs.origins,
        "state": str(witness.state),
    }
    screen.show(value, _serve_page)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: threading.Thread(target=server.stop).start())
    server.serve()
    screen.say("whence: the witness has stopped")
    return 0


def _sign(arguments: argparse.Namespace, screen: Screen) -> int:
    path = pathlib.Path(arguments.checkpoint)
    with explained_reading(path):
        note = parse_note(path.read_bytes())
    tree = parse_checkpoint(note.text)
    folder = pathlib.Path(arguments.folder) if arguments.folder else path.parent

    def read(name: str) -> bytes:
        with explained_reading(folder / name):
            return (folder / name).read_bytes()

    witness = _witness(arguments, screen)
    signature = witness.cosign(note, tree, read)
    if arguments.out:
        write_whole(pathlib.Path(arguments.out), signature.line.encode())
    value = {
        "origin": tree.origin,
        "size": tree.size,
        "name": witness.cosigner.name,
        "vkey": witness.cosigner.vkey,
        "time_s": time_of(signature),
        "cosignature": signature.line,
    }
    if screen.as_json:
        screen.write_json(value)
    elif not arguments.out:
        screen.write(signature.line)
    screen.say(f"whence: {witness.cosigner.name} cosigned {tree.size:,} entries of {tree.origin}")
    return 0


def _key_path(arguments: argparse.Namespace) -> pathlib.Path:
    if arguments.key:
        return pathlib.Path(arguments.key).expanduser().absolute()
    return KeyRing.find().path / KEY_FILE


def _cosigner(arguments: argparse.Namespace, path: pathlib.Path) -> Cosigner:
    algorithm = cast(Algorithm | None, arguments.algorithm)
    return open_cosigner(path, name=arguments.name, algorithm=algorithm)


def _witness(arguments: argparse.Namespace, screen: Screen) -> Witness:
    path = _key_path(arguments)
    if not arguments.log and not arguments.logs:
        raise InputError(
            "no log to cosign is named", remedy="Name the keys of logs with --log VKEY, or --logs FILE."
        )
    logs = Logs(arguments.log, pathlib.Path(arguments.logs) if arguments.logs else None, say=_told(screen))
    _warn_of_own(logs, screen)
    state = pathlib.Path(arguments.state) if arguments.state else path.with_name("state")
    return Witness(
        cosigner=_cosigner(arguments, path),
        logs=logs,
        state=state,
        beside=memory_beside(path),
        now_s=lambda: int(time.time()),
    )


def _warn_of_own(logs: Logs, screen: Screen) -> None:
    """Say where somebody vouches for himself, which may be a trial."""
    with contextlib.suppress(KeyUnusableError):
        ring = KeyRing.find()
        own = {key.public for key in (ring.keys() if ring.paths() else [])}
        for origin in logs.origins:
            if any(each.public in own for each in logs.of(origin)):
                screen.say(
                    f"whence: the log {visible(origin)} is your own: what you cosign convinces nobody else"
                )


def _told(screen: Screen) -> Callable[[str], None]:
    """Say lines in which strangers may have put what a terminal would obey."""
    return lambda line: screen.say(visible(line))


def _key_page(value: dict[str, Any]) -> list[Block]:
    return [Line(words=strong(value["vkey"])), facts([("name", value["name"]), ("key", dim(value["key"]))])]


def _serve_page(value: dict[str, Any]) -> list[Block]:
    return [
        Line(words=("The witness ", strong(value["name"]), " listens at ", strong(value["url"]))),
        facts([("vkey", value["vkey"]), ("logs", ", ".join(value["logs"])), ("state", dim(value["state"]))]),
    ]
