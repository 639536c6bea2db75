"""The words of the demo: what it did and found, told to someone who sees whence for the first time."""

from __future__ import annotations

import os
import pathlib
import shlex
import shutil
import sys

import msgspec
from rich.console import Console
from rich.text import Text

import whence as wh
from whence.demo.images import SCRIPT, Defect, shown
from whence.demo.tour import Tour, take_tour

_MARGIN = 10
# what a draw follows from, rather than what was drawn
_INNER = ("key", "id", "epoch", "seed")


def tell(folder: pathlib.Path, *, as_json: bool) -> int:
    """Take the tour and tell it on standard output; returns the exit code."""
    tour = take_tour(folder)
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(tour.to_json()), indent=2).decode() + "\n")
    else:
        page = _Page(Console(highlight=False, markup=False, emoji=False, soft_wrap=True))
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
    counted = ", ".join(_counted(checked[what], what) for what in ("runs", "events", "frames", "objects"))
    holds = ("all as recorded", "green") if tour.verdict.holds else ("something doesn't hold", "red")
    page.line("verify", f"{counted}: ", holds)
    page.line(
        "cost", f"{tour.seconds:.1f} s in all, {tour.peak_memory_bytes / 1e6:.0f} MB of memory at the most"
    )
    page.gap()


def _tell_next(page: _Page, tour: Tour) -> None:
    """Five things to try, as one would type them."""
    folder = shown(tour.prepared.folder)
    elsewhere = " && unset WHENCE_HOME" if os.environ.get("WHENCE_HOME") else ""
    if shutil.which("whence") is None:  # its environment isn't the shell's
        program = os.path.relpath(pathlib.Path(sys.executable).with_name("whence"), tour.prepared.folder)
        elsewhere += f" && alias whence={shlex.quote(program)}"
    page.line("try", (f"cd {folder}{elsewhere}", "green"), ", and then")
    address = tour.trace.address
    opener = "open" if sys.platform == "darwin" else "xdg-open"
    for command, answer in (
        (f"whence trace {address}", "whence a sample came: its file, each operation, each random draw"),
        (f"whence impact {tour.fates[-1][0].path}", "whither a file went: drops, batches, models"),
        (f"whence replay {address}", "the sample again, held against its recorded digest"),
        ("whence verify", "whether the record is still what was recorded"),
        (f"{opener} {tour.report.name}", "all of it on one page, to read or to hand on"),
    ):
        page.line("", (f"{command:<46}", "green"), f"  {answer}")


def _way(trace: wh.Trace) -> list[str | tuple[str, str]]:
    """A sample's way, from its file through each operation, with what was drawn for it."""
    words: list[str | tuple[str, str]] = [(trace.origins[0].path or trace.origins[0].source, "cyan")]
    for step in trace.steps:
        words.append(f" → {step.op}")
        words += [
            (f" {name}={value}", "magenta") for name, value in step.random.items() if name not in _INNER
        ]
    return words


def _fate(defect: Defect, impact: wh.Impact) -> list[str | tuple[str, str]]:
    """What became of a file, in one line: where it was used, or else the first place where it was dropped."""
    if impact.count:
        addresses = [exposure.address.partition("/")[2] for exposure in impact.exposures]
        more = f" and {len(addresses) - 3} more" if len(addresses) > 3 else ""
        return [
            (f"the model saw it {_counted(impact.count, 'times')}", "yellow"),
            f": {', '.join(addresses[:3])}{more}; no rule caught it, but its ways are known",
        ]
    never = ("never reached the model", "green") if impact.absent else ("nobody knows", "red")
    drop = impact.drops[0] if impact.drops else None
    if drop is None:
        return [never]
    where = "" if drop.reason.startswith(drop.op) else f"{drop.op}: "
    return [never, f"; {where}{drop.reason}" + (f", {drop.detail}" if drop.detail else "")]


def _counted(count: int, what: str) -> str:
    """A number and its noun, given in the plural."""
    return f"{count:,} {what[:-1] if count == 1 else what}"
