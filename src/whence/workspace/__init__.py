"""The workspace: the one place that ties the rooms together, and what users hold in their hands.

`open` finds a workspace and answers questions about all its runs; `start_run` begins a run, which
afterwards answers questions about itself.
"""

from whence.workspace.artifacts import Artifact
from whence.workspace.datasets import Dataset
from whence.workspace.differing import DatasetDiff
from whence.workspace.entry import LedgerEntry
from whence.workspace.keeping import restore
from whence.workspace.leaking import Leak, Leaks
from whence.workspace.ledger import WorkspaceLedger
from whence.workspace.listing import summarise_run
from whence.workspace.models import Descendant, Model, ModelTrace
from whence.workspace.run import Run
from whence.workspace.saving import Saved
from whence.workspace.starting import from_dataset, open_runs, save_stream, start_run
from whence.workspace.tabling import Found, RunTable
from whence.workspace.verifying import verify_backup, verify_receipt
from whence.workspace.workspace import Workspace, open

__all__ = [
    "Artifact",
    "Dataset",
    "DatasetDiff",
    "Descendant",
    "Found",
    "Leak",
    "Leaks",
    "LedgerEntry",
    "Model",
    "ModelTrace",
    "Run",
    "RunTable",
    "Saved",
    "Workspace",
    "WorkspaceLedger",
    "from_dataset",
    "open",
    "open_runs",
    "restore",
    "save_stream",
    "start_run",
    "summarise_run",
    "verify_backup",
    "verify_receipt",
]
