"""Draws pages with rich: in the terminal's own sixteen colours there, as plain aligned text elsewhere."""

from __future__ import annotations

import io
import shutil

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from whence.cli.page import Block, Cell, Grid, Line, Section, Tone, Words
from whence.cli.screen import visible

_STYLES: dict[Tone, str] = {
    "plain": "",
    "strong": "bold",
    "dim": "dim",
    "name": "cyan",
    "good": "green",
    "bad": "bold red",
    "doubt": "yellow",
    "random": "magenta",
}
# A pipe has no edge: what is read by a program or kept in a file is never cut or wrapped.
_NO_EDGE = 100_000
_GAP = 2
_LEAST_CUT = 8


def drawn(blocks: list[Block], *, is_terminal: bool, colour: bool) -> str:
    """Draw a page.

    Args:
        blocks: the page.
        is_terminal: whether it has an edge at which lines wrap.
        colour: whether the terminal takes colour.

    Returns:
        Its text, ended by a line break.
    """
    width = shutil.get_terminal_size().columns if is_terminal else _NO_EDGE
    kept = io.StringIO()
    console = Console(
        file=kept, width=width, force_terminal=colour, color_system="standard" if colour else None,
        highlight=False, markup=False, emoji=False, legacy_windows=False,
    )  # fmt: skip
    for block in blocks:
        if isinstance(block, Section):
            console.print()
            console.print(
                _text((Words(block.title, "strong"), Words(f"  {block.note}" if block.note else "", "dim")))
            )
        elif isinstance(block, Line):
            words = _text(block.words)
            console.print(Padding(words, (0, 0, 0, block.indent), expand=False) if words else "")
        else:
            console.print(Padding(_table(block, width - block.indent), (0, 0, 0, block.indent), expand=False))
    return "\n".join(line.rstrip() for line in kept.getvalue().strip("\n").split("\n")) + "\n"


def _table(grid: Grid, width: int) -> Table:
    table = Table(
        box=None, show_header=bool(grid.heads), pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim"
    )
    cells = [[_text(cell) for cell in row] for row in grid.rows]
    for number in range(max([len(grid.heads), *(len(row) for row in cells)])):
        # the first column is what a line is about: it is never broken
        table.add_column(
            grid.heads[number] if number < len(grid.heads) else "",
            justify="right" if number in grid.right else "left",
            no_wrap=number == 0 or bool(grid.cut),
            overflow="fold",
        )
    _cut(cells, grid, width)
    for row in cells:
        table.add_row(*row)
    return table


def _cut(cells: list[list[Text]], grid: Grid, width: int) -> None:
    """Cut cells short until the lines fit, the last column first, and none to less than can be read."""
    rows = [*cells, [_text(head) for head in grid.heads]] if grid.heads else cells
    widths = [max(column) for column in zip(*[[cell.cell_len for cell in row] for row in rows], strict=False)]
    excess = sum(widths) + _GAP * len(widths) - width
    for number in reversed(grid.cut):
        if excess <= 0:
            return
        kept = max(min(_LEAST_CUT, widths[number]), widths[number] - excess)
        excess -= widths[number] - kept
        for row in cells:
            row[number].truncate(kept, overflow="ellipsis")


def _text(cell: Cell) -> Text:
    pieces = cell if isinstance(cell, tuple) else (cell,)
    text = Text()
    for piece in pieces:
        words = piece if isinstance(piece, Words) else Words(piece)
        text.append(visible(words.text).replace("\n", "\\n"), _STYLES[words.tone] or None)
    return text
