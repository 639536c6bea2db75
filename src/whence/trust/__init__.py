"""Witnesses and anchors: what others outside say of a log; the only room that may use the network."""

from whence.trust.anchors import (
    Anchor,
    Checked,
    Log,
    State,
    check_anchors,
    list_anchors,
    read_anchor,
    write_anchor,
)
from whence.trust.kinds import (
    KINDS,
    Anchored,
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
from whence.trust.web import Answer, ask

__all__ = [
    "KINDS",
    "Anchor",
    "Anchored",
    "Answer",
    "Checked",
    "Kind",
    "KindRow",
    "Log",
    "Option",
    "State",
    "Trust",
    "Upgradable",
    "ask",
    "bytes_of",
    "check_anchors",
    "find_kind",
    "list_anchors",
    "number_of",
    "read_anchor",
    "read_trust",
    "spelled",
    "text_of",
    "write_anchor",
]
