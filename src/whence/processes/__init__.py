"""Other processes: begun, spoken to through pipes and shared memory, and surely ended.

What they are for isn't known here: they run a function that is given the other end of a channel.
"""

from whence.processes.channel import Channel, dumped_by_value
from whence.processes.pool import GoneError, Pool
from whence.processes.starting import USUAL, Run, Start, check_start

__all__ = [
    "USUAL",
    "Channel",
    "GoneError",
    "Pool",
    "Run",
    "Start",
    "check_start",
    "dumped_by_value",
]
