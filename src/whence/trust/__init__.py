"""Witnesses and anchors: what others outside say of a log; the only room that may use the network.

What uses it is found on first use: beginning a run, or checking an anchor, loads no door to it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from whence.trust.anchoring import Made, anchor_log, confirm_anchors, upgrade_anchors
from whence.trust.anchors import (
    Anchor,
    Checked,
    Log,
    State,
    anchor_path,
    check_anchors,
    list_anchors,
    read_anchor,
    write_anchor,
)
from whence.trust.kinds import (
    KINDS,
    Anchored,
    Confirmable,
    Kind,
    KindRow,
    Option,
    Trust,
    Upgradable,
    bytes_of,
    find_kind,
    number_of,
    read_trust,
    spelled,
    text_of,
)

if TYPE_CHECKING:
    from whence.trust.web import Answer, ask
    from whence.trust.witness import Witness
    from whence.trust.witness_asking import ask_witnesses, take_lines
    from whence.trust.witness_book import Friend, WitnessBook
    from whence.trust.witness_client import Asked
    from whence.trust.witness_keys import KEY_FILE, memory_beside, open_cosigner
    from whence.trust.witness_logs import Logs
    from whence.trust.witness_server import WitnessServer

_FILE_BY_NAME = {
    "Answer": "web",
    "Asked": "witness_client",
    "Friend": "witness_book",
    "KEY_FILE": "witness_keys",
    "Logs": "witness_logs",
    "Witness": "witness",
    "WitnessBook": "witness_book",
    "WitnessServer": "witness_server",
    "ask": "web",
    "ask_witnesses": "witness_asking",
    "memory_beside": "witness_keys",
    "open_cosigner": "witness_keys",
    "take_lines": "witness_asking",
}

__all__ = [
    "KEY_FILE",
    "KINDS",
    "Anchor",
    "Anchored",
    "Answer",
    "Asked",
    "Checked",
    "Confirmable",
    "Friend",
    "Kind",
    "KindRow",
    "Log",
    "Logs",
    "Made",
    "Option",
    "State",
    "Trust",
    "Upgradable",
    "Witness",
    "WitnessBook",
    "WitnessServer",
    "anchor_log",
    "anchor_path",
    "ask",
    "ask_witnesses",
    "bytes_of",
    "check_anchors",
    "confirm_anchors",
    "find_kind",
    "list_anchors",
    "memory_beside",
    "number_of",
    "open_cosigner",
    "read_anchor",
    "read_trust",
    "spelled",
    "take_lines",
    "text_of",
    "upgrade_anchors",
    "write_anchor",
]


def __getattr__(name: str) -> Any:
    file = _FILE_BY_NAME.get(name)
    if file is None:
        raise AttributeError(f"module 'whence.trust' has no attribute {name!r}")
    return getattr(importlib.import_module(f"whence.trust.{file}"), name)
