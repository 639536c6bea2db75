"""Lines: the parts of a program that other processes can do, each on pieces of its own.

A line begins with a base, whose outputs can be given out piece by piece, and goes up through ops that treat
pieces of their input by themselves. Between them may stand ops that have to know what came before but need
only the gist of each sample for it, such as the key that dedup compares: the samples stay in the worker, the
gists go to the first process, which decides in order, and the verdict comes back.
Whatever is in no line is done in the first process, as without workers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

from whence.ops import Asking, Op
from whence.streams.plan import Program, op_of

Form = Literal["rows", "picked", "portions", "samples"]
"""How the base is given out: as positions of a source's rows, as positions of an op that is read by position,
as portions of a source's rows that are yet to be decoded, or as the samples themselves."""

_LARGEST_UNIT = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Some steps that a worker does with pieces of what the lowest of them gives.

    Args:
        base: the step whose outputs are given out.
        form: how.
        ops: the steps above it, upward.
        unit: how many outputs of the base must come together.
    """

    base: int
    form: Form
    ops: tuple[int, ...]
    unit: int = 1

    @property
    def top(self) -> int:
        """The step whose outputs it makes."""
        return self.ops[-1] if self.ops else self.base


def find_line(
    program: Program, top: int, shared: Collection[int], form_of: Callable[[int], Form]
) -> Line | None:
    """Find the longest line that makes the outputs of a step.

    Args:
        program: the steps.
        top: the step.
        shared: the steps that are read by more than one other, which no line goes through.
        form_of: tells how the outputs of a step can be given out.

    Returns:
        None where another process would have nothing to do but to be given samples and give them back.
    """
    ops: list[int] = []
    base = top
    while _goes_on(program.steps[base].node.op) and (base == top or base not in shared):
        ops.insert(0, base)
        (base,) = program.steps[base].inputs
    form = form_of(base)
    while True:
        unit, stop = _unit_of(program, form, ops)
        if stop is None:
            break
        base, form, ops = ops[stop], "samples", ops[stop + 1 :]
    if not _is_worth(program, base, form, ops):
        return None
    return Line(base=base, form=form, ops=tuple(ops), unit=unit)


def _goes_on(op: Op | None) -> bool:
    return op is not None and (op.unit > 0 or isinstance(op, Asking)) and not op.learns


def _unit_of(program: Program, form: Form, ops: list[int]) -> tuple[int, int | None]:
    """Find how many outputs of the base must come together.

    Returns:
        The number, and the place of the first op whose inputs come in groups that can't be known beforehand.
    """
    unit = scale = 1  # outputs of the base that must come together, and that make one sample here
    is_known = form != "portions"  # whether a sample's position here follows from its position in the base
    for place, index in enumerate(ops):
        op = op_of(program.steps[index])
        together = max(1, op.unit)
        if together > 1:
            unit = math.lcm(unit, scale * together)
            if not is_known or unit > _LARGEST_UNIT:
                return 1, place
            scale *= together // op.out_size([together])
        is_known = is_known and op.mapping_kind == "closed"
    return unit, None


def _is_worth(program: Program, base: int, form: Form, ops: list[int]) -> bool:
    """Whether there is work in a line: a user's function, or rows to decode."""
    steps = [program.steps[index] for index in ops]
    if form == "picked":
        below = [program.steps[index] for index in _below(program, base)]
        steps += below
        if any(step.node.source is not None and step.node.source.gives == "portions" for step in below):
            return True
    has_functions = any(step.node.op is not None and step.node.op.functions() for step in steps)
    return has_functions or (form == "portions" and bool(ops))


def _below(program: Program, index: int) -> list[int]:
    found = [index]
    for each in program.steps[index].inputs:
        found += _below(program, each)
    return found
