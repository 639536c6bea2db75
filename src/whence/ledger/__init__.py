"""Merkle logs as other people's tools read them: arithmetic and formats, nothing else."""

from whence.ledger.checkpoints import Checkpoint, parse_checkpoint
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
from whence.ledger.keys import SEED_BYTES, NoteVerifier, Signer, SigningKey
from whence.ledger.notes import Note, Signature, Verifier, check_note, parse_note
from whence.ledger.vkeys import parse_vkey

__all__ = [
    "ENTRY_LIMIT",
    "KINDS",
    "SALT_BYTES",
    "SEED_BYTES",
    "Checkpoint",
    "Entry",
    "Note",
    "NoteVerifier",
    "Opening",
    "Signature",
    "Signer",
    "SigningKey",
    "Statement",
    "Verifier",
    "check_note",
    "parse_checkpoint",
    "parse_entry",
    "parse_extra",
    "parse_note",
    "parse_vkey",
]
