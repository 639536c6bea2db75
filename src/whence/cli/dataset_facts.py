"""What `datasets` and `show` tell of a dataset version: as a JSON-able value, and as a page."""

from __future__ import annotations

from typing import Any

from whence.cli.model_facts import decision_row
from whence.cli.page import Block, Cell, Grid, Line, Section, dim, facts, name, strong, try_next
from whence.cli.wording import bars, count_of, moment, number, size_of
from whence.workspace import Dataset

_SHOWN = 40
_FREQUENT = 3


def list_dataset(dataset: Dataset) -> dict[str, Any]:
    """A version in a list."""
    return {
        "name": dataset.name,
        "version": dataset.version,
        "reference": dataset.reference,
        "aliases": dataset.aliases,
        "rows": dataset.rows,
        "bytes": dataset.size_bytes,
        "format": dataset.format,
        "message": dataset.message,
        "digest": dataset.digest,
        "saved_at": dataset.logged_at.isoformat(),
        "run": dataset.run_name,
    }


def describe_dataset(dataset: Dataset, versions: int) -> dict[str, Any]:
    """A version in full."""
    return {
        "kind": "dataset",
        **list_dataset(dataset),
        "versions": versions,
        "chunks": dataset.chunk_count,
        "columns": dataset.columns,
        "profile": dataset.profile,
        "history": [each.to_json() for each in dataset.history],
    }


def dataset_page(value: dict[str, Any]) -> list[Block]:
    """A dataset version: what it holds, column by column, and where it came from."""
    rows: list[tuple[str, Cell]] = [
        ("digest", value["digest"]),
        ("rows", f"{value['rows']:,}"),
        ("size", f"{size_of(value['bytes'])} in {count_of(value['chunks'], 'chunk')}"),
    ]
    rows += [("message", value["message"])] if value["message"] else []
    rows += [("aliases", name(", ".join(value["aliases"])))] if value["aliases"] else []
    rows += [("saved by", (name(value["run"]), dim(f"  {moment(value['saved_at'])}")))]
    head = (strong(value["reference"]), dim(f"  of {count_of(value['versions'], 'version')}"))
    return [Line(words=head), facts(rows), *_columns(value), *_history(value), *_next(value)]


def _columns(value: dict[str, Any]) -> list[Block]:
    shown = list(value["profile"].items())[:_SHOWN]
    if not shown:
        return []
    note = "" if len(shown) == len(value["profile"]) else f"the first {_SHOWN}; --json lists all"
    heads = ["column", "type", "missing", "distinct", "least", "greatest", "values"]
    rows: list[list[Cell]] = [
        [
            strong(column),
            said["type"],
            f"{said['missing']:,}" if said["missing"] else dim("0"),
            ("≈" if said.get("distinct_is_estimate") else "") + f"{said['distinct']:,}",
            _edge(said.get("least")),
            _edge(said.get("greatest")),
            _values(said),
        ]
        for column, said in shown
    ]
    return [
        Section(title="columns", note=note),
        Grid(heads=heads, rows=rows, right=frozenset({2, 3, 4, 5}), cut=(6,)),
    ]


def _edge(value: Any) -> str:
    return "" if value is None else number(value) if isinstance(value, int | float) else str(value)


def _values(said: dict[str, Any]) -> Cell:
    """How values are spread: a histogram in signs, or those that come most often."""
    counts = said.get("histogram", {}).get("counts", [])
    if counts:
        return name(bars(counts))
    return ", ".join(f"{_edge(value)} {count:,}" for value, count in said.get("frequent", [])[:_FREQUENT])


def _history(value: dict[str, Any]) -> list[Block]:
    rows: list[list[Cell]] = [decision_row(each) for each in value["history"]]
    return [Section(title="decided"), Grid(rows=rows)] if rows else []


def _next(value: dict[str, Any]) -> list[Block]:
    return try_next(
        [
            (f"whence datasets {value['name']}", "all its versions"),
            (f"whence get {value['reference']}", "its rows as Parquet files, checked"),
            (f"whence show {value['run']}", "the run that saved it"),
        ]
    )
