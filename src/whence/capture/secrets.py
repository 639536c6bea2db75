"""Secrets stay out of the record: text is redacted before anything of it is written.

Three rules: values of a known form (keys of clouds and forges, tokens, private keys, passwords in
addresses) go wherever they stand; values after a name that says secret go whatever they look like;
and of long words that look drawn at random those go that follow a name such as `key` or `auth`.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

REDACTED = "[redacted]"

_NAME = re.compile(
    r"(?i)(?:password|passwd|passphrase|secret|token|credentials?|(?:api|access|private)[-_]?key)s?$"
    r"|(?:^|[^a-z])(?:pass|pwd|dsn)$"
    r"|(?:^|[^a-z])(?:password|secret|credential)s?[^a-z]"
)
_TOKEN_OF_TEXT = re.compile(r"(?i)tokens$|(?:pad|eos|bos|unk|mask|sep|cls|special|max|min|num|n|per)_?token$")
_HINT = re.compile(r"(?i)(?:key|auth|session|cookie|sig(?:nature)?|salt|cert|license)s?$")

# Each with what stands in it: to look for that alone is a hundred times as quick.
_FORMS: tuple[tuple[str, str], ...] = (
    ("-----BEGIN ", r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"),
    ("AKIA", r"\bAKIA[0-9A-Z]{16}\b"),
    ("ASIA", r"\bASIA[0-9A-Z]{16}\b"),
    ("ABIA", r"\bABIA[0-9A-Z]{16}\b"),
    ("ACCA", r"\bACCA[0-9A-Z]{16}\b"),
    *((f"gh{kind}_", rf"\bgh{kind}_[A-Za-z0-9]{{20,}}") for kind in "pousr"),
    ("github_pat_", r"\bgithub_pat_[A-Za-z0-9_]{20,}"),
    ("glpat-", r"\bglpat-[A-Za-z0-9_-]{16,}"),
    ("hf_", r"\bhf_[A-Za-z0-9]{20,}"),
    ("sk-", r"\bsk-[A-Za-z0-9_-]{16,}"),
    ("k_live_", r"\b[rs]k_live_[A-Za-z0-9]{10,}"),
    ("k_test_", r"\b[rs]k_test_[A-Za-z0-9]{10,}"),
    ("xox", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    ("AIza", r"\bAIza[A-Za-z0-9_-]{35}"),
    ("npm_", r"\bnpm_[A-Za-z0-9]{30,}"),
    ("pypi-", r"\bpypi-[A-Za-z0-9_-]{30,}"),
    ("wandb_v1_", r"\bwandb_v1_[A-Za-z0-9_]{20,}"),
    ("eyJ", r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),
)
# every repetition is bounded or begins at a word's start, so that no text makes a search take quadratic time
_IN_ADDRESS = re.compile(r"((?<![a-zA-Z0-9+.-])[a-zA-Z][a-zA-Z0-9+.-]{0,30}://)[^\s/@]{1,500}@")
_BEARER = re.compile(r"(?i)\b(bearer|basic)(\s+)[A-Za-z0-9._~+/=-]{8,}")
_ASSIGNED = re.compile(
    r"""(?x)
    (?<![A-Za-z0-9_.])(?P<name> [A-Za-z_][A-Za-z0-9_.-]{0,100} )
    (?P<sign> ["']? [ \t]{0,8} (?: := | => | [:=] ) [ \t]{0,8} )
    (?P<value> "(?:[^"\\\n]|\\.){0,2000}" | '(?:[^'\\\n]|\\.){0,2000}' | ["']?[^\s,;&)\]}"']+ )
    """
)


def redact(text: str) -> str:
    """Take secrets out of text.

    Args:
        text: any text, such as a command, an address, or a diff.

    Returns:
        The text with `[redacted]` in the place of each secret.
    """
    for mark, form in _FORMS:
        if mark in text:
            text = re.sub(form, REDACTED, text)
    text = _IN_ADDRESS.sub(rf"\1{REDACTED}@", text)
    text = _BEARER.sub(rf"\1\2{REDACTED}", text)
    return _ASSIGNED.sub(_redact_assigned, text)


def redact_arguments(arguments: Sequence[str]) -> list[str]:
    """Take secrets out of a command's arguments; the one after `--password` is one."""
    found: list[str] = []
    after_name = False
    for argument in arguments:
        found.append(REDACTED if after_name and not argument.startswith("-") else redact(argument))
        after_name = argument.startswith("-") and "=" not in argument and is_secret_name(argument)
    return found


def redact_value(name: str, value: str) -> str:
    """Take the secrets out of a named value, all of it if the name says so."""
    if is_secret_name(name) or (_HINT.search(name) and _looks_random(value)):
        return REDACTED
    return redact(value)


def is_secret_name(name: str) -> bool:
    """Tell whether a name says that its value is a secret; the tokens of language models aren't."""
    return _NAME.search(name) is not None and _TOKEN_OF_TEXT.search(name) is None


def _redact_assigned(match: re.Match[str]) -> str:
    name, sign, value = match["name"], match["sign"], match["value"]
    quote = value[0] if value[:1] in {"'", '"'} else ""
    closing = quote if len(value) > 1 and value.endswith(quote) else ""
    inner = value[len(quote) : len(value) - len(closing)]
    # code that takes a secret from elsewhere isn't one: `token = read_token()`, `password: str`
    code = not quote and re.match(r"[A-Za-z_][\w.]*(?:[(\[]|$)", inner) and not _looks_random(inner)
    as_variable = sign == "=" and not re.search(r"[(\[]", inner)
    if inner and is_secret_name(name) and (not code or as_variable):
        return f"{name}{sign}{quote}{REDACTED}{closing}"
    if _HINT.search(name) and _looks_random(inner):
        return f"{name}{sign}{quote}{REDACTED}{closing}"
    return match[0]


def _looks_random(value: str) -> bool:
    """Tell whether a word looks drawn at random: long, of mixed signs, with much information a sign."""
    if len(value) < 16 or not re.fullmatch(r"[A-Za-z0-9+/=_.~-]+", value) or not re.search(r"\d", value):
        return False
    counts = Counter(value)
    bits = -sum(n / len(value) * math.log2(n / len(value)) for n in counts.values())
    return bits >= 3.0
