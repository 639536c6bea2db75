"""Where a run is at home: the folder from which its relative paths lead to its files and its code.

Records keep paths as they were given. Asked from another folder, a replay is made from the workspace's
own folder, or from the one where the run was started, if that is where the files are.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Collection

from whence.workspace import Run, Workspace


def home_of(run: Run, workspace: Workspace, *, elsewhere: Collection[str]) -> pathlib.Path:
    """Find the folder from which all that a run named relatively is there.

    Args:
        run: the run.
        workspace: its workspace.
        elsewhere: the sources of which it is known where they are now.

    Returns:
        The working directory where it will do, or where none does.
    """
    wanted = _relative_paths(run, elsewhere)
    here = pathlib.Path.cwd()
    started_in = run.environment.get("cwd")
    candidates = [here, workspace.path.parent, *([pathlib.Path(started_in)] if started_in else [])]
    return next((each for each in candidates if all((each / path).exists() for path in wanted)), here)


def _relative_paths(run: Run, elsewhere: Collection[str]) -> set[str]:
    """The recorded paths that mean nothing without a folder: the first of each source, all of the code."""
    found = {
        os.path.join(source.root, source.paths[0])
        for source in run.sources
        if source.kind not in ("items", "arrays", "table") and source.paths and source.name not in elsewhere
    }
    for stream in run.streams:
        for node in stream.nodes:
            found |= {str(entry["file"]) for entry in node.get("functions", {}).values() if entry.get("file")}
    return {path for path in found if not os.path.isabs(path) and not path.startswith("<")}
