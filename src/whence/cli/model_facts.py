"""What `models` and `show` tell of a model: as a JSON-able value, and as a page."""

from __future__ import annotations

from typing import Any

from whence.cli.page import Block, Cell, Grid, Line, Section, Words, dim, facts, name, strong, try_next
from whence.cli.wording import count_of, moment, number, pairs, short_digest, size_of
from whence.errors import WhenceError
from whence.vocab import digest_text
from whence.workspace import Model, summarise_run

_SHOWN = 12
_DECISIONS = {
    "alias": "alias",
    "alias_removed": "lost the alias",
    "stage": "stage",
    "description": "described as",
}


def list_model(model: Model) -> dict[str, Any]:
    """A version in a list."""
    return {
        "name": model.name,
        "version": model.version,
        "reference": model.reference,
        "aliases": model.aliases,
        "stage": model.stage,
        "digest": model.digest,
        "bytes": model.size_bytes,
        "format": model.format,
        "unsafe": model.is_unsafe,
        "logged_at": model.logged_at.isoformat(),
        "run": model.run_name,
    }


def describe_model(model: Model, versions: int) -> dict[str, Any]:
    """A version in full."""
    traced = model.trace()
    return {
        "kind": "model",
        **list_model(model),
        "versions": versions,
        "remedy": model.remedy,
        "files": [
            {
                "path": each.path,
                "bytes": each.size_bytes,
                "digest": digest_text(each.digest),
                "format": each.format,
            }
            for each in model.files
        ],
        "signature": model.signature,
        "metadata": model.metadata,
        "history": [each.to_json() for each in model.history],
        "parents": [each.to_json() for each in model.parents],
        "descendants": [each.to_json() for each in model.descendants],
        "used_by": [run.name for run in model.used_by],
        "samples": traced.seen[0].samples,
        "sources": [each.to_json() for each in traced.seen[0].sources],
        "gaps": traced.gaps,
        "run": _run_of(model),
    }


def _run_of(model: Model) -> dict[str, Any]:
    try:
        return summarise_run(model.run.record)
    except WhenceError:  # the model is known from the catalog; its run may have gone since
        return {"name": model.run_name, "title": "", "ended_at": None, "started_at": None, "metrics": {}}


def format_words(value: dict[str, Any]) -> Cell:
    """A format, marked where loading the file runs code."""
    return (value["format"], Words("  unsafe", "bad")) if value["unsafe"] else value["format"]


def model_page(value: dict[str, Any]) -> list[Block]:
    """A model: its bytes, what was said and decided of it, what it came of, and the run that made it."""
    made = value["run"]
    rows: list[tuple[str, Cell]] = [
        ("digest", value["digest"]),
        ("size", _size(value)),
        ("format", format_words(value)),
    ]
    rows += [("", Words(value["remedy"], "doubt"))] if value["unsafe"] else []
    rows += [("aliases", name(", ".join(value["aliases"])))] if value["aliases"] else []
    rows += [("stage", strong(value["stage"]))] if value["stage"] else []
    rows += [(side, _tensors(each)) for side, each in (value["signature"] or {}).items()]
    rows += [
        ("metadata", pairs(value["metadata"]) or "none"),
        (
            "made by",
            (
                name(made["name"]),
                f"  {made['title']}",
                dim(f"  {moment(made['ended_at'] or made['started_at'])}"),
            ),
        ),
        ("metrics", "  ".join(f"{key}={number(each)}" for key, each in made["metrics"].items()) or "none"),
        ("saw", _seen(value)),
    ]
    head = (strong(value["reference"]), dim(f"  of {count_of(value['versions'], 'version')}"))
    return [Line(words=head), facts(rows), *_files(value), *_family(value), *_history(value), *_next(value)]


def _size(value: dict[str, Any]) -> str:
    size = size_of(value["bytes"])
    return f"{size} in {count_of(len(value['files']), 'file')}" if value["files"] else size


def _tensors(tensors: list[dict[str, Any]]) -> str:
    return "  ".join(_tensor(each) for each in tensors)


def _tensor(tensor: dict[str, Any]) -> str:
    shape = ", ".join("?" if each is None else str(each) for each in tensor.get("shape", []))
    kind = tensor.get("dtype", "") + (f"[{shape}]" if "shape" in tensor else "")
    return ": ".join(each for each in (tensor.get("name", ""), kind) if each)


def _seen(value: dict[str, Any]) -> Cell:
    sources = ", ".join(each["name"] for each in value["sources"][:_SHOWN])
    told = count_of(value["samples"], "sample") + (f" of {sources}" if sources else "")
    return (told, Words("  not all is known", "doubt")) if value["gaps"] else told


def _files(value: dict[str, Any]) -> list[Block]:
    rows: list[list[Cell]] = [
        [each["path"], size_of(each["bytes"]), each["format"], dim(short_digest(each["digest"]))]
        for each in value["files"][:_SHOWN]
    ]
    note = "" if len(value["files"]) <= _SHOWN else f"the first {_SHOWN}; --json lists all"
    return [Section(title="files", note=note), Grid(rows=rows, right=frozenset({1}))] if rows else []


def _family(value: dict[str, Any]) -> list[Block]:
    blocks: list[Block] = []
    if value["parents"]:
        rows: list[list[Cell]] = [
            [
                name(each["model"]) if each["model"] else Words(each["reference"], "doubt"),
                each["how"],
                "" if each["model"] else dim("unknown here"),
            ]
            for each in value["parents"]
        ]
        blocks += [Section(title="made from"), Grid(rows=rows)]
    if value["descendants"]:
        rows = [
            [name(each["model"]), each["how"], dim(f"from {each['through']}")]
            for each in value["descendants"][:_SHOWN]
        ]
        blocks += [Section(title="made from it"), Grid(rows=rows)]
    if value["used_by"]:
        rows = [[name(each)] for each in value["used_by"][:_SHOWN]]
        blocks += [Section(title="loaded by"), Grid(rows=rows)]
    return blocks


def _history(value: dict[str, Any]) -> list[Block]:
    rows: list[list[Cell]] = [decision_row(each) for each in value["history"]]
    return [Section(title="decided"), Grid(rows=rows)] if rows else []


def decision_row(decision: dict[str, Any]) -> list[Cell]:
    """A line for what was decided."""
    value = decision["value"]
    told = pairs(value) if isinstance(value, dict) else value or "none"
    what = _DECISIONS.get(decision["kind"], decision["kind"])
    return [
        dim(moment(decision["at"])),
        what,
        strong(told),
        decision["who"] or "unknown",
        dim(decision["why"]),
    ]


def _next(value: dict[str, Any]) -> list[Block]:
    reference = value["reference"]
    return try_next(
        [
            (f"whence trace {reference}", "the sources and passes that it saw"),
            (f"whence get {reference}", "its bytes, checked"),
            (f"whence show {value['run']['name']}", "the run that made it"),
        ]
    )
