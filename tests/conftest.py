"""How hypothesis runs: quickly by default, at length for `make test-long`; what all tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from whence.capture import recorder

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


@pytest.fixture(autouse=True)
def nothing_stays_open() -> Iterator[None]:
    """A run that a test leaves open would take what every later test does for its own."""
    yield
    left = recorder._current[:]
    recorder._current.clear()
    assert not left, "this test left a run open"


@pytest.fixture(autouse=True, scope="session")
def keys_of_the_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Whoever tests has keys of his own, and no test may make or use them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WHENCE_KEYS", str(tmp_path_factory.mktemp("keys")))
        yield


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A judge who didn't sit has acquitted nobody: that is said aloud, not as one more `s`."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = {str(report.longrepr[2]) for report in skipped if isinstance(report.longrepr, tuple)}
    for reason in sorted(reason for reason in reasons if "did not sit" in reason):
        terminalreporter.section("NOT JUDGED", sep="!", red=True)
        terminalreporter.line(reason.removeprefix("Skipped: "), red=True)
