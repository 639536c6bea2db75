"""The curve of Ed25519, written down slowly: the oracle for what a library accepts."""

from __future__ import annotations

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P

Point = tuple[int, int]


def point(y: int, sign: int = 0) -> Point | None:
    """Decode as RFC 8032 section 5.1.3, but whatever the point's order."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P:
        return None
    return (P - x) % P if x % 2 != sign else x, y % P


def plus(one: Point, other: Point) -> Point:
    """Add two points."""
    (x1, y1), (x2, y2) = one, other
    k = D * x1 * x2 * y1 * y2 % P
    return (x1 * y2 + x2 * y1) * pow(1 + k, -1, P) % P, (y1 * y2 + x1 * x2) * pow(1 - k, -1, P) % P


def times(count: int, one: Point) -> Point:
    """Add a point to itself `count` times."""
    total = (0, 1)
    while count:
        if count & 1:
            total = plus(total, one)
        one, count = plus(one, one), count >> 1
    return total


def encoded(one: Point) -> bytes:
    """Spell a point as RFC 8032 section 5.1.2."""
    x, y = one
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _base() -> Point:
    found = point(4 * pow(5, -1, P) % P)
    assert found is not None
    return found


BASE = _base()
