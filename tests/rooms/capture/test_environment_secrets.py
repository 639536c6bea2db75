"""Secrets: whatever surrounds them they go, and what only looks like one stays."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whence.capture.secrets import REDACTED, is_secret_name, redact, redact_arguments, redact_value

_SIGNS = string.ascii_letters + string.digits


def _drawn(length: int) -> st.SearchStrategy[str]:
    return st.text(alphabet=_SIGNS, min_size=length, max_size=length)


_SECRETS = st.one_of(
    st.from_regex(r"AKIA[0-9A-Z]{16}", fullmatch=True),
    _drawn(36).map(lambda s: "ghp_" + s),
    _drawn(24).map(lambda s: "hf_" + s),
    _drawn(24).map(lambda s: "sk-" + s),
    _drawn(20).map(lambda s: "xoxb-" + s),
    _drawn(35).map(lambda s: "AIza" + s),
    st.tuples(_drawn(12), _drawn(20), _drawn(20)).map(lambda parts: "eyJ" + ".".join(parts)),
)
_AROUND = st.text(alphabet=" \n,;()[]{}<>\"'", max_size=8)


@settings(max_examples=100, deadline=None)
@given(secret=_SECRETS, before=_AROUND, after=_AROUND)
def test_a_secret_of_a_known_form_goes_wherever_it_stands(secret: str, before: str, after: str) -> None:
    assert redact(before + secret + after) == before + REDACTED + after


@settings(max_examples=100, deadline=None)
@given(
    name=st.sampled_from(["password", "DB_PASSWORD", "api-key", "API_KEY", "accessToken", "client_secret"]),
    sign=st.sampled_from(["=", " = ", ": ", '": ', ":="]),
    secret=_drawn(12),
)
def test_a_literal_after_a_secret_name_goes(name: str, sign: str, secret: str) -> None:
    assert secret not in redact(f'x {name}{sign}"{secret}" y')


@settings(max_examples=60, deadline=None)
@given(text=st.text())
def test_redacting_again_changes_nothing(text: str) -> None:
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("https://me:pw@host/x", "https://[redacted]@host/x"),
        ("postgresql+psycopg://u:p@db:5432/x", "postgresql+psycopg://[redacted]@db:5432/x"),
        ("Authorization: Bearer abcdefghijkl", "Authorization: Bearer [redacted]"),
        ("TOKEN=abc", "TOKEN=[redacted]"),
        ('{"password": "x y"}', '{"password": "[redacted]"}'),
        ("password='cut off", "password='[redacted] off"),
        ("key = 'c29tZXJhbmRvbWtleTEyMzQ1Njc4OTA='", "key = '[redacted]'"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\nx", "[redacted]\nx"),
        ("-----BEGIN PRIVATE KEY-----\ncut off", "[redacted]"),
    ],
)
def test_secrets_go(text: str, redacted: str) -> None:
    assert redact(text) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "token = read_token()",
        "password: str = None",
        "tokens=5 max_tokens=100 tokenizer='bert' pad_token='<pad>'",
        "sort_key=name group_key='label'",
        "compass=3 bypass=True",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "https://example.org/a@b",
        "def f(key: int) -> dict[str, Any]: ...",
        "",
    ],
)
def test_what_only_looks_like_a_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_the_argument_after_a_secret_option_goes() -> None:
    given_arguments = ["a.py", "--password", "hunter2", "--lr", "0.1", "--token=abc", "--api-key", "--x"]
    assert redact_arguments(given_arguments) == [
        "a.py",
        "--password",
        REDACTED,
        "--lr",
        "0.1",
        f"--token={REDACTED}",
        "--api-key",
        "--x",
    ]


def test_a_value_goes_by_its_name() -> None:
    assert redact_value("HF_TOKEN", "x") == REDACTED
    assert redact_value("WHENCE_KEY", "kf93hGf0sk3Lq92jdPwm") == REDACTED
    assert redact_value("WHENCE_KEY", "label") == "label"
    assert redact_value("LANG", "C.UTF-8") == "C.UTF-8"


@pytest.mark.parametrize("name", ["token", "HF_TOKEN", "db-password", "AWS_SECRET_ACCESS_KEY", "apikey"])
def test_secret_names_are_known(name: str) -> None:
    assert is_secret_name(name)


_PIECES = ["a", "a=", "eyJ-", "a://", 'a="', "-----BEGIN PRIVATE KEY", "a.-", "sk-", "bearer "]


@pytest.mark.parametrize("piece", _PIECES)
def test_no_text_makes_redacting_take_quadratic_time(piece: str) -> None:
    # a quadratic search of this much would not end within the patience of any test run
    assert redact(piece * (300_000 // len(piece))) is not None
