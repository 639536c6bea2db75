"""Operations on several streams."""

from __future__ import annotations

from tests.oracle.functions import pair
from tests.oracle.operations.operation import Operation

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
    ),
    "zip_pair": Operation(
        chain=lambda s, o, _a, _l: s.zip(o[0], combine=pair),
        hand=lambda s, o, _a: [pair(*both) for both in zip(s, o[0], strict=False)],
        can_stop=True,
        makes_one_of_one=False,
    ),
}
