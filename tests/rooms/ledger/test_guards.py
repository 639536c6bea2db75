"""Each guard of the Merkle arithmetic has its attack: without the guard it succeeds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from tests.rooms.ledger.guards import guards_of, without
from tests.rooms.ledger.logs import files_of
from tests.rooms.ledger.slow import mth, node, path, proof, sha256, some_entries
from whence.errors import WhenceError
from whence.ledger import growing, merkle, reading, tiles

Names: TypeAlias = dict[str, Any]
Attack: TypeAlias = Callable[[Names], object]

A, B, C, D = (sha256(each) for each in (b"a", b"b", b"c", b"d"))
ENTRIES = some_entries(300)
LEAF = mth(ENTRIES[7:8])


def include(names: Names, proof: list[bytes], **claim: Any) -> None:
    names["check_inclusion"](proof, **{"index": 0, "size": 2, "leaf": A, "root": node(A, B), **claim})


def continue_(names: Names, proof: list[bytes], **claim: Any) -> None:
    names["check_consistency"](proof, **claim)


def read(names: Names, path: str, files: dict[str, bytes] | None = None) -> bytes:
    reader = names["HashReader"](
        (files or files_of(ENTRIES)).__getitem__, size=len(ENTRIES), root=mth(ENTRIES)
    )
    return bytes(reader(path))


def changed(path: str) -> dict[str, bytes]:
    files = files_of(ENTRIES)
    files[path] = bytes([files[path][0] ^ 1]) + files[path][1:]
    return files


# What is believed without the guard. A key is the beginning of a guard's name.
LIES: dict[str, Attack] = {
    # The last of eight entries is shown as entry -1 of two.
    "check_inclusion: index < 0": lambda names: include(
        names, [B, C, D], index=-1, root=node(D, node(C, node(B, A)))
    ),
    # The second of two entries is shown as one of a tree that has one.
    "check_inclusion: index >= size": lambda names: include(names, [B], index=1, size=1, root=node(B, A)),
    # A tree that isn't one of RFC 6962: a node over 31 bytes.
    "check_inclusion: _check_widths": lambda names: include(names, [B[1:]], root=node(A, B[1:])),
    # An entry of a larger tree is shown as one of two.
    "check_inclusion: _check_count": lambda names: include(names, [B, C], root=node(C, node(A, B))),
    "check_inclusion: found != root": lambda names: include(names, [C]),
    # A proof whose roots follow from it: every proof is one for some negative size.
    "check_consistency: old_size < 0": lambda names: continue_(
        names,
        [A, B, C, D],
        old_size=-1,
        old_root=node(D, node(C, A)),
        size=4,
        root=node(D, node(C, node(A, B))),
    ),
    # The log has shrunk.
    "check_consistency: old_size > size": lambda names: continue_(
        names, [], old_size=2, old_root=A, size=1, root=A
    ),
    "check_consistency: _check_widths": lambda names: continue_(
        names, [B[1:]], old_size=1, old_root=A, size=2, root=node(A, B[1:])
    ),
    # Somebody remembers a root for nothing, and is told that it fits.
    "check_consistency: old_size == 0": lambda names: continue_(
        names, [], old_size=0, old_root=A, size=2, root=B
    ),
    # The fork itself: one size, two roots.
    "check_consistency: old_size == size": lambda names: continue_(
        names, [], old_size=2, old_root=A, size=2, root=B
    ),
    # The proof has another spelling.
    "check_consistency: _check_count(proof, 0": lambda names: continue_(
        names, [C], old_size=2, old_root=A, size=2, root=A
    ),
    # Two trees with something before both of them, which neither size tells.
    "check_consistency: _check_count(proof, wanted": lambda names: continue_(
        names,
        [A, B, C, D],
        old_size=3,
        old_root=node(D, node(C, A)),
        size=4,
        root=node(D, node(C, node(A, B))),
    ),
    # An old tree that was never the beginning.
    "check_consistency: found_old != old_root": lambda names: continue_(
        names, proof(3, ENTRIES), old_size=3, old_root=A, size=300, root=mth(ENTRIES)
    ),
    "check_consistency: found != root": lambda names: continue_(
        names, proof(3, ENTRIES), old_size=3, old_root=mth(ENTRIES[:3]), size=300, root=A
    ),
    "_check_count": lambda names: include(names, [B, C], root=node(C, node(A, B))),
    "_check_widths": lambda names: include(names, [B[1:]], root=node(A, B[1:])),
    "parse_path: name.level is not None": lambda names: names["parse_path"]("tile/64/000"),
    "parse_path: width is not None": lambda names: names["parse_path"]("tile/0/000.p/0"),
    "parse_path: str(name) != path": lambda names: names["parse_path"]("tile/0/x000/001"),
    "split_tile": lambda names: names["split_tile"](bytes(65), names["TileName"](0, 0, 2)),
    "encode_bundle: not 0 < len(entries)": lambda names: names["encode_bundle"]([]),
    "decode_bundle: start < len(data)": lambda names: names["decode_bundle"](b"\0\1a\0\1b", 1),
    "decode_bundle: stop > len(data)": lambda names: names["decode_bundle"](b"\0\1a\0\2b", 2),
    # A partial tile that lost a hash: everything from there on would move by one place.
    "__post_init__": lambda names: names["Grower"](3, [[A, B]]),
    "inclusion_proof": lambda names: names["inclusion_proof"](files_of(ENTRIES).read, 300, 300),
    # More is asked for than the checkpoint covers, and less is given.
    "__call__: name.width": lambda names: read(names, "tile/0/001"),
    "edge": lambda names: read(names, "tile/0/001.p/44", changed("tile/0/001.p/44")),
    "tile": lambda names: read(names, "tile/0/000", changed("tile/0/000")),
}

# What isn't refused by us without the guard, but fails somewhere inside.
SLIPS: dict[str, Attack] = {
    "parse_path: match is None": lambda names: names["parse_path"]("tile/0/0"),
    "encode_bundle: len(entry)": lambda names: names["encode_bundle"]([bytes(65_536)]),
    "consistency_proof": lambda names: names["consistency_proof"](files_of(ENTRIES).read, 301, 300),
    "__call__: name.level is None": lambda names: read(names, "tile/entries/000"),
}

MODULES = (merkle, tiles, growing, reading)
GUARDS = [(module, guard) for module in MODULES for guard in guards_of(module)]


def attack_on(guard: str) -> tuple[str, Attack]:
    """The one attack whose key the guard's name begins with; the longest, if one key begins another."""
    keys = [key for key in (*LIES, *SLIPS) if guard.startswith(key)]
    assert keys, f"nothing attacks the guard {guard!r}"
    key = max(keys, key=len)
    return key, {**LIES, **SLIPS}[key]


@pytest.mark.parametrize(("module", "guard"), GUARDS, ids=[guard for _, guard in GUARDS])
def test_an_attack_is_refused_and_succeeds_without_its_guard(module: Any, guard: str) -> None:
    key, attack = attack_on(guard)
    with pytest.raises(WhenceError):
        attack(vars(module))
    unguarded = without(module, guard)
    if key in LIES:
        attack(unguarded)
    else:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is, it isn't ours
            attack(unguarded)
        assert not isinstance(caught.value, WhenceError)


def test_every_attack_has_its_guard() -> None:
    assert {attack_on(guard)[0] for _, guard in GUARDS} == {*LIES, *SLIPS}


def test_a_true_proof_is_believed_without_any_one_guard() -> None:
    for module, guard in GUARDS:
        if module is merkle:
            names = without(module, guard)
            include(names, path(7, ENTRIES), index=7, size=300, leaf=LEAF, root=mth(ENTRIES))
            continue_(
                names,
                proof(7, ENTRIES),
                old_size=7,
                old_root=mth(ENTRIES[:7]),
                size=300,
                root=mth(ENTRIES),
            )
