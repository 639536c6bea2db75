"""Distributions: what is made of random words, for one word or for an array of words.

Only operations that IEEE 754 rounds correctly are used (+, -, *, /, square root), each by itself and
in one order, and the logarithm is our own. So a value depends on the words alone: the scalar form and the
array form agree to the last bit, and so do processors, operating systems and versions of NumPy.

- uniform: the word's upper 53 bits, times 2**-53: in [0, 1), every step equally likely.
- integers: the upper half of the 128-bit product word * span, and a word that would make some
  values likelier than others is refused, so that the next one is used. Source: Lemire, "Fast random
  integer generation in an interval", ACM TOMACS 2019.
- normal: the inverse of the normal distribution function at a uniform of 52 bits, centred in its
  step; one word a value, and nothing beyond 8.3. Source: Wichura, "Algorithm AS 241: the percentage
  points of the normal distribution", Applied Statistics 1988, the coefficients of PPND16.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from whence.chance.philox import UInt64Array, check_integer
from whence.errors import PlanError

FloatArray = NDArray[np.float64]
Int64Array = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Number = TypeVar("Number", float, FloatArray)

WORD_SPAN = 1 << 64
WORD_MASK = WORD_SPAN - 1
UNIT = 2.0**-53
_LEAST, _MOST = -(1 << 63), 1 << 63
_UNIT_SHIFT = np.uint64(11)
_NORMAL_SHIFT = np.uint64(12)
_NORMAL_UNIT = 2.0**-52
_SEQUENCES = (list, tuple, str, np.ndarray)
_LOW_32 = np.uint64(0xFFFFFFFF)
_SHIFT_32 = np.uint64(32)

# AS 241, PPND16: numerator and denominator of the three pieces, highest power first.
_CENTRE = (
    (2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
     1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080e0),
    (5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4,
     5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1.0),
)  # fmt: skip
_SHOULDER = (
    (7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1,
     1.27045825245236838258e0, 3.64784832476320460504e0, 5.76949722146069140550e0,
     4.63033784615654529590e0, 1.42343711074968357734e0),
    (1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2,
     1.48103976427480074590e-1, 6.89767334985100004550e-1, 1.67638483018380384940e0,
     2.05319162663775882187e0, 1.0),
)  # fmt: skip
_TAIL = (
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3,
     2.65321895265761230930e-2, 2.96560571828504891230e-1, 1.78482653991729133580e0,
     5.46378491116411436990e0, 6.65790464350110377720e0),
    (2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5,
     7.86869131145613259100e-4, 1.48753612908506148525e-2, 1.36929880922735805310e-1,
     5.99832206555887937690e-1, 1.0),
)  # fmt: skip
_LOG_2 = 0.6931471805599453
_ROOT_HALF = 0.7071067811865476
# log((1 + s) / (1 - s)) = 2 s (1 + s^2 / 3 + s^4 / 5 ...); |s| < 0.172 makes eleven terms exact enough.
_LOG_SERIES = tuple(2.0 / power for power in range(21, 0, -2))


def unchanged(words: UInt64Array) -> UInt64Array:
    """Give the words as they are."""
    return words


def uniform53(words: UInt64Array) -> FloatArray:
    """Make uniform numbers in [0, 1), one of each word."""
    return (words >> _UNIT_SHIFT).astype(np.float64) * UNIT


def scale(unit: Number, low: float, high: float) -> Number:
    """Stretch uniform numbers in [0, 1) to [low, high); rounding may give `high` itself."""
    return low + (high - low) * unit


def bounded(words: UInt64Array, span: int) -> tuple[UInt64Array, BoolArray]:
    """Make integers in [0, span), one of each word, and say which words may be used.

    Args:
        words: uint64 of any shape.
        span: how many integers there are to choose from, in [1, 2**64].

    Returns:
        The integers as uint64, and True for each word that is as likely as all others; where it is
        False, the value must be dropped and the sample's next word tried. At most span / 2**64 of
        all words are refused.
    """
    if span == WORD_SPAN:
        return words.copy(), np.ones(words.shape, dtype=np.bool_)
    low = words * np.uint64(span)
    wanted = low >= np.uint64(WORD_SPAN % span)
    return _multiply_high(words, span), wanted


def bounded_one(draw_word: Callable[[], int], span: int) -> int:
    """Make one integer in [0, span), drawing words until one may be used."""
    product = draw_word() * span
    if product & WORD_MASK < span:
        refused = WORD_SPAN % span
        while product & WORD_MASK < refused:
            product = draw_word() * span
    return product >> 64


def normals(words: UInt64Array) -> FloatArray:
    """Make numbers of the normal distribution with mean 0 and standard deviation 1, one of each word."""
    centred = ((words >> _NORMAL_SHIFT).astype(np.float64) + 0.5) * _NORMAL_UNIT - 0.5
    values = _centre(centred)
    outside = np.nonzero(np.abs(centred) > 0.425)
    if outside[0].size:
        far = centred[outside]
        root = np.sqrt(-_log(0.5 - np.abs(far)))
        sizes = _ratio(_SHOULDER, root - 1.6)
        tail = root > 5.0
        sizes[tail] = _ratio(_TAIL, root[tail] - 5.0)
        values[outside] = np.copysign(sizes, far)
    return values


def normal_one(word: int) -> float:
    """Make one number of the normal distribution with mean 0 and standard deviation 1."""
    centred = ((word >> 12) + 0.5) * _NORMAL_UNIT - 0.5
    if -0.425 <= centred <= 0.425:
        return _centre(centred)
    root = math.sqrt(-_log_one(0.5 - abs(centred)))
    size = _ratio(_SHOULDER, root - 1.6) if root <= 5.0 else _ratio(_TAIL, root - 5.0)
    return math.copysign(size, centred)


def fisher_yates(draw_word: Callable[[], int], size: int) -> list[int]:
    """Shuffle the integers below `size`, from the last place down to the second, one word a place."""
    order = list(range(size))
    for place in range(size - 1, 0, -1):
        other = bounded_one(draw_word, place + 1)
        order[place], order[other] = order[other], order[place]
    return order


def check_interval(low: float, high: float) -> tuple[float, float]:
    """Check the bounds of uniform numbers, and give them as floats.

    Raises:
        PlanError: not finite numbers, not low <= high, or too far apart for a float.
    """
    if type(low) is not float or type(high) is not float:
        low, high = check_number("uniform: low", low), check_number("uniform: high", high)
    if not 0.0 <= high - low < math.inf:
        raise PlanError(f"uniform: wanted finite numbers low <= high, got low={low}, high={high}")
    return low, high


def check_range(low: int, high: int | None) -> tuple[int, int]:
    """Check the bounds of random integers, and give the lowest integer and how many there are.

    Raises:
        PlanError: not integers, not low < high, or outside [-2**63, 2**63].
    """
    if high is None:
        low, high = 0, low
    if type(low) is not int or type(high) is not int:
        low, high = check_integer("integers: low", low), check_integer("integers: high", high)
    if not _LEAST <= low < high <= _MOST:
        raise PlanError(
            f"integers: wanted low < high in [-2**63, 2**63], got low={low}, high={high}",
            remedy="`high` itself is never drawn: integers(0, 1) is always 0.",
        )
    return low, high - low


def check_spread(mean: float, sd: float) -> tuple[float, float]:
    """Check the parameters of normal numbers, and give them as floats.

    Raises:
        PlanError: not finite numbers, or a negative standard deviation.
    """
    if type(mean) is not float or type(sd) is not float:
        mean, sd = check_number("normal: mean", mean), check_number("normal: sd", sd)
    if not (-math.inf < mean < math.inf and 0.0 <= sd < math.inf):
        raise PlanError(f"normal: wanted a finite mean and sd >= 0, got mean={mean}, sd={sd}")
    return mean, sd


def check_sequence(what: str, items: object) -> None:
    """Check that items have a number and an order.

    Raises:
        PlanError: they haven't, as in a set, a dict or a generator.
    """
    if type(items) in _SEQUENCES:
        return
    if not hasattr(items, "__getitem__") or not hasattr(items, "__len__") or hasattr(items, "keys"):
        raise PlanError(f"{what}: wanted a sequence such as a list, got {type(items).__name__}")


def check_number(what: str, value: object) -> float:
    """Check that an argument is a number, and give it as a float.

    Raises:
        PlanError: it isn't, or is an integer too large for a float.
    """
    try:
        if not isinstance(value, str):
            return float(value)  # type: ignore[arg-type]  # TypeError is the check
    except (TypeError, ValueError, OverflowError) as error:
        raise _not_a_number(what, value) from error
    raise _not_a_number(what, value)


def _not_a_number(what: str, value: object) -> PlanError:
    return PlanError(f"{what}: wanted a number, got {type(value).__name__}")


def _multiply_high(words: UInt64Array, span: int) -> UInt64Array:
    """Take the upper 64 bits of the products word * span; no intermediate sum exceeds 64 bits."""
    upper, lower = words >> _SHIFT_32, words & _LOW_32
    span_upper, span_lower = np.uint64(span >> 32), np.uint64(span & 0xFFFFFFFF)
    lower *= span_lower
    lower >>= _SHIFT_32
    middle: UInt64Array = upper * span_lower + lower
    if not span_upper:
        return middle >> _SHIFT_32
    carried = (words & _LOW_32) * span_upper + (middle & _LOW_32)
    total: UInt64Array = upper * span_upper + (middle >> _SHIFT_32) + (carried >> _SHIFT_32)
    return total


def _centre(centred: Number) -> Number:
    return centred * _ratio(_CENTRE, 0.180625 - centred * centred)


def _ratio(piece: tuple[Sequence[float], Sequence[float]], at: Number) -> Number:
    return _polynomial(piece[0], at) / _polynomial(piece[1], at)


def _polynomial(coefficients: Sequence[float], at: Number) -> Number:
    total = at * coefficients[0] + coefficients[1]
    for coefficient in coefficients[2:]:
        total *= at
        total += coefficient
    return total


def _log(values: FloatArray) -> FloatArray:
    mantissa, exponent = np.frexp(values)
    small = mantissa < _ROOT_HALF
    mantissa = np.where(small, mantissa * 2.0, mantissa)
    slope = (mantissa - 1.0) / (mantissa + 1.0)
    return slope * _polynomial(_LOG_SERIES, slope * slope) + (exponent - small) * _LOG_2


def _log_one(value: float) -> float:
    mantissa, exponent = math.frexp(value)
    if mantissa < _ROOT_HALF:
        mantissa, exponent = mantissa * 2.0, exponent - 1
    slope = (mantissa - 1.0) / (mantissa + 1.0)
    return slope * _polynomial(_LOG_SERIES, slope * slope) + exponent * _LOG_2
