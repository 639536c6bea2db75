"""Which rows something was trained or scored on, kept beside what is said of it."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from whence.integrations.autologging.fits import Fit
from whence.integrations.autologging.origins import DataOrigin, Int64Array


def tell_origin(fit: Fit, origin: DataOrigin, name: str) -> dict[str, Any]:
    """Say where data came from, and keep which rows they are.

    Args:
        fit: the training.
        origin: where they came from.
        name: of the artifact that the rows become, where they aren't all.
    """
    told: dict[str, Any] = {"of": origin.of}
    if origin.steps:
        told["steps"] = list(origin.steps)
    if origin.rows is not None:
        told["rows"] = {"count": len(origin.rows), "artifact": keep_rows(fit, origin.rows, name)}
    return told


def keep_rows(fit: Fit, rows: Int64Array, name: str) -> str:
    """Keep row numbers or labels as NumPy writes them, compressed, in the smallest type; returns the name."""
    buffer = io.BytesIO()
    least, greatest = int(rows.min(initial=0)), int(rows.max(initial=0))
    kind = np.result_type(np.min_scalar_type(least), np.min_scalar_type(greatest))
    np.savez_compressed(buffer, rows=rows.astype(kind))
    fit.log_bytes(buffer.getvalue(), fit.named(name))
    return fit.named(name)
