"""Write the receipt of a run, a model, an artifact or a decision: a C2SP tlog-proof, which others verify.

It proves that what it speaks of is in a signed log, without the log. WHAT is a run, a model such as digits@2,
RUN/NAME of an artifact, a decision's id, or an entry, SHARD:INDEX.
"""

from __future__ import annotations

import argparse
import pathlib
from typing import Any

from whence.cli.page import Block, Line, Words, dim, strong
from whence.cli.place import asked_workspace
from whence.cli.screen import Screen
from whence.cli.wording import size_of
from whence.errors import InputError
from whence.store import write_whole


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What, and where to."""
    parser.add_argument("what", metavar="WHAT", help="a run, a model, RUN/NAME of an artifact, or an entry")
    parser.add_argument(
        "--out", metavar="FILE", help="a file that isn't there yet (default: standard output)"
    )


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Write it."""
    receipt = asked_workspace(arguments).prove(arguments.what)
    if arguments.out is None:
        if screen.as_json:
            screen.write_json({"what": arguments.what, "receipt": receipt.decode()})
        else:
            screen.write_bytes(receipt)
        return 0
    path = pathlib.Path(arguments.out)
    if path.exists():
        raise InputError(f"{path}: is there already", remedy="Name another file.")
    write_whole(path, receipt)
    screen.show({"what": arguments.what, "path": str(path), "bytes": len(receipt)}, page)
    return 0


def page(value: dict[str, Any]) -> list[Block]:
    """Say what lies where."""
    told = f"  the receipt of {value['what']}, {size_of(value['bytes'])}"
    return [Line(words=(Words("✓ ", "good"), strong(value["path"]), dim(told)))]
