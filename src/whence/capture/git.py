"""What Git says about a folder: commit, branch, remote, and what isn't committed.

Three commands side by side, each with a time limit; no Git, no repository or a slow disk is a reason
that is written down, never an error.
"""

from __future__ import annotations

import os
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from whence.capture.noticing import unheard
from whence.capture.secrets import redact

_TIMEOUT_S = 5.0
_DIFF_LIMIT = 1 << 20
_UNTRACKED_LIMIT = 100

# Nothing here may wait for a lock that an editor holds, ask for a password, or run a user's hook or pager.
_QUIET = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


def git_state(root: str) -> dict[str, Any]:
    """Ask Git about a folder.

    Returns:
        `commit`, `branch`, `remote`, `dirty`, `diff`, `diff_cut`, `untracked`, `untracked_count`; or
        `commit: None` and the `reason`.

    Cost: three processes side by side, some 10 ms in a small repository; at most 5 s.
    """
    questions = (
        ("status", "--porcelain=v2", "--branch", "-z", "--untracked-files=normal"),
        ("diff", "HEAD", "--no-color", "--no-ext-diff", "--no-textconv"),
        ("remote", "get-url", "origin"),
    )
    with ThreadPoolExecutor(max_workers=len(questions)) as threads:
        status, diff, remote = threads.map(lambda question: _ask(root, *question), questions)
    if isinstance(status, str):
        return {"commit": None, "reason": status}
    address = remote.decode("utf-8", "replace").strip() if isinstance(remote, bytes) else ""
    return {
        **_read_status(status.decode("utf-8", "replace")),
        "remote": redact(address) or None,
        "uses": _uses(root),
        **_read_diff(diff if isinstance(diff, bytes) else b""),
    }


def git_user(root: str) -> str:
    """Ask Git for the name that a commit in a folder would have; empty where it has none."""
    said = _ask(root, "config", "user.name")
    return said.decode("utf-8", "replace").strip() if isinstance(said, bytes) else ""


def head_of(root: str) -> dict[str, Any]:
    """Ask Git for the commit of a folder and whether kept files are changed; empty if it can't tell."""
    said = _ask(root, "status", "--porcelain=v2", "--branch", "-z", "--untracked-files=no")
    if isinstance(said, str):
        return {}
    found = _read_status(said.decode("utf-8", "replace"))
    return {"commit": found["commit"], "dirty": found["dirty"]}


def _ask(root: str, *arguments: str) -> bytes | str:
    """Run one command; what it said, at most a little more than a diff's limit, or why it said nothing."""
    try:
        with unheard():
            process = subprocess.Popen(
                ["git", "-c", "core.fsmonitor=false", "-C", root, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **_QUIET},
            )
    except OSError:
        return "the git command isn't installed, or can't be run"
    late = threading.Event()

    def stop() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(_TIMEOUT_S, stop)
    timer.start()
    with process:
        assert process.stdout is not None
        said = process.stdout.read(_DIFF_LIMIT + 1)
        if len(said) > _DIFF_LIMIT:
            process.kill()
        process.wait()
    timer.cancel()
    if late.is_set():
        return f"git {arguments[0]} took more than {_TIMEOUT_S:g} s"
    if process.returncode != 0 and len(said) <= _DIFF_LIMIT:
        return "not a Git repository"
    return said


def _uses(root: str) -> list[str]:
    """Tell what of a repository's content Git alone doesn't tell: `submodules`, `lfs`; by two small files.

    A submodule that stands elsewhere than the commit says makes the repository dirty, and is in the diff.
    """
    found = []
    top = next((each for each in (root, *_parents(root)) if os.path.exists(os.path.join(each, ".git"))), None)
    if top is not None:
        if os.path.exists(os.path.join(top, ".gitmodules")):
            found.append("submodules")
        try:
            with unheard(), open(os.path.join(top, ".gitattributes"), "rb") as lines:
                if b"filter=lfs" in lines.read(_DIFF_LIMIT):
                    found.append("lfs")
        except OSError:
            pass
    return found


def _parents(folder: str) -> list[str]:
    parents = [os.path.dirname(os.path.abspath(folder))]
    while parents[-1] != os.path.dirname(parents[-1]):
        parents.append(os.path.dirname(parents[-1]))
    return parents


def _read_status(listed: str) -> dict[str, Any]:
    """Read `git status --porcelain=v2 -z`; a renamed file's old name is an entry of its own."""
    commit: str | None = None
    branch: str | None = None
    dirty = False
    untracked: list[str] = []
    entries = iter(listed.split("\0"))
    for entry in entries:
        if entry.startswith("# branch.oid "):
            commit = entry.removeprefix("# branch.oid ")
        elif entry.startswith("# branch.head "):
            branch = entry.removeprefix("# branch.head ")
        elif entry.startswith("? "):
            untracked.append(entry.removeprefix("? "))
        elif entry[:2] in {"1 ", "2 ", "u "}:
            dirty = True
            if entry.startswith("2 "):
                next(entries, None)
    return {
        "commit": None if commit == "(initial)" else commit,
        **({"reason": "nothing is committed yet"} if commit == "(initial)" else {}),
        "branch": None if branch == "(detached)" else branch,
        "dirty": dirty,
        "untracked": [redact(name) for name in untracked[:_UNTRACKED_LIMIT]],
        "untracked_count": len(untracked),
    }


def _read_diff(said: bytes) -> dict[str, Any]:
    kept = said[:_DIFF_LIMIT].decode("utf-8", "replace")
    return {"diff": redact(kept), "diff_cut": len(said) > _DIFF_LIMIT}
