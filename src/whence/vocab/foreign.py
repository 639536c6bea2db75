"""Digests that other people's formats ask for; nothing of ours is named by them."""

from __future__ import annotations

import hashlib


def git_object_id(kind: str, data: bytes, *, algorithm: str) -> str:
    """Compute the id that Git gives an object, in hexadecimal.

    Args:
        kind: `tag`, `commit`, `tree` or `blob`.
        data: the object's bytes, without Git's header.
        algorithm: the repository's, `sha1` or `sha256`.

    Source: Git's `gitformat-pack` and `hash-function-transition`, "Object names".
    """
    digest = hashlib.new(algorithm, usedforsecurity=False)
    digest.update(f"{kind} {len(data)}\0".encode())
    digest.update(data)
    return digest.hexdigest()
