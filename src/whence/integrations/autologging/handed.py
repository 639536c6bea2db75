"""Tables that a stream gave as a whole in a run: what is trained on them came from that pass."""

from __future__ import annotations

from typing import Any

from whence.capture import current_recorder
from whence.integrations.autologging.origins import DataOrigin, remember
from whence.integrations.autologging.patches import Call, Patches, Training


def arrived(module: Any, patches: Patches) -> None:
    """Hear of tables that streams give."""
    for name in ("to_pandas", "to_arrow"):
        patches.watching(module.Readable, name, on_table)


def on_table(call: Call) -> Training:
    """Remember which pass gave a table."""
    before = current_recorder().place
    made = yield None
    after = current_recorder().place
    if (
        before is not None
        and after is not None
        and (after.run, after.since) == (before.run, before.since + 1)
    ):
        remember(made, DataOrigin(of={"run": after.run, "pass": before.since}))
