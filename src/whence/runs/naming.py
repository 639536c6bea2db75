"""Names of runs: an id that sorts by time and needs no counter, and a name that people can say."""

from __future__ import annotations

from whence.vocab import fast64

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ID_LENGTH = 26
_ADJECTIVES = (  # noqa: SIM905 - a hundred quoted words are harder to read
    "amber bold brave bright brisk calm clear clever cool coral crisp curious daring deep eager early "
    "fair fine fleet fresh gentle glad golden grand green happy honest humble jolly keen kind lively "
    "lucky lunar mellow merry mild modest neat noble olive patient plain polite proud quick quiet rapid "
    "ready red rosy royal serene sharp shy silent silver simple sincere smooth snowy soft solar spry "
    "steady still sunny swift tidy true vivid warm wise witty young "
).split()
_ANIMALS = (  # noqa: SIM905 - a hundred quoted words are harder to read
    "badger beaver bison bittern bobcat camel caribou cheetah condor coral cougar crane cricket curlew "
    "deer dolphin dove eagle egret falcon ferret finch fox gannet gazelle gecko gibbon goose grouse gull "
    "hare hawk heron hornet ibex ibis iguana jackal jaguar jay kestrel koala lark lemur leopard lion "
    "llama lynx magpie marmot marten mole moose moth newt ocelot okapi oriole osprey otter owl panda "
    "parrot pelican penguin plover pony puffin puma quail rabbit raven robin salmon seal shrew sparrow "
    "stork swan tapir tern thrush tiger toad trout turtle viper vole walrus weasel whale wolf wombat wren "
    "yak zebra "
).split()


def make_run_id(at_ms: int, randomness: bytes) -> str:
    """Make a run's id: a ULID, 48 bits of time and 80 of chance in 26 characters.

    Args:
        at_ms: milliseconds since 1970 UTC.
        randomness: 10 bytes.

    Source: the ULID specification (github.com/ulid/spec).
    """
    value = (at_ms << 80) | int.from_bytes(randomness[:10], "big")
    return "".join(_CROCKFORD[(value >> shift) & 31] for shift in range(125, -1, -5))


def friendly_name(run_id: str) -> str:
    """Name a run so that people can say it; the same id always gives the same name."""
    bits = fast64(run_id.encode())
    adjective = _ADJECTIVES[bits % len(_ADJECTIVES)]
    animal = _ANIMALS[(bits >> 16) % len(_ANIMALS)]
    return f"{adjective}-{animal}-{(bits >> 32) % 100:02d}"


def is_run_id(text: str) -> bool:
    """Tell whether a text has the form of a run's id."""
    return len(text) == _ID_LENGTH and all(char in _CROCKFORD for char in text)
