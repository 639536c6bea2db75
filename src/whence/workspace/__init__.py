"""The workspace: the one place that ties the rooms together, and what users hold in their hands.

`open` finds a workspace and answers questions about all its runs; `start_run` begins a run, which
afterwards answers questions about itself.
"""

from whence.workspace.run import Run
from whence.workspace.workspace import Model, Workspace, open, start_run, summarise_run

__all__ = ["Model", "Run", "Workspace", "open", "start_run", "summarise_run"]
