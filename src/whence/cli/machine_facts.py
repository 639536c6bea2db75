"""What `show` tells of the machine that a run used, of the processes it was one with, and of its gaps."""

from __future__ import annotations

from typing import Any

import numpy as np

from whence.cli.page import Block, Cell, Grid, Line, Section, Words, dim, facts, name
from whence.cli.wording import count_of, number, size_of, value_text
from whence.runs import SYSTEM
from whence.workspace import Run

_PARTS_SHOWN = 12
_JOULES_PER_KWH = 3.6e6


def describe_machine(run: Run) -> dict[str, Any]:
    """Describe what was sampled, by gauge; with whom the run ran; trainings that were heard of; and gaps."""
    record = run.record
    gauges = [key for key in record.metric_keys if key.startswith(SYSTEM)]
    return {
        "gaps": record.gaps,
        "trainings": run.fits,
        "machine": {key.removeprefix(SYSTEM): _gauge(run.history(key).value) for key in gauges},
        "group": record.group,
        "begun_in": record.begun_in,
        "part_of": record.part_of,
        "parts": [{"id": part.id, "name": part.name, "status": part.status} for part in record.parts],
    }


def _gauge(values: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, Any]:
    return {"count": len(values), "mean": float(values.mean()), "max": float(values.max())}


def gap_blocks(value: dict[str, Any]) -> list[Block]:
    """What isn't known of the run, and why."""
    if not value["gaps"]:
        return []
    rows: list[list[Cell]] = [[Words(gap, "doubt")] for gap in value["gaps"]]
    return [Section(title="not known"), Grid(rows=rows)]


def training_blocks(value: dict[str, Any]) -> list[Block]:
    """Each training that was heard of, in a few words."""
    blocks: list[Block] = []
    for training in value["trainings"]:
        told = [(key, each) for key, each in training.items() if key not in ("number", "began_at_ns")]
        plain = [(key, value_text(each)) for key, each in told if not isinstance(each, dict | list)]
        further = ", ".join(key for key, each in told if isinstance(each, dict | list))
        rows: list[tuple[str, Cell]] = [*plain, *([("with --json", dim(further))] if further else [])]
        blocks += [Section(title=f"training {training['number']}"), facts(rows)]
    return blocks


def machine_blocks(value: dict[str, Any]) -> list[Block]:
    """What was used, and by how many processes together."""
    blocks: list[Block] = []
    if value["machine"]:
        count = max(gauge["count"] for gauge in value["machine"].values())
        blocks.append(Section(title="machine", note=f"{count_of(count, 'reading')}"))
        rows: list[list[Cell]] = [
            [key, _amount(key, gauge["mean"]), _amount(key, gauge["max"])]
            for key, gauge in value["machine"].items()
        ]
        blocks.append(Grid(rows=rows, heads=["", "mean", "greatest"], right=frozenset({1, 2})))
    for energy in value["totals"].get("energy") or []:
        told = f"{energy['joules'] / _JOULES_PER_KWH:.4g} kWh by {energy['of']}"
        blocks.append(Line(words=(told, dim(f"  {energy['how']}: {energy['by']}")), indent=2))
    return [*blocks, *_company(value)]


def _amount(key: str, amount: float) -> str:
    if "bytes" in key:
        return size_of(int(amount)) + ("/s" if key.endswith("_per_s") else "")
    return f"{amount:.1%}" if key.endswith("_share") else number(amount)


def _company(value: dict[str, Any]) -> list[Block]:
    rows: list[tuple[str, Cell]] = []
    group = value["group"]
    if group is not None:
        rank = "" if group["rank"] is None else f", rank {group['rank']}"
        size = "" if group["size"] is None else f" of {group['size']}"
        rows.append(("group", (f"{group['id']}{rank}{size}", dim(f"  by {group['by']}"))))
    for label in ("begun_in", "part_of"):
        if value[label] is not None:
            rows.append((label.replace("_", " "), name(value[label])))
    for part in value["parts"][:_PARTS_SHOWN]:
        rows.append(("part", (name(part["name"]), dim(f"  {part['status']}"))))
    if len(value["parts"]) > _PARTS_SHOWN:
        rows.append(("", dim(f"and {len(value['parts']) - _PARTS_SHOWN:,} more with --json")))
    return [Section(title="together with"), facts(rows)] if rows else []
