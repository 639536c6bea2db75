"""Plans, as values: sources and what is done to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Given:
    """A source: its name is unique in a plan, `values` are the numbers its rows begin with."""

    kind: str
    name: str
    values: tuple[int, ...]

    def __repr__(self) -> str:
        return f"{self.kind}:{self.name}{list(self.values)}"


@dataclass(frozen=True, slots=True)
class Done:
    """An operation on plans; `args` are what its method needs."""

    op: str
    inputs: tuple[Plan, ...]
    args: tuple[Any, ...] = ()
    label: str = ""

    def __repr__(self) -> str:
        below = ", ".join(map(repr, self.inputs))
        return f"{self.op}{self.args or ''}({below})"


Plan = Given | Done


def walk(plan: Plan) -> Iterator[Plan]:
    """Visit a plan, inputs first."""
    if isinstance(plan, Done):
        for below in plan.inputs:
            yield from walk(below)
    yield plan


def ops_of(plan: Plan) -> set[str]:
    """Name the operations in a plan."""
    return {each.op for each in walk(plan) if isinstance(each, Done)}


def sources_of(plan: Plan) -> dict[str, Given]:
    """Find a plan's sources by name."""
    return {each.name: each for each in walk(plan) if isinstance(each, Given)}


def rows_in(plan: Plan) -> list[tuple[str, int]]:
    """All rows of a plan's sources."""
    return [(name, row) for name, given in sources_of(plan).items() for row in range(len(given.values))]
