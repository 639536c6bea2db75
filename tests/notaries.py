"""Logs and witnesses that sign: keys from fixed seeds, a small log, and ways to flip a bit of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from whence.ledger import Checkpoint, Cosigner, Note, Receipt, Signer, SigningKey, leaf_hashes, root_of

ORIGIN = "log.example/one"
ENTRIES = [b"entry %d" % index for index in range(7)]
AT_S = 1_763_775_887


def log_signer(seed: bytes = b"l" * 32, name: str = ORIGIN) -> Signer:
    """Return a log's signer."""
    return SigningKey(seed).signer(name)


def cosigner(name: str = "witness.example/w1", *, is_mldsa: bool = False) -> Cosigner:
    """Return a witness, each name with a key of its own."""
    seed = name.encode()[-32:].rjust(32, b"w")
    return Cosigner(SigningKey(seed, "ml-dsa-44" if is_mldsa else "ed25519"), name)


def checkpoint_of(size: int = len(ENTRIES), origin: str = ORIGIN) -> Checkpoint:
    """Return the checkpoint of the first entries."""
    return Checkpoint(origin, size, root_of(leaf_hashes(ENTRIES[:size])))


def signed(checkpoint: Checkpoint, signer: Signer | None = None, cosigners: Iterable[Cosigner] = ()) -> Note:
    """Return the note that the log signed and the witnesses cosigned."""
    signatures = [(signer or log_signer(name=checkpoint.origin)).sign(checkpoint.text)]
    signatures += [each.cosign(checkpoint, time_s=AT_S) for each in cosigners]
    return Note(checkpoint.text, tuple(signatures))


def inclusion_proof_of(index: int, size: int = len(ENTRIES)) -> tuple[bytes, ...]:
    """Return the audit path, written down as RFC 6962 section 2.1.1 defines it."""

    def path(index: int, entries: list[bytes]) -> list[bytes]:
        if len(entries) == 1:
            return []
        split = 1 << (len(entries) - 1).bit_length() - 1
        left, right = entries[:split], entries[split:]
        if index < split:
            return [*path(index, left), root_of(leaf_hashes(right))]
        return [*path(index - split, right), root_of(leaf_hashes(left))]

    return tuple(path(index, ENTRIES[:size]))


def consistency_proof_of(old_size: int, size: int = len(ENTRIES)) -> tuple[bytes, ...]:
    """Return the consistency proof, written down as RFC 6962 section 2.1.2 defines it."""

    def subproof(old_size: int, entries: list[bytes], is_known: bool) -> list[bytes]:
        if old_size == len(entries):
            return [] if is_known else [root_of(leaf_hashes(entries))]
        split = 1 << (len(entries) - 1).bit_length() - 1
        left, right = entries[:split], entries[split:]
        if old_size <= split:
            return [*subproof(old_size, left, is_known), root_of(leaf_hashes(right))]
        return [*subproof(old_size - split, right, False), root_of(leaf_hashes(left))]

    return tuple(subproof(old_size, ENTRIES[:size], True)) if 0 < old_size < size else ()


def receipt_of(index: int, *, extra: bytes = b"", note: Note | None = None) -> Receipt:
    """Return the receipt of an entry of the log."""
    return Receipt(extra, index, inclusion_proof_of(index), (note or signed(checkpoint_of())).encode())


def flips(data: bytes, *, step: int = 1) -> Iterator[tuple[int, bytes]]:
    """Give the data with one bit flipped, for each bit (or each `step`-th), and where: the byte's place."""
    for bit in range(0, len(data) * 8, step):
        spoiled = bytearray(data)
        spoiled[bit // 8] ^= 1 << bit % 8
        yield bit // 8, bytes(spoiled)
