"""The words of the demo: what it did and found, told to someone who sees whence for the first time."""

from __future__ import annotations

import os
import pathlib
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

import whence as wh
from whence.demo.images import SCRIPT, Defect
from whence.demo.tour import Tour, take_tour

_MARGIN = 10


def tell(folder: pathlib.Path, *, as_json: bool) -> int:
    """Take the tour and tell it on standard output; returns the exit code."""
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    if as_json:
        tour = take_tour(folder)
        console.file.write(msgspec.json.format(msgspec.json.encode(tour.to_json()), indent=2).decode() + "\n")
        return 0 if tour.holds else 1
    tour = take_tour(folder)
    page = _Page(console)
    _tell_training(page, tour)
    _tell_answers(page, tour)
    _tell_next(page, tour)
    return 0 if tour.holds else 1


class _Page:
    """Lines with a margin for their heads."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def line(self, head: str, *words: str | tuple[str, str]) -> None:
        """Print a line; its head stands in the margin, words may come with a style."""
        text = Text((head + " ").rjust(_MARGIN), style="")
        text.stylize("bold")
        for word in words:
            text.append(*((word, "not bold") if isinstance(word, str) else (word[0], f"not bold {word[1]}")))
        self._console.print(text)

    def gap(self) -> None:
        """Leave a line empty."""
        self._console.print()


def _tell_training(page: _Page, tour: Tour) -> None:
    training, prepared = tour.training, tour.prepared
    page.line(
        "images",
        f"{prepared.image_count:,} PNG files in {shown(prepared.folder / 'images')}, "
        f"{len(prepared.defects)} of them spoiled on purpose",
    )
    whose = "as you left it" if prepared.kept else "read it, change it, run it again"
    page.line("pipeline", f"{shown(prepared.folder / SCRIPT)} ({whose})")
    page.line(
        "training",
        f"{training.samples:,} samples in {training.run.totals['wall_s']:.1f} s, "
        f"{training.samples_per_s:,.0f} samples/s, recorded as run ",
        (training.run.name, "cyan"),
    )
    for said in training.said.strip().splitlines():
        page.line("", said)
    page.gap()
    page.line("whence", "one training sample of the last epoch, ", (tour.trace.address, "cyan"))
    page.line("", *_way(tour.trace))
    page.gap()


def _tell_answers(page: _Page, tour: Tour) -> None:
    page.line("whither", "the files that were spoiled")
    for defect, impact in tour.fates:
        page.line("", (defect.path, "cyan"), f" ({defect.what})")
        page.line("", "  ", *_fate(defect, impact))
    page.gap()
    replay = tour.replay
    came = (
        ("the same, bit for bit", "green")
        if replay.equal
        else ("different: " + "; ".join(each.what for each in replay.differences), "red")
    )
    page.line(
        "again",
        f"made once more by another process: digest {replay.digest}, recorded {replay.recorded}: ",
        came,
    )
    checked = tour.verdict.checked
    counted = ", ".join(f"{checked[what]:,} {what}" for what in ("runs", "events", "frames", "objects"))
    holds = ("all as recorded", "green") if tour.verdict.holds else ("something doesn't hold", "red")
    page.line("verify", f"{counted}: ", holds)
    page.line(
        "cost", f"{tour.seconds:.1f} s in all, {tour.peak_memory_bytes / 1e6:.0f} MB of memory at the most"
    )
    page.gap()


def _tell_next(page: _Page, tour: Tour) -> None:
    """The five things to try, as one would type them."""
    folder = shown(tour.prepared.folder)
    elsewhere = os.environ.get("WHENCE_HOME")
    page.line(
        "next", "", (f"cd {folder}" + (" && unset WHENCE_HOME" if elsewhere else ""), "green"), ", then:"
    )
    address = tour.trace.address
    mislabelled = tour.prepared.defects[-1].path
    for command, answer in (
        (f"whence trace {address}", "which file and which operations made this sample"),
        (f"whence impact {mislabelled}", "what a file has touched: drops, batches, models"),
        (f"whence replay {address}", "the sample again, checked against its digest"),
        ("whence verify", "whether the record is still what was recorded"),
        ("open report.html", "all of it on one page"),
    ):
        page.line("", (f"{command:<44}", "green"), f"  {answer}")


def _way(trace: wh.Trace) -> list[str | tuple[str, str]]:
    """A sample's way, from its file through each operation, with what was drawn for it."""
    words: list[str | tuple[str, str]] = [(trace.origins[0].path or trace.origins[0].source, "cyan")]
    for step in trace.steps:
        words.append(f" → {step.op}")
        drawn = _drawn(step.random)
        if drawn:
            words.append((f"({drawn})", "magenta"))
    return words


def _drawn(random: dict[str, Any]) -> str:
    named = {name: value for name, value in random.items() if name not in ("key", "id", "epoch", "seed")}
    return ", ".join(f"{name}={value}" for name, value in named.items())


def _fate(defect: Defect, impact: wh.Impact) -> list[str | tuple[str, str]]:
    """What became of a file, in one line: where it was used, or else the first place where it was dropped."""
    if impact.count:
        addresses = [exposure.address.partition("/")[2] for exposure in impact.exposures]
        more = f" and {len(addresses) - 3} more" if len(addresses) > 3 else ""
        return [
            (f"used {impact.count} times", "yellow"),
            f": {', '.join(addresses[:3])}{more}; it is in the model {', '.join(impact.models)}",
        ]
    never = ("never reached the model", "green") if impact.absent else ("nobody knows", "red")
    drop = impact.drops[0] if impact.drops else None
    if drop is None:
        return [never]
    return [never, f": {drop.op}, {drop.reason}" + (f": {drop.detail}" if drop.detail else "")]


def shown(path: pathlib.Path) -> str:
    """A path as one would type it from here."""
    here = pathlib.Path.cwd()
    return os.path.relpath(path, here) if path.is_relative_to(here) else str(path)
