"""How hypothesis runs: quickly by default, at length for `make test-long`, reproducibly in CI."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# Deadlines would make a slow machine fail; what is promised about cost is counted, never timed.
settings.register_profile("default", deadline=None, max_examples=50)
settings.register_profile(
    "long",
    deadline=None,
    max_examples=1_000,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile("ci", parent=settings.get_profile("default"), derandomize=True, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "default"))
