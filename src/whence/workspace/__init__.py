"""The workspace: the one place that ties the rooms together, and what users hold in their hands.

`open` finds a workspace and answers questions about all its runs; `start_run` begins a run, which
afterwards answers questions about itself.
"""

from whence.workspace.artifacts import Artifact
from whence.workspace.keeping import restore
from whence.workspace.ledger import LedgerEntry, WorkspaceLedger
from whence.workspace.listing import summarise_run
from whence.workspace.models import Descendant, Model, ModelTrace
from whence.workspace.run import Run
from whence.workspace.starting import open_runs, start_run
from whence.workspace.tabling import Found, RunTable
from whence.workspace.verifying import verify_backup, verify_receipt
from whence.workspace.workspace import Workspace, open

__all__ = [
    "Artifact",
    "Descendant",
    "Found",
    "LedgerEntry",
    "Model",
    "ModelTrace",
    "Run",
    "RunTable",
    "Workspace",
    "WorkspaceLedger",
    "open",
    "open_runs",
    "restore",
    "start_run",
    "summarise_run",
    "verify_backup",
    "verify_receipt",
]
