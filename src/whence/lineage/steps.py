"""Blocks of a selection or an expansion: half a million inputs or more, read at any place.

A block is plain bits, or *steps*. A step is a stretch of inputs that all give the same number of outputs, the
`usual` one, and then either one input with a number of outputs of its own or a run of inputs that give one
output each. So a filter that keeps few is stretches without outputs, each with one input that has an output;
one that drops few the other way round; long runs are runs; and the counts of a flat_map are single inputs
with stretches between them where one number of outputs prevails.

Both lists of numbers, the stretches and what follows them, are `sequences`: a question looks its cell up in
the directory and decodes that cell. What the bytes mean is written in docs/reference/lineage-encodings.md.
Source: the directories are the rank and select structures of Okanohara & Sadakane, "Practical
entropy-compressed rank/select dictionary", ALENEX 2007, over Rice codes rather than Elias-Fano's.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from whence.errors import DamagedError, PlanError
from whence.lineage.bits import Encoded
from whence.lineage.lines import Line, Numbers, as_array
from whence.lineage.mapping import POSITION_LIMIT
from whence.lineage.origins import BoolArray, IntArray, each_once
from whence.lineage.sequences import CELL, Sequence, Spelling

_PLAIN, _SINGLES, _RUNS = range(3)
_HEAD = struct.Struct("<BxxxIQq")
_WORD = 64
_EVEN_AT_LEAST = 512
_MANY = 1_024
_SAMPLE = 1_024
_NO_BYTES = np.zeros(8, np.uint8)
_NO_NUMBERS: IntArray = np.zeros(0, np.int64)
_THIN = 16
_SMALL = 1 << 16


def encode_mask_block(mask: BoolArray) -> bytes:
    """Spell which inputs of a block were kept.

    Args:
        mask: True where an input was kept, shape (n,).

    Returns:
        Some 50 bytes where all, none or every other one was kept; for random masks of any share within an
        eighth of the entropy; little for long runs.

    Cost: O(n), 1 to 5 ns for each input.
    """
    size = len(mask)
    kept_count = int(np.count_nonzero(mask))
    if kept_count in {0, size}:
        return _spell(_SINGLES, int(kept_count > 0), _NO_NUMBERS, _NO_NUMBERS)
    begins_kept = int(mask[0])
    run_count = (int(np.count_nonzero(mask[1:] != mask[:-1])) + 1 + begins_kept) // 2
    spelled = {
        "kept": _random_bits(size - kept_count, kept_count),
        "dropped": _random_bits(kept_count, size - kept_count),
        "runs": _random_bits(size - kept_count, run_count) + _random_bits(kept_count, run_count),
    }
    best = min(spelled, key=lambda name: spelled[name])
    even = _find_even(mask)
    if even is not None:
        usual, first, gap, count = even
        head = _HEAD.pack(_SINGLES, count, usual, first - (gap - 1))
        return head + Spelling(np.array([gap - 1])).spell() + Spelling(np.array([1 - usual])).spell()
    if spelled[best] > size:
        return _HEAD.pack(_PLAIN, 0, 0, 0) + np.packbits(mask).tobytes()
    if best == "runs":
        edges = np.flatnonzero(np.diff(mask, prepend=False, append=False)).astype(np.int64, copy=False)
        gaps = np.diff(edges, prepend=0)
        return _spell(_RUNS, 0, gaps[0::2], gaps[1::2])
    usual = int(best == "dropped")
    places = np.flatnonzero(mask != usual).astype(np.int64, copy=False)
    return _spell(_SINGLES, usual, _stretches(places), np.full(len(places), 1 - usual, np.int64))


def encode_counts_block(counts: Numbers) -> bytes:
    """Spell how many outputs each input of a block gave.

    Args:
        counts: numbers of outputs, shape (n,).

    Returns:
        Some 50 bytes where all counts are one number, about the entropy where they vary.

    Raises:
        PlanError: a count is negative, or they add up to more than positions can number.

    Cost: O(n), 5 to 20 ns for each input.
    """
    if isinstance(counts, Line) and counts.count and not counts.step and counts.first < _SMALL:
        return _spell(_SINGLES, counts.first, _NO_NUMBERS, _NO_NUMBERS)
    return _spell_counts(as_array(counts).astype(np.int64, copy=False))


def _spell_counts(counts: IntArray) -> bytes:
    if counts.size and int(counts.min()) < 0:
        raise PlanError(f"a sample can't give {int(counts.min())} outputs")
    # the sum in floating point can't wrap; its error is far below the factor of two kept in reserve
    if float(counts.sum(dtype=np.float64)) >= POSITION_LIMIT / 2:
        raise PlanError("counts add up to more than positions can number")
    if counts.size and counts[0] == counts[-1] and (counts == counts[0]).all():
        return _spell(_SINGLES, int(counts[0]), _NO_NUMBERS, _NO_NUMBERS)
    # the value of many more than half of the inputs, if there is one, stands in the middle of any sample
    sample = np.sort(counts[:: max(1, len(counts) // _SAMPLE)])
    usual = int(sample[len(sample) // 2]) if counts.size else 0
    places = np.flatnonzero(counts != usual).astype(np.int64, copy=False)
    each = _spell(_SINGLES, 0, np.zeros(len(counts), np.int64), counts)
    if 2 * len(places) >= len(counts):
        return each
    return min(_spell(_SINGLES, usual, _stretches(places), counts[places]), each, key=len)


@dataclass(frozen=True, slots=True, eq=False)
class _Steps:
    """Steps of some cells: where each begins, its stretch, the number after it; where the last one ends."""

    ins: IntArray
    outs: IntArray
    stretches: IntArray
    others: IntArray
    in_end: int
    out_end: int
    are_neighbours: bool


class StepsBlock:
    """Reads what `encode_mask_block` or `encode_counts_block` wrote, one of another form than plain bits.

    Positions are counted from the beginning of the block.
    """

    __slots__ = (
        "_excess", "_in_starts", "_is_runs", "_others", "_out_starts", "_stretches", "_usual", "in_size",
        "out_size",
    )  # fmt: skip

    def __init__(self, data: Encoded, in_size: int, out_size: int) -> None:
        head: tuple[int, int, int, int] = _HEAD.unpack_from(data)
        form, count, self._usual, self._excess = head
        if form not in (_SINGLES, _RUNS):
            raise DamagedError(f"a block of lineage has form {form}, which is none")
        self._is_runs = form == _RUNS
        self._stretches = Sequence(data, _HEAD.size, count)
        self._others = Sequence(data, self._stretches.end, count)
        self.in_size, self.out_size = in_size, out_size
        stretched, others = self._stretches.sums(), self._others.sums()
        stretched[1:] += self._excess
        singles = np.minimum(np.arange(len(stretched)) * CELL, count)
        self._in_starts = stretched + (others if self._is_runs else singles)
        self._out_starts = self._usual * stretched + others
        rest = in_size - int(self._in_starts[-1])
        if len(data) != self._others.end or rest < 0 or out_size != self._out_starts[-1] + self._usual * rest:
            raise DamagedError("a block of lineage doesn't have the inputs and outputs that it says")

    def parents(self, outputs: IntArray) -> IntArray:
        """Find the input of each output, shape (n,)."""
        steps = self._steps(self._out_starts, outputs)
        if self._is_dense(steps, len(outputs)):
            first, counts = self._expanded(steps)
            inputs = np.repeat(np.arange(first, first + len(counts)), counts)
            found: IntArray = inputs[outputs - steps.outs[0]]
            return found
        # steps without outputs begin where the next begins; the last of them is the one that has some
        which = np.searchsorted(steps.outs, outputs, side="right") - 1
        inside = outputs - steps.outs[which]
        stretch = steps.stretches[which]
        before = self._usual * stretch
        behind = steps.ins[which] + stretch + (inside - before if self._is_runs else 0)
        if not self._usual:
            return behind
        return np.where(inside < before, steps.ins[which] + inside // self._usual, behind)

    def children(self, inputs: IntArray) -> tuple[IntArray, IntArray]:
        """Find the first output of each input and how many it has, both of shape (n,)."""
        steps = self._steps(self._in_starts, inputs)
        if self._is_dense(steps, len(inputs)):
            first, counts = self._expanded(steps)
            places = inputs - first
            firsts = np.cumsum(counts) - counts
            return firsts[places] + steps.outs[0], counts[places]
        which = np.searchsorted(steps.ins, inputs, side="right") - 1
        inside = inputs - steps.ins[which]
        stretch = steps.stretches[which]
        in_stretch = inside < stretch
        first = steps.outs[which] + self._usual * np.minimum(inside, stretch)
        if self._is_runs:
            return first + np.maximum(inside - stretch, 0), np.where(in_stretch, 0, 1)
        return first, np.where(in_stretch, self._usual, steps.others[which])

    def flags(self) -> BoolArray:
        """Tell of each input whether it has an output, shape (in_size,)."""
        found = np.full(self.in_size, self._usual > 0)
        count = self._stretches.count
        stretch, other = self._stretches.only, self._others.only
        if stretch is not None and other is not None and not self._is_runs:
            first, gap = self._excess + stretch, stretch + 1
            found[first : first + count * gap : gap] = other > 0
            return found
        cells = np.arange(self._stretches.cell_count)
        stretches, others = (each.cells(cells).ravel()[:count] for each in (self._stretches, self._others))
        taken = others if self._is_runs else 1
        behind = np.cumsum(stretches + taken) - taken + self._excess
        if not self._is_runs:
            found[behind] = others > 0
            return found
        edges = np.zeros(self.in_size + 1, np.int8)
        edges[behind] = 1
        edges[behind + others] -= 1
        np.cumsum(edges[:-1], out=edges[:-1])  # eight bits are enough for one or none, and need no buffer
        return edges[:-1] > 0

    def _is_dense(self, steps: _Steps, asked: int) -> bool:
        """Tell whether it is quicker to write out inputs and outputs of all steps than to look them up."""
        if asked < _MANY or not steps.are_neighbours:
            return False
        return steps.in_end - int(steps.ins[0]) + steps.out_end - int(steps.outs[0]) < _THIN * asked

    def _expanded(self, steps: _Steps) -> tuple[int, IntArray]:
        """Write out how many outputs each input has, from the first input of the steps to their last one."""
        first = int(steps.ins[0])
        counts = np.full(steps.in_end - first, self._usual, np.int64)
        behind = steps.ins - first + steps.stretches
        if self._is_runs:
            edges = np.zeros(len(counts) + 1, np.int8)
            edges[behind] = 1
            edges[behind + steps.others] -= 1
            counts = np.cumsum(edges[:-1], dtype=np.int64)
        else:
            has_single = behind < len(counts)  # behind the last step there may be a stretch and nothing else
            counts[behind[has_single]] = steps.others[has_single]
        return first, counts

    def _steps(self, starts: IntArray, asked: IntArray) -> _Steps:
        """Decode the steps of the cells asked for, and the stretch behind the last step."""
        cells = each_once(np.searchsorted(starts, asked, side="right") - 1)
        end = len(starts) - 1
        are_neighbours = bool(len(cells)) and int(cells[-1] - cells[0]) == len(cells) - 1
        has_end = bool(len(cells)) and int(cells[-1]) == end
        cells = cells[: len(cells) - has_end]
        stretches, others = self._stretches.cells(cells), self._others.cells(cells)
        if len(cells) and not cells[0]:
            stretches[0, 0] += self._excess
        taken = stretches + (others if self._is_runs else 1)
        given = self._usual * stretches + others if self._usual else others
        ins = np.cumsum(taken, axis=1)
        ins += self._in_starts[cells, None] - taken
        outs = np.cumsum(given, axis=1)
        outs += self._out_starts[cells, None] - given
        found = [ins.ravel(), outs.ravel(), stretches.ravel(), others.ravel()]
        rest = self._stretches.count % CELL
        if rest and len(cells) and int(cells[-1]) == end - 1:
            found = [numbers[: rest - CELL] for numbers in found]
        if has_end:
            tail = (self._in_starts[end], self._out_starts[end], self.in_size - self._in_starts[end], 0)
            found = [np.append(numbers, last) for numbers, last in zip(found, tail, strict=True)]
            ends = self.in_size, self.out_size
        else:
            ends = int(self._in_starts[cells[-1] + 1]), int(self._out_starts[cells[-1] + 1])
        return _Steps(found[0], found[1], found[2], found[3], ends[0], ends[1], are_neighbours)


class PlainBlock:
    """Reads a mask in plain bits.

    Positions are counted from the beginning of the block.
    """

    __slots__ = ("_bits", "_ranks", "_words", "in_size", "out_size")

    def __init__(self, data: Encoded, in_size: int, out_size: int) -> None:
        self.in_size, self.out_size = in_size, out_size
        self._bits = np.frombuffer(data, np.uint8, offset=_HEAD.size)
        if len(self._bits) != (in_size + 7) // 8:
            raise DamagedError(f"a block of lineage has {len(self._bits)} bytes for {in_size} inputs")
        filling = -len(self._bits) % 8
        self._words = (np.append(self._bits, _NO_BYTES[:filling]) if filling else self._bits).view(">u8")
        self._ranks = np.zeros(len(self._words) + 1, np.int32)
        np.cumsum(np.bitwise_count(self._words), out=self._ranks[1:])
        if self._ranks[-1] != out_size:
            raise DamagedError(f"{out_size} outputs were recorded, {self._ranks[-1]} are encoded")

    def parents(self, outputs: IntArray) -> IntArray:
        """Find the input of each output, shape (n,)."""
        if _WORD * len(outputs) > self.in_size:  # quicker to unpack them all
            places = np.flatnonzero(np.unpackbits(self._bits, count=self.in_size))
            found: IntArray = places[outputs]
            return found
        words: IntArray = np.searchsorted(self._ranks, outputs, side="right") - 1
        ranks = outputs - self._ranks[words]
        bits = np.unpackbits(self._words[words].view(np.uint8).reshape(-1, 8), axis=1)
        counts = np.cumsum(bits, axis=1, dtype=np.uint8)
        inside: IntArray = (counts <= ranks[:, None]).sum(axis=1)
        return words * _WORD + inside

    def children(self, inputs: IntArray) -> tuple[IntArray, IntArray]:
        """Find the first output of each input and how many it has, both of shape (n,)."""
        if _WORD * len(inputs) > self.in_size:
            kept = np.unpackbits(self._bits, count=self.in_size)
            before = np.cumsum(kept, dtype=np.int64) - kept
            return before[inputs], kept[inputs].astype(np.int64)
        numbers, places = inputs >> 6, (inputs & 63).astype(np.uint64)
        words = self._words[numbers].astype(np.uint64) >> (np.uint64(63) - places)
        is_kept = (words & np.uint64(1)).astype(np.int64)
        return self._ranks[numbers] + np.bitwise_count(words).astype(np.int64) - is_kept, is_kept

    def flags(self) -> BoolArray:
        """Tell of each input whether it was kept, shape (in_size,)."""
        return np.unpackbits(self._bits, count=self.in_size).view(np.bool_)


def read_block(data: Encoded, in_size: int, out_size: int) -> StepsBlock | PlainBlock:
    """Make a block readable, whatever its form.

    Args:
        data: what was encoded.
        in_size: how many inputs it has.
        out_size: how many outputs.

    Raises:
        DamagedError: these bytes aren't such a block.
    """
    if len(data) < _HEAD.size:
        raise DamagedError("a block of lineage ends before its head does")
    return (PlainBlock if data[0] == _PLAIN else StepsBlock)(data, in_size, out_size)


def _spell(form: int, usual: int, stretches: IntArray, others: IntArray) -> bytes:
    # the first stretch begins where the block does and not where a step ended: it is told apart
    first = int(stretches[1:].min()) if len(stretches) > 1 else 0
    excess = int(stretches[0]) - first if len(stretches) else 0
    stretches = np.concatenate((stretches[:1] - excess, stretches[1:]))
    head = _HEAD.pack(form, len(stretches), usual, excess)
    return head + Spelling(stretches).spell() + Spelling(others).spell()


def _stretches(places: IntArray) -> IntArray:
    """Count the inputs before each place and behind the one before."""
    gaps = places - 1
    gaps[:1] += 1
    gaps[1:] -= places[:-1]
    return gaps


def _random_bits(total: int, count: int) -> float:
    """Estimate the bits of `count` Rice codes that add up to `total`, as chance would have them."""
    if not count:
        return 0.0
    mean = total / count
    width = max(0, int(np.log2(max(mean * 0.69, 1.0))))
    share = (mean / (1 + mean)) ** (1 << width)
    return count * (width + 1.25 + share / (1 - share))


def _find_even(mask: BoolArray) -> tuple[int, int, int, int] | None:
    """Find the choice that stands at equal distances, so that a few numbers say it all.

    Returns:
        The other choice (0 kept, 1 dropped), the first place, the distance, and how many there are.
    """
    for usual in (0, 1):
        begin = np.flatnonzero(mask[:_EVEN_AT_LEAST] != usual)
        if len(begin) < 3 or (np.diff(begin, n=2) != 0).any():
            continue
        first, gap = int(begin[0]), int(begin[1] - begin[0])
        count = int(np.count_nonzero(mask))
        count = len(mask) - count if usual else count
        even = np.full(len(mask), usual, np.bool_)
        even[first : first + gap * count : gap] = not usual
        if (even == mask).all():
            return usual, first, gap, count
    return None
