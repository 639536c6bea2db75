"""Merkle logs as other people's tools read them: arithmetic and formats, nothing else."""

from whence.ledger.checkpoints import Checkpoint, parse_checkpoint
from whence.ledger.cosignatures import CosignatureVerifier, Cosigner, time_of
from whence.ledger.entries import (
    KINDS,
    SALT_BYTES,
    Entry,
    Opening,
    Statement,
    parse_entry,
    parse_extra,
)
from whence.ledger.growing import Grower, Growth, Read
from whence.ledger.keys import SEED_BYTES, NoteVerifier, Signer, SigningKey
from whence.ledger.merkle import (
    EMPTY_ROOT,
    check_consistency,
    check_inclusion,
    leaf_hash,
    leaf_hashes,
    node_hash,
    root_of,
)
from whence.ledger.notes import Note, Signature, Verifier, check_note, parse_note
from whence.ledger.proofs import Receipt, parse_receipt
from whence.ledger.reading import HashReader, consistency_proof, inclusion_proof
from whence.ledger.subjects import (
    ImportedShard,
    LoggedArtifact,
    LoggedDecision,
    LoggedVersion,
    SealedRun,
    Subject,
    subject_of,
)
from whence.ledger.tiles import (
    MAX_ENTRY_BYTES,
    WIDTH,
    TileName,
    decode_bundle,
    encode_bundle,
    entries_path,
    names_of,
    parse_path,
    paths_of,
    tile_path,
)
from whence.ledger.vkeys import parse_vkey

__all__ = [
    "EMPTY_ROOT",
    "KINDS",
    "MAX_ENTRY_BYTES",
    "SALT_BYTES",
    "SEED_BYTES",
    "WIDTH",
    "Checkpoint",
    "CosignatureVerifier",
    "Cosigner",
    "Entry",
    "Grower",
    "Growth",
    "HashReader",
    "ImportedShard",
    "LoggedArtifact",
    "LoggedDecision",
    "LoggedVersion",
    "Note",
    "NoteVerifier",
    "Opening",
    "Read",
    "Receipt",
    "SealedRun",
    "Signature",
    "Signer",
    "SigningKey",
    "Statement",
    "Subject",
    "TileName",
    "Verifier",
    "check_consistency",
    "check_inclusion",
    "check_note",
    "consistency_proof",
    "decode_bundle",
    "encode_bundle",
    "entries_path",
    "inclusion_proof",
    "leaf_hash",
    "leaf_hashes",
    "names_of",
    "node_hash",
    "parse_checkpoint",
    "parse_entry",
    "parse_extra",
    "parse_note",
    "parse_path",
    "parse_receipt",
    "parse_vkey",
    "paths_of",
    "root_of",
    "subject_of",
    "tile_path",
    "time_of",
]
