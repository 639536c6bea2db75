"""The writer of a run that lets no secret through: what events say is redacted before it is written."""

from __future__ import annotations

from typing import Any

from whence.capture.secrets import cleanse
from whence.store import RunWriter


class CleanWriter(RunWriter):
    """Writes a run without the secrets that are in what it is told."""

    def append(
        self, kind: str, public: dict[str, Any] | None = None, body: dict[str, Any] | None = None
    ) -> int:
        """Write one event; see `RunWriter.append`."""
        return super().append(kind, public, None if body is None else cleanse(kind, body))
