"""A page for people as a value: blocks of words with a tone; how they look is decided in `drawing`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Tone = Literal["plain", "strong", "dim", "name", "good", "bad", "doubt", "random"]


@dataclass(frozen=True, slots=True)
class Words:
    """A piece of text in one tone."""

    text: str
    tone: Tone = "plain"


Cell = str | Words | tuple["str | Words", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line, wrapped where the terminal ends.

    Args:
        words: what it says.
        indent: how many columns it stands in.
    """

    words: Cell
    indent: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The head of what follows, with an empty line before it."""

    title: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Aligned columns.

    Args:
        rows: the cells, row by row.
        heads: the names of the columns; none for no head.
        right: the columns whose cells end at the right.
        cut: the columns that are cut short where the terminal ends, the last one first; elsewhere cells
            wrap.
        indent: how many columns it stands in.
    """

    rows: list[list[Cell]]
    heads: list[str] = field(default_factory=list)
    right: frozenset[int] = frozenset()
    cut: tuple[int, ...] = ()
    indent: int = 2


Block = Line | Section | Grid


def strong(text: object) -> Words:
    """What the eye should find first."""
    return Words(str(text), "strong")


def dim(text: object) -> Words:
    """What may be overlooked."""
    return Words(str(text), "dim")


def name(text: object) -> Words:
    """A name that can be given to another command."""
    return Words(str(text), "name")


def facts(pairs: list[tuple[str, Cell]]) -> Grid:
    """Labels and what they stand for."""
    return Grid(rows=[[dim(label), value] for label, value in pairs])


def try_next(commands: list[tuple[str, str]]) -> list[Block]:
    """Commands to type next, and what they tell."""
    return [
        Section(title="try next"),
        Grid(rows=[[name(command), dim(what)] for command, what in commands]),
    ]
