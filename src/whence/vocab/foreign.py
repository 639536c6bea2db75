"""Digests that other people's formats ask for; nothing of ours is named by them."""

from __future__ import annotations

import hashlib

from whence.vocab.digests import Buffer

GIT_HASHES = ("sha1", "sha256")


def foreign_digest(name: str, data: Buffer) -> bytes | None:
    """Digest bytes with an algorithm that a foreign format names; None where this Python hasn't got it.

    Args:
        name: `sha1`, `sha256` or `ripemd160`, as hashlib calls them.
        data: the bytes.
    """
    try:
        return hashlib.new(name, data, usedforsecurity=False).digest()
    except ValueError:
        return None


def git_object_id(kind: str, data: bytes, *, algorithm: str) -> str:
    """Compute the id that Git gives an object, in hexadecimal.

    Args:
        kind: `tag`, `commit`, `tree` or `blob`.
        data: the object's bytes, without Git's header.
        algorithm: the repository's, one of `GIT_HASHES`.

    Source: Git's `gitformat-pack` and `hash-function-transition`, "Object names".
    """
    digest = hashlib.new(algorithm, usedforsecurity=False)
    digest.update(f"{kind} {len(data)}\0".encode())
    digest.update(data)
    return digest.hexdigest()
