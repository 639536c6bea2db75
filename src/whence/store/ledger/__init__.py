"""The ledger on disk: shards, staging, and the keys that sign them."""

from whence.store.ledger.keyring import KeyRing
from whence.store.ledger.log import LOCAL_NAMES, Committed, Ledger, Ticket
from whence.store.ledger.memory import Memory
from whence.store.ledger.shard import CHECKPOINT, Beginning, LoggedAt, Shard
from whence.store.ledger.staging import Since

__all__ = [
    "CHECKPOINT",
    "LOCAL_NAMES",
    "Beginning",
    "Committed",
    "KeyRing",
    "Ledger",
    "LoggedAt",
    "Memory",
    "Shard",
    "Since",
    "Ticket",
]
