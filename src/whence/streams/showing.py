"""A plan as people look at it: a tree for terminals, a picture for notebooks."""

from __future__ import annotations

import html

from whence.streams.plan import Node

_STYLE = (
    "display:inline-block;padding:.25em .7em;margin:.15em 0;border:1px solid #8886;border-radius:.5em;"
    "font:13px/1.4 system-ui,sans-serif"
)


def to_tree(node: Node, name: str) -> str:
    """Draw a plan as text, the last operation on top."""
    lines: list[str] = [f"Stream {name}" if name else "Stream"]
    _draw(node, "", lines)
    return "\n".join(lines)


def _draw(node: Node, indent: str, lines: list[str]) -> None:
    """Draw a chain as a list, and each input of an op that has several as a list of its own."""
    while len(shown_inputs(node)) == 1:
        lines.append(f"{indent}├─ {describe_node(node)}")
        node = node.inputs[0]
    lines.append(f"{indent}└─ {describe_node(node)}")
    for number, each in enumerate(shown_inputs(node)):
        lines.append(f"{indent}   input {number}")
        _draw(each, f"{indent}   ", lines)


def shown_inputs(node: Node) -> list[Node]:
    """The inputs to draw: not that of a fit on the node's own samples, which would draw them twice."""
    return [each for each in node.inputs if not each.is_own_fit]


def describe_node(node: Node) -> str:
    """Say in a line what a node is."""
    if node.source is not None:
        size = node.source.size()
        rows = f"  {size:,} rows" if size is not None else ""
        return f"{node.source.kind} {node.source.name!r}{rows}"
    op = node.op
    if op is None:
        raise AssertionError("a node is an op or a source")
    given = op.parameters().get("params") or {}
    shown = ", ".join(f"{key}={value!r:.40}" for key, value in given.items())
    label = op.label if op.label.startswith(op.kind) or "(" in op.label else f"{op.kind} {op.label}"
    drawn = getattr(op, "draw", None) or {}
    notes = [shown] if shown else []
    if drawn:
        notes.append("draws " + ", ".join(drawn))
    if op.kind == "filter" and op.reason() != op.label:
        notes.append(f"reason: {op.reason()}")
    if getattr(op, "on_error", "raise") == "quarantine":
        notes.append("quarantines failures")
    if len(shown_inputs(node)) < len(node.inputs):
        notes.append("fitted on its own input")
    return label + (f"  ({'; '.join(notes)})" if notes else "")


def to_html(node: Node, name: str) -> str:
    """Draw a plan as a picture for notebooks: the source first, arrows between; no script, no network."""
    title = f"<b>{html.escape(name)}</b><br>" if name else ""
    return f'<div style="font:13px system-ui,sans-serif">{title}{_box(node)}</div>'


def _box(node: Node) -> str:
    text = html.escape(describe_node(node))
    tint = "#3b82f622" if node.source is not None else "#10b98122"
    box = f'<span style="{_STYLE};background:{tint}">{text}</span>'
    inputs = shown_inputs(node)
    if not inputs:
        return box
    if len(inputs) == 1:
        return f'{_box(node.inputs[0])}<br><span style="margin-left:1.2em">↓</span><br>{box}'
    below = "".join(f'<td style="vertical-align:bottom;text-align:left">{_box(each)}</td>' for each in inputs)
    return (
        f'<table style="border:0"><tr>{below}</tr></table><span style="margin-left:1.2em">↓</span><br>{box}'
    )
