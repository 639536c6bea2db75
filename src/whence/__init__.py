"""Know whence your model came: the training record of a model as a by-product of its data pipeline.

    import whence as wh

    digits = wh.from_files("data/mnist/**/*.png").map(decode).shuffle(seed=7).batch(64)
    with wh.start_run("train digits") as run:
        for batch in digits.epoch(0):
            run.log_metric("loss", model.step(batch))
    run.trace(epoch=0, batch=17, item=5)

The rooms, from the ground up (a line uses only lines below it):

    cli            one command, one file
    demo           a real pipeline over real images, start to finish
    integrations   training libraries: what records them without being asked, and callbacks
    workspace      ties the rooms together: open, start_run, questions
    documents      reports
    query          trace, impact, replay, verify
    runs | trust   runs, parameters, metrics, artifacts, models | witnesses and anchors of the ledger
    streams        the chain, the plan it compiles to, the engine
    datasets       versions of datasets: what rows say, where they are cut, how they are kept
    ops | sources | processes   what is done to samples | where they come from | who else works on them
    capture        the witness: recorder, code identity, environment
    store          journals, segments, objects, catalog, the ledger on disk
    chance | ledger | lineage   random bits | Merkle trees, signed notes, proofs | mappings between positions
    vocab          canonical bytes and digests
    errors         every error, one tree

The public names are found on first use, so that importing whence loads nothing else.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME_BY_NAME = {
    "autolog": "whence.integrations",
    "from_arrays": "whence.streams",
    "from_csv": "whence.streams",
    "from_dataset": "whence.workspace",
    "from_files": "whence.streams",
    "from_items": "whence.streams",
    "from_jsonl": "whence.streams",
    "from_parquet": "whence.streams",
    "from_table": "whence.streams",
    "from_text": "whence.streams",
    "Stream": "whence.streams",
    "config": "whence.capture",
    "draw": "whence.chance",
    "open": "whence.workspace",
    "start_run": "whence.workspace",
    "verify_backup": "whence.workspace",
    "verify_receipt": "whence.workspace",
    "watch": "whence.streams",
    "Run": "whence.workspace",
    "Workspace": "whence.workspace",
    "Impact": "whence.query",
    "Trace": "whence.query",
    "Verdict": "whence.query",
    "WhenceError": "whence.errors",
}

__all__ = [*sorted(_HOME_BY_NAME), "__version__"]  # noqa: PLE0604 - names found on first use

if TYPE_CHECKING:  # `as` marks a name as public for type checkers
    from whence.capture import config as config
    from whence.chance import draw as draw
    from whence.errors import WhenceError as WhenceError
    from whence.integrations import autolog as autolog
    from whence.query import Impact as Impact
    from whence.query import Trace as Trace
    from whence.query import Verdict as Verdict
    from whence.streams import Stream as Stream
    from whence.streams import from_arrays as from_arrays
    from whence.streams import from_csv as from_csv
    from whence.streams import from_files as from_files
    from whence.streams import from_items as from_items
    from whence.streams import from_jsonl as from_jsonl
    from whence.streams import from_parquet as from_parquet
    from whence.streams import from_table as from_table
    from whence.streams import from_text as from_text
    from whence.streams import watch as watch
    from whence.workspace import Run as Run
    from whence.workspace import Workspace as Workspace
    from whence.workspace import from_dataset as from_dataset
    from whence.workspace import open as open
    from whence.workspace import start_run as start_run
    from whence.workspace import verify_backup as verify_backup
    from whence.workspace import verify_receipt as verify_receipt


def __getattr__(name: str) -> Any:
    home = _HOME_BY_NAME.get(name)
    if home is None:
        raise AttributeError(f"module 'whence' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_BY_NAME})
