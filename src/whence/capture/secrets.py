"""Secrets stay out of the record: text is redacted before anything of it is written.

Three rules: values of a known form (keys of clouds and forges, tokens, private keys, passwords in
addresses) go wherever they stand; values after a name that says secret go whatever they look like;
and of long words that look drawn at random those go that follow a name such as `key` or `auth`.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from whence.capture.secret_forms import FORMS

REDACTED = "[redacted]"

_NAME = re.compile(
    r"(?i)(?:password|passwd|passphrase|passcode|secret|token|credentials?|authorization|connection_?string)s?$"
    r"|(?:api|access|private|secret|signing|encryption|master|account|shared|ssh|service|subscription|client"
    r"|deploy|admin|storage|webhook|license)[-_]?keys?$"
    r"|(?:^|[^a-z])(?:pass|pwd|pw|dsn|pin|otp|conn_str)$"
    r"|(?:^|[^a-z])(?:password|secret|credential)s?[^a-z]"
)
_TOKEN_OF_TEXT = re.compile(
    r"(?i)(?<!access)(?<!access_)(?<!auth)(?<!auth_)(?<!api)(?<!api_)(?<!secret_)(?<!bearer_)tokens$"
    r"|(?:pad|eos|bos|unk|mask|sep|cls|special|max|min|num|n|per|start|end|stop|first|last|next|prev|prompt|image"
    r"|audio|video|user|system|assistant|prefix|suffix|target|source|input|output|new|total|mean|avg|word|class"
    r"|blank|unknown|boi|eoi|extra|added|time|current)_?token(?:_id)?$"
)
_HINT = re.compile(r"(?i)(?:key|auth|session|cookie|sig(?:nature)?|salt|cert|license)s?$")
_HARMLESS = re.compile(
    r"(?i)(?:none|null|nil|true|false|yes|no|\$\{?\w+\}?|\{\{?[^{}]*\}?\}|<[^<>]*>|\*+|x{3,}|\.{3}"
    r"|bearer|basic|digest|\[redacted\])?"
)
_OF_A_THING = re.compile(
    r"(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?:[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{128})"
)
_PASSWORDS_ONLY = re.compile(r"(?i)(?:password|passwd|passphrase|passcode|secret|pin|otp|pwd|pw)s?$")

# one of these is in every line in which a name says secret, or hints at one
_WORDS = (
    *("pass", "pw", "secret", "token", "credential", "authoriz", "connection", "conn_str", "key", "dsn"),
    *("pin", "otp", "auth", "session", "cookie", "sig", "salt", "cert", "licen"),
    *("bearer", "basic", " -u", "--user", "-user"),
)

_FORMS = tuple((mark, re.compile(form)) for mark, form in FORMS)
# every repetition is bounded or begins at a word's start, so that no text makes a search take quadratic time
_IN_ADDRESS = re.compile(r"((?<![a-zA-Z0-9+.-])[a-zA-Z][a-zA-Z0-9+.-]{0,30}://)[^\s/@]{1,500}@")
_AUTHORIZED = re.compile(
    r"""(?i)(\bauthorization["']?\s{0,4}[:=]\s{0,4}["']?(?:(?:bearer|basic|token|apikey|digest)\s{1,4})?)"""
    r"""([^\s"',;\[]{6,})"""
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)(\s{1,4})([A-Za-z0-9._~+/=-]{8,})")
_COOKIE = re.compile(
    r"""(?i)(\b(?:set-)?cookie["']?\s{0,4}[:=]\s{0,4}["']?)([^\s"'=]{1,200}=[^\r\n"']{1,4000})"""
)
_LOGIN = re.compile(
    r"(?i)(\blogin\s{1,8}\S{1,200}\s{1,8}(?:account\s{1,8}\S{1,200}\s{1,8})?password\s{1,8})(\S{1,500})"
)
_OPTION = re.compile(r"""(?<!\S)(--?[A-Za-z][A-Za-z0-9_-]{0,60})(\s{1,4})(["']?)([^\s"'-][^\s"']{0,500})""")
_USER_OPTION = re.compile(r"(?<!\S)(-u|--user|--proxy-user)([\s=]{1,4})([^\s:/]{1,200}:[^\s]{1,500})")
_NAMED = re.compile(
    r"""(?<![A-Za-z0-9_.])([A-Za-z_][A-Za-z0-9_.-]{0,100})(\\?["']?[ \t]{0,8}(?::=|=>|[:=])[ \t]{0,8})"""
)
_VALUE = re.compile(
    r"""\\"[^"\\\n]{0,2000}\\"|"(?:[^"\\\n]|\\.){0,2000}"|'(?:[^'\\\n]|\\.){0,2000}'|["']?[^\s,;&)\]}"']{1,200}"""
)
_REST = re.compile(r"""[^\s,;&)\]}"']+""")


def redact(text: str) -> str:
    """Take secrets out of text.

    Args:
        text: any text, such as a command, an address, or a diff.

    Returns:
        The text with `[redacted]` in the place of each secret.
    """
    for mark, form in _FORMS:
        if mark in text:
            text = form.sub(REDACTED, text)
    if "://" in text and "@" in text:
        text = _IN_ADDRESS.sub(rf"\1{REDACTED}@", text)
    lower = _lowered(text)
    if "login" in lower and "password" in lower:
        text = _LOGIN.sub(rf"\1{REDACTED}", text)
        lower = _lowered(text)
    parts: list[str] = []
    done = 0
    for first, last in _telling_lines(text, lower):
        parts += [text[done:first], _redact_line(text[first:last])]
        done = last
    return "".join([*parts, text[done:]]) if parts else text


def _redact_line(line: str) -> str:
    line = _OPTION.sub(_redact_option, line)
    line = _USER_OPTION.sub(rf"\1\2{REDACTED}", line)
    line = _BEARER.sub(_redact_bearer, line)
    line = _AUTHORIZED.sub(rf"\1{REDACTED}", line)
    line = _COOKIE.sub(rf"\1{REDACTED}", line)
    parts: list[str] = []
    done = 0
    for start, end in _assigned_secrets(line):
        parts += [line[done:start], REDACTED]
        done = end
    return "".join([*parts, line[done:]])


def redact_arguments(arguments: Sequence[str]) -> list[str]:
    """Take secrets out of a command's arguments; the one after `--password` is one."""
    found: list[str] = []
    before = ""
    for argument in arguments:
        is_user = before in ("-u", "--user") and ":" in argument
        is_option = before.startswith("-") and "=" not in before
        is_named = is_secret_name(before) and not argument.startswith("-")
        goes = is_user or (is_option and (is_named or _is_hinted(before, argument)))
        found.append(REDACTED if goes else redact(argument))
        before = argument
    return found


def redact_paths(paths: list[str]) -> list[str]:
    """Take the secrets out of paths, of which there may be millions without any."""
    whole = "\0".join(paths)
    if "=" not in whole and ":" not in whole and not any(mark in whole for mark, _ in _FORMS):
        return paths
    return [redact(path) for path in paths]


def redact_value(name: str, value: str) -> str:
    """Take the secrets out of a named value, all of it if the name says so."""
    if is_secret_name(name) and not _HARMLESS.fullmatch(value):
        return REDACTED
    return REDACTED if _is_hinted(name, value) else redact(value)


def redact_tree(value: Any, name: str = "") -> Any:
    """Take the secrets out of a plain value, by the names in its dicts and by what the texts say.

    Args:
        value: what `plain` gave.
        name: what it is called; of an item of a list what the list is called.
    """
    if isinstance(value, str):
        return redact_value(name, value) if name else redact(value)
    if isinstance(value, Mapping):
        if len(value) == 1 and "$bytes" in value:
            return REDACTED if _hides_secret(name, value["$bytes"]) else value
        inherited = name if is_secret_name(name) else ""
        return {key: redact_tree(item, inherited or _named(name, key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return _redact_items(value, name)
    if isinstance(value, int | float) and not isinstance(value, bool) and _PASSWORDS_ONLY.search(name):
        return REDACTED
    return value


def _redact_items(items: Sequence[Any], name: str) -> list[Any]:
    """Take the secrets out of a list; of texts as of a command's arguments."""
    if items and all(isinstance(item, str) for item in items) and not is_secret_name(name):
        return redact_arguments(items)
    return [redact_tree(item, name) for item in items]


def _named(outer: str, key: str) -> str:
    return outer if key.startswith("$") else key


def _hides_secret(name: str, encoded: str) -> bool:
    if is_secret_name(name):
        return True
    if len(encoded) > 100_000:
        return False
    try:
        text = base64.b64decode(encoded).decode("utf-8")
    except (binascii.Error, ValueError):
        return False
    return redact_value(name, text) != text


def is_secret_name(name: str) -> bool:
    """Tell whether a name says that its value is a secret; the tokens of language models aren't."""
    return _NAME.search(name) is not None and _TOKEN_OF_TEXT.search(name) is None


def _redact_option(match: re.Match[str]) -> str:
    option, space, quote, value = match.groups()
    if (is_secret_name(option) and not _HARMLESS.fullmatch(value)) or _is_hinted(option, value):
        return f"{option}{space}{quote}{REDACTED}"
    return match[0]


def _redact_bearer(match: re.Match[str]) -> str:
    scheme, space, value = match.groups()
    is_one = _is_login(value) if scheme.lower() == "basic" else re.search(r"[0-9_.]", value[:-1])
    return f"{scheme}{space}{REDACTED}" if is_one else match[0]


def _assigned_secrets(text: str) -> Iterator[tuple[int, int]]:
    """Find where in a text secrets are given to names, without their quotes."""
    done = 0
    for first, last in _telling_lines(text, _lowered(text)):
        for match in _NAMED.finditer(text, first, last):
            name, sign = match.groups()
            if match.start() < done or not (_NAME.search(name) or _HINT.search(name)):
                continue
            value = _VALUE.match(text, match.end(), last)
            if value is not None and _is_secret(name, sign, value[0]):
                quote = _quote_of(value[0])
                rest = None if quote else _REST.match(text, value.end(), last)
                done = value.end() if rest is None else rest.end()
                is_closed = len(value[0]) > len(quote) and value[0].endswith(quote)
                yield match.end() + len(quote), done - (len(quote) if is_closed else 0)


def _lowered(text: str) -> str:
    """Write letters small, each where it was."""
    lower = text.lower()
    if len(lower) != len(text):  # some letters are two in lower case
        lower = "".join(letter.lower() if letter.isascii() else letter for letter in text)
    return lower


def _telling_lines(text: str, lower: str) -> list[tuple[int, int]]:
    """Find the lines in which a name may say secret: to look for words alone is ten times as quick."""
    lines: set[tuple[int, int]] = set()
    for word in _WORDS:
        at = lower.find(word)
        while at >= 0:
            first = lower.rfind("\n", 0, at) + 1
            last = lower.find("\n", at)
            last = len(text) if last < 0 else last
            lines.add((first, last))
            at = lower.find(word, last)
    return sorted(lines)


def _quote_of(value: str) -> str:
    return '\\"' if value.startswith('\\"') else value[0] if value[:1] in {"'", '"'} else ""


def _is_secret(name: str, sign: str, value: str) -> bool:
    quote = _quote_of(value)
    inner = value[len(quote) :].removesuffix(quote) if quote else value
    if _HARMLESS.fullmatch(inner):
        return False
    # code that takes a secret from elsewhere isn't one: `token = read_token()`, `password: str`
    code = not quote and re.match(r"[A-Za-z_][\w.]*(?:[(\[]|$)", inner) and not _looks_random(inner)
    as_variable = sign == "=" and not re.search(r"[(\[]", inner)
    if is_secret_name(name) and (not code or as_variable):
        return True
    return _is_hinted(name, inner)


def _is_hinted(name: str, value: str) -> bool:
    """Tell whether a name that may mean a secret has a value that looks like one."""
    return _HINT.search(name) is not None and (_looks_random(value) or _is_login(value))


def _looks_random(value: str) -> bool:
    """Tell whether a word looks drawn at random: long, of mixed signs, with much information a sign.

    Digests and UUIDs do too, but they name things: after a mere hint they stay.
    """
    if len(value) < 16 or not re.fullmatch(r"[A-Za-z0-9+/=_.~-]+", value) or _OF_A_THING.fullmatch(value):
        return False
    counts = Counter(value)
    bits = -sum(n / len(value) * math.log2(n / len(value)) for n in counts.values())
    if re.search(r"\d", value):
        return bits >= 3.0
    is_mixed = re.search(r"[a-z]", value) and re.search(r"[A-Z]", value)
    return bool(len(value) >= 24 and is_mixed and bits >= 4.0)


def _is_login(value: str) -> bool:
    """Tell whether a word is a user's name and password as HTTP and Docker spell them."""
    if len(value) < 8 or not re.fullmatch(r"[A-Za-z0-9+/_-]+={0,2}", value):
        return False
    try:
        text = base64.b64decode(value + "=" * (-len(value) % 4), validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return False
    return text.isprintable() and ":" in text[1:-1]


def redact_function(described: Mapping[str, Any]) -> dict[str, Any]:
    """Take the secrets out of what is said of a function: its text, constants, closure and defaults."""
    constants = {label: redact_value(_last(label), text) for label, text in described["constants"].items()}
    hidden = [text for label, text in described["constants"].items() if constants[label] != text]
    for text in described["source"].values():  # defaults have no names but there
        hidden += [text[start:end] for start, end in _assigned_secrets(text)]
    return {
        **described,
        "source": {name: redact(text) for name, text in described["source"].items()},
        "constants": {
            label: REDACTED if text.strip('"') in hidden else text for label, text in constants.items()
        },
        "reference": _redact_reference(described["reference"], "", hidden),
    }


def redact_params(params: Any) -> Any:
    """Take the secrets out of an operation's parameters.

    By name only of those that were given for a function: `cast({"token": "int32"})` is about a field.
    """
    if not isinstance(params, Mapping):
        return redact_by_form(params)
    return {
        key: redact_tree(item) if key == "params" else redact_by_form(item) for key, item in params.items()
    }


def redact_by_form(value: Any) -> Any:
    """Take the secrets out of the texts in a plain value, whatever the names in it are."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: redact_by_form(item) for key, item in value.items()}
    return [redact_by_form(item) for item in value] if isinstance(value, list | tuple) else value


def _redact_reference(value: Any, name: str, hidden: Sequence[str]) -> Any:
    """Go through references, of which only what is a value may be a secret.

    Args:
        value: the reference, or a part of it.
        name: the variable that holds it, where that is known; defaults have none.
        hidden: what is a secret of the function by the names in its text.
    """
    if isinstance(value, list):
        return [_redact_reference(item, name, hidden) for item in value]
    if not isinstance(value, Mapping):
        return value
    if value.get("kind") == "value":
        kept = value["value"]
        is_hidden = isinstance(kept, str) and len(kept) > 5 and any(kept in text for text in hidden)
        return {**value, "value": REDACTED if is_hidden else redact_tree(kept, name)}
    inner = name if "kind" in value else ""
    return {key: _redact_reference(item, inner or key, hidden) for key, item in value.items()}


def _last(label: str) -> str:
    """The variable that a label such as `module.NAME`, `function[cell]` or `function(default=)` ends with."""
    return re.sub(r"[^A-Za-z0-9_-]+$", "", re.split(r"[.\[(]", label)[-1])


# What is left out was redacted where it was made, holds nothing that a person wrote, or is content of his own
# (artifacts, models) which stays as it is.
_AS_IT_IS = frozenset(
    {
        *("environment", "stream", "source", "code_file", "file", "unfollowed", "files_counted"),
        *("source_parts", "snapshot", "fields", "noticed", "libraries", "begun"),
        *("artifact", "model"),
    }
)


def cleanse(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    """Take the secrets out of what an event is about to say; the last door before the disk.

    Args:
        kind: of the event.
        body: what it says; isn't changed.
    """
    return body if kind in _AS_IT_IS else {key: redact_tree(item, key) for key, item in body.items()}
