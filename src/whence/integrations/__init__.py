"""Training libraries: what records them without being asked, and callbacks, one file a neighbour.

`autologging` is what `wh.autolog()` does. The callbacks say which batch the training step goes on to; each
is imported by its user and by nobody inside: `whence.integrations.lightning`,
`whence.integrations.transformers`, `whence.integrations.keras`.
"""

from whence.integrations.autologging import autolog

__all__ = ["autolog"]
