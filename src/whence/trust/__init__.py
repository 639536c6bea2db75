"""Witnesses and anchors: what others outside say of a log; the only room that may use the network."""

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
    "Anchored",
    "Answer",
    "Kind",
    "KindRow",
    "Option",
    "Trust",
    "Upgradable",
    "ask",
    "bytes_of",
    "find_kind",
    "number_of",
    "read_trust",
    "spelled",
    "text_of",
]
