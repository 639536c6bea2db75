"""Operations on several streams, and those that make several of one."""

from __future__ import annotations

from tests.oracle.functions import pair
from tests.oracle.operations.groups import key_of
from tests.oracle.operations.operation import Operation

SHARES = {"train": 0.6, "test": 0.3, "rest": 0.1}


SEVERAL = {
    "concat": Operation(
        chain=lambda s, o, _a, _l: s.concat(*o),
        hand=lambda s, o, _a: [*s, *(value for other in o for value in other)],
        makes_one_of_one=False,
    ),
    "zip": Operation(
        chain=lambda s, o, _a, _l: s.zip(o[0]),
        hand=lambda s, o, _a: list(zip(s, o[0], strict=False)),
        can_stop=True,
        makes_one_of_one=False,
        may_fail=True,
    ),
    "zip_pair": Operation(
        chain=lambda s, o, _a, _l: s.zip(o[0], combine=pair),
        hand=lambda s, o, _a: [pair(*both) for both in zip(s, o[0], strict=False)],
        can_stop=True,
        makes_one_of_one=False,
        may_fail=True,
    ),
    "mix": Operation(
        chain=lambda s, o, a, _l: s.mix(*o, weights=a[0], seed=a[1], stop=a[2]),
        can_drop=True,
        can_stop=True,
        makes_one_of_one=False,
    ),
    "split": Operation(
        chain=lambda s, _o, a, _l: s.split(SHARES, seed=a[1], by=a[2] and key_of(a[2]))[a[0]],
        can_drop=True,
        hands_on=True,
    ),
}
