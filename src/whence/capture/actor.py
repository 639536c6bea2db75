"""Who acts: the name that a decision is made under."""

from __future__ import annotations

import os

from whence.capture.git import git_user
from whence.capture.secrets import redact

UNKNOWN_ACTOR = "unknown"

_LIMIT = 200


def actor() -> str:
    """Name whoever acts: `WHENCE_ACTOR`, else Git's `user.name` as it is here, else `unknown`.

    It is a name and no proof, and is kept as it is: a digest of a name tells nobody anything, and can be
    undone by trying names. It lies in the body of a decision, which can be destroyed.
    """
    given = os.environ.get("WHENCE_ACTOR", "").strip() or git_user(os.curdir)
    return redact(" ".join(given.split()))[:_LIMIT] or UNKNOWN_ACTOR
