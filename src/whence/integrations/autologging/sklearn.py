"""scikit-learn: every estimator's `fit`."""

from __future__ import annotations

from typing import Any

from whence.integrations.autologging.patches import Patches


def arrived(module: Any, patches: Patches) -> None:
    """Hear of the trainings of all estimators."""
