"""Addresses: how a delivered sample is named.

RUN@EPOCH:BATCH.ITEM     an item of a batch
RUN@EPOCH:BATCH          a batch, or a sample of a stream without batches
RUN/STREAM@EPOCH#1:...   a stream of several, and the second pass over the same epoch

Several outputs together: RUN@EPOCH, a whole pass; RUN@EPOCH:10-19, ten of its batches, or samples.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from whence.errors import InputError

_ADDRESS = re.compile(
    r"(?P<run>[^/@#:]+)(/(?P<stream>[^/@#:]+))?@(?P<epoch>\d+)(#(?P<repeat>\d+))?"
    r"(:(?P<first>\d+)(\.(?P<item>\d+))?)?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """The address of a batch, an item of one, or a sample of a stream without batches.

    Args:
        run: a run's name or id.
        stream: the stream's name; None where the run has only one.
        epoch: the number of the pass.
        repeat: counts the passes over the same epoch.
        batch: the batch; None in a stream without batches.
        item: the item in the batch, or the sample in a stream without batches.
    """

    run: str
    epoch: int
    stream: str | None = None
    repeat: int = 0
    batch: int | None = None
    item: int | None = None

    def __str__(self) -> str:
        place = ".".join(str(part) for part in (self.batch, self.item) if part is not None)
        stream = f"/{self.stream}" if self.stream else ""
        repeat = f"#{self.repeat}" if self.repeat else ""
        return f"{self.run}{stream}@{self.epoch}{repeat}" + (f":{place}" if place else "")

    def with_item_only(self, item: int) -> Address:
        """The address of a sample in the same pass of a stream without batches."""
        return Address(run=self.run, epoch=self.epoch, stream=self.stream, repeat=self.repeat, batch=item)


_RANGE = re.compile(r"(?P<pass>[^:]+)(:(?P<first>\d+)-(?P<last>\d+))?")


def parse_range(text: str) -> tuple[Address, int, int | None] | None:
    """Read the address of a whole pass, or of some consecutive outputs of one.

    Returns:
        The pass, the first output and the one after the last (None: all that follow); None where it is
        the address of a single one.

    Raises:
        InputError: it is no address, or its last output comes before the first.
    """
    match = _RANGE.fullmatch(text.strip())
    if match is None:
        return None
    address = parse_address(match["pass"])
    if match["first"] is None:
        return address, 0, None
    first, last = int(match["first"]), int(match["last"])
    if last < first:
        raise InputError(f"{text!r:.80} ends before it begins", remedy=f"Write ...:{last}-{first}.")
    return address, first, last + 1


def parse_address(text: str) -> Address:
    """Read an address.

    Raises:
        InputError: it isn't one.
    """
    match = _ADDRESS.fullmatch(text.strip())
    if match is None:
        raise InputError(
            f"{text!r:.80} is not the address of a sample",
            remedy="Write RUN@EPOCH:BATCH.ITEM, such as quiet-otter-17@2:17.5 (whence runs lists the runs).",
        )
    first, item = match["first"], match["item"]
    return Address(
        run=match["run"],
        stream=match["stream"],
        epoch=int(match["epoch"]),
        repeat=int(match["repeat"] or 0),
        batch=None if first is None else int(first),
        item=None if item is None else int(item),
    )
