"""The command line: one command, one file; errors become words and exit codes here and nowhere else.

Importing this room loads no command: `entry` finds the one that was asked for by its name.
"""

from whence.cli.entry import main

__all__ = ["main"]
