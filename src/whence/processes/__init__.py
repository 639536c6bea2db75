"""Other processes: begun, spoken to through pipes and shared memory, and surely ended.

What they are for isn't known here: they run a function that is given the other end of a channel.
"""

from whence.processes.channel import Channel, dumped_by_value
from whence.processes.mishaps import ElsewhereError, packed_error, unpacked_error
from whence.processes.pool import GoneError, Pool
from whence.processes.starting import Run, Start, as_start

__all__ = [
    "Channel",
    "ElsewhereError",
    "GoneError",
    "Pool",
    "Run",
    "Start",
    "as_start",
    "dumped_by_value",
    "packed_error",
    "unpacked_error",
]
