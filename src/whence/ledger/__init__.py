"""Merkle logs as other people's tools read them: arithmetic and formats, nothing else."""

from whence.ledger.entries import (
    ENTRY_LIMIT,
    KINDS,
    SALT_BYTES,
    Entry,
    Opening,
    Statement,
    parse_entry,
    parse_extra,
)

__all__ = [
    "ENTRY_LIMIT",
    "KINDS",
    "SALT_BYTES",
    "Entry",
    "Opening",
    "Statement",
    "parse_entry",
    "parse_extra",
]
