"""Entries: one spelling each, a commitment that only its opening fits, extras that make the entry again."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.errors import DamagedError, InputError
from whence.ledger import (
    KINDS,
    MAX_ENTRY_BYTES,
    SALT_BYTES,
    Checkpoint,
    ImportedShard,
    LoggedArtifact,
    LoggedDecision,
    LoggedVersion,
    Note,
    Opening,
    Receipt,
    SealedRun,
    SigningKey,
    Statement,
    Subject,
    parse_entry,
    parse_extra,
    parse_receipt,
    subject_of,
)
from whence.vocab import encode_content

SALT = bytes(range(16))
AT = 1_763_775_887_123
RUN = "01KAN4RZQKXV6D4B1M6T2W8PZC"

texts = st.text(st.characters(exclude_categories=["Cs"]))
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda name: name[0] != "$")
whole = st.integers(-(2**53) + 1, 2**53 - 1)
publics = st.dictionaries(
    names,
    st.recursive(
        whole | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)
statements = st.builds(
    Statement,
    st.sampled_from(sorted(KINDS)),
    st.integers(0, 2**53 - 1),
    st.binary(max_size=200),
    st.none() | publics,
)


def entry(**changed: object) -> bytes:
    """Spell an entry as a stranger would, with something changed in it."""
    commitment = base64.b64encode(hashlib.sha256(SALT + b"payload").digest()).decode()
    said = {"at": AT, "commitment": commitment, "kind": "run"} | changed
    return json.dumps(said, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()


def test_an_entry_is_what_a_stranger_would_spell() -> None:
    statement = Statement("run", AT, b"payload")
    assert statement.entry(SALT) == entry()
    assert Statement("run", AT, b"payload", {"b": [1, "é\n"], "a": {}}).entry(SALT) == entry(
        public={"a": {}, "b": [1, "é\n"]}
    )


@given(statements, st.binary(min_size=SALT_BYTES, max_size=SALT_BYTES))
def test_what_is_stated_is_read_again(statement: Statement, salt: bytes) -> None:
    read = parse_entry(statement.entry(salt))
    assert (read.kind, read.at_ms, read.public) == (statement.kind, statement.at_ms, statement.public)
    read.check_opening(Opening(salt, statement.payload))
    again, its_salt = parse_extra(statement.extra(salt))
    assert (again.entry(its_salt), its_salt) == (statement.entry(salt), salt)


@given(statements, st.data())
def test_another_opening_does_not_fit(statement: Statement, data: st.DataObject) -> None:
    read = parse_entry(statement.entry(SALT))
    other = data.draw(st.builds(Opening, st.binary(max_size=32), st.binary(max_size=200)))
    if other != Opening(SALT, statement.payload):
        with pytest.raises(DamagedError):
            read.check_opening(other)


def test_a_salt_and_a_payload_that_are_cut_elsewhere_do_not_fit() -> None:
    read = parse_entry(Statement("run", AT, b"payload").entry(SALT))
    with pytest.raises(DamagedError, match="salt has 17"):
        read.check_opening(Opening(SALT + b"p", b"ayload"))


SPELLINGS = [
    entry() + b"\n",
    b" " + entry(),
    entry().replace(b":", b": ", 1),
    entry().replace(b'"at":1', b'"at":+1'),
    entry().replace(b'"at":1', b'"at":01'),
    entry().replace(b'"at":', b'"at":-'),
    entry().replace(str(AT).encode(), b"1763775887123.0"),
    entry().replace(str(AT).encode(), b"1.763775887123e12"),
    entry().replace(b'"kind"', b'"kin\\u0064"'),
    entry().replace(b'"run"', b'"r\\u0075n"'),
    entry().replace(b'"run"', b'"Run"'),
    entry().replace(b'"run"', b'""'),
    entry().replace(b'"run"', b"7"),
    entry().replace(b"}", b',"kind":"run"}'),
    entry().replace(b"}", b',"more":1}'),
    entry().replace(b'"kind":"run"', b'"public":{}'),
    json.dumps(json.loads(entry())).encode(),
    entry(at=2**53),
    entry(at=True),
    entry(at="1763775887123"),
    entry(commitment=""),
    entry(commitment="A" * 43),
    entry(commitment="A" * 44),
    entry(commitment=base64.b64encode(bytes(31)).decode()),
    entry(commitment=base64.urlsafe_b64encode(b"\xff" * 32).decode()),
    entry(commitment="A" * 42 + "B="),
    entry(public=None),
    entry(public=[]),
    entry(public={"a": 1.5}),
    entry(public={"a": True}),
    entry(public={"a": None}),
    entry(public={"": 1}),
    entry(public={"$float": "0x1p0"}),
    entry(public={"a": 2**53}),
    entry(public={"b": 1, "a": 1}).replace(b'"a":1,"b":1', b'"b":1,"a":1'),
    entry(public={"a": "/"}).replace(b'"/"', b'"\\/"'),
    entry(public={"a": "\x1f"}).replace(b"\\u001f", b"\\u001F"),
    entry(public={"a": "-"}).replace(b'"-"', b'"\xed\xa0\x80"'),
    entry(public={"a": "x" * MAX_ENTRY_BYTES}),
    entry().decode().encode("utf-16"),
    b"\xef\xbb\xbf" + entry(),
    b'{"at":' * 50_000,
    b"[" * 60_000,
    b"",
    b"{}",
    b"null",
    b"[]",
]


@pytest.mark.parametrize("spelled", SPELLINGS, ids=range(len(SPELLINGS)))
def test_any_other_spelling_is_refused(spelled: bytes) -> None:
    with pytest.raises(DamagedError):
        parse_entry(spelled)


@given(statements, st.data())
def test_no_bit_of_an_entry_can_be_flipped_unseen(statement: Statement, data: st.DataObject) -> None:
    spelled = statement.entry(SALT)
    at = data.draw(st.integers(0, 8 * len(spelled) - 1))
    flipped = bytearray(spelled)
    flipped[at // 8] ^= 1 << at % 8
    try:
        read = parse_entry(bytes(flipped))
    except DamagedError:
        return
    before = parse_entry(spelled)
    assert read != before  # and so it is another entry, which the tree tells


@given(statements, st.data())
def test_an_extra_has_one_spelling(statement: Statement, data: st.DataObject) -> None:
    spelled = statement.extra(SALT)
    changed = bytearray(spelled)
    at = data.draw(st.integers(0, 8 * len(spelled) - 1))
    changed[at // 8] ^= 1 << at % 8
    try:
        found = parse_extra(bytes(changed))
    except DamagedError:
        return
    assert (found[0].entry(found[1]), found[1]) != (statement.entry(SALT), SALT)


EXTRAS = [
    b"",
    encode_content(None),
    encode_content([]),
    encode_content(["run", AT, SALT]),
    encode_content(["run", AT, SALT, b"", {}, 1]),
    encode_content(["run", AT, SALT[1:], b""]),
    encode_content(["run", AT, "0123456789abcdef", b""]),
    encode_content(["run", AT, SALT, "text"]),
    encode_content(["walk", AT, SALT, b""]),
    encode_content(["run", float(AT), SALT, b""]),
    encode_content(["run", AT, SALT, b"", None]),
    encode_content(["run", AT, SALT, b"", {"b": 1, "a": 1}]),
    encode_content(["run", AT, SALT, b""]) + b"\0",
    encode_content(["run", AT, SALT, b""]).replace(b"\xcf", b"\xd3"),  # the time as a signed integer
]


@pytest.mark.parametrize("spelled", EXTRAS, ids=range(len(EXTRAS)))
def test_an_extra_of_any_other_form_is_refused(spelled: bytes) -> None:
    with pytest.raises(DamagedError):
        parse_extra(spelled)


@pytest.mark.parametrize(
    ("kind", "at_ms", "public"),
    [
        ("walk", AT, None),
        ("run", -1, None),
        ("run", 2**53, None),
        ("run", 1.5, None),
        ("run", True, None),
        ("run", AT, {"a": 1.5}),
        ("run", AT, {"a": "\ud800"}),
        ("run", AT, {"\ud800": 1}),
        ("run", AT, {1: 1}),
        ("run", AT, ["a"]),
        ("run", AT, {"a": "x" * MAX_ENTRY_BYTES}),
    ],
)
def test_what_no_log_could_hold_is_not_stated(kind: str, at_ms: int, public: dict[str, object]) -> None:
    with pytest.raises(InputError):
        Statement(kind, at_ms, b"", public)


def test_a_short_salt_is_refused() -> None:
    with pytest.raises(InputError, match="16 bytes"):
        Statement("run", AT, b"").entry(b"salt")


DIGEST = bytes(range(32))
SUBJECTS: list[tuple[str, Subject]] = [
    ("run", SealedRun(run_id=RUN, chain=DIGEST, event_count=1_000, size_bytes=1 << 40)),
    ("run", SealedRun(run_id="an old name", chain=DIGEST, event_count=0, size_bytes=16)),
    ("run", SealedRun(run_id="8" * 26, chain=DIGEST, event_count=0, size_bytes=16)),
    ("model", LoggedVersion(kind="model", name="digits", version=2, digest=DIGEST, run_id=RUN)),
    ("dataset", LoggedVersion(kind="dataset", name="dígits", version=0, digest=DIGEST, run_id=RUN)),
    ("artifact", LoggedArtifact(name="half \ud800", digest=DIGEST, run_id=RUN)),
    ("decision", LoggedDecision(decision_id=RUN, digest=DIGEST)),
    ("import", ImportedShard(shard="2026-abc", origin="whence.invalid/x", size=7, root=DIGEST)),
]


@pytest.mark.parametrize(("kind", "subject"), SUBJECTS)
def test_a_subject_is_read_as_it_was_stated(kind: str, subject: Subject) -> None:
    statement = subject.statement(AT)
    assert (statement.kind, statement.at_ms) == (kind, AT)
    assert subject_of(kind, statement.payload) == subject


@pytest.mark.parametrize(("kind", "subject"), SUBJECTS)
def test_a_payload_that_is_cut_or_of_other_types_is_damage(kind: str, subject: Subject) -> None:
    payload = subject.statement(AT).payload
    for stop in range(len(payload)):
        with pytest.raises(DamagedError):
            subject_of(kind, payload[:stop])
    others: list[object] = [None, {}, [], [1, 2, 3, 4], [RUN, RUN, RUN, RUN], [b"", b"", b"", b""]]
    for said in others:
        with pytest.raises(DamagedError):
            subject_of(kind, encode_content(said))


def test_the_id_of_a_run_takes_16_bytes_and_has_one_spelling() -> None:
    payload = SUBJECTS[0][1].statement(AT).payload
    assert len(payload) == 1 + 18 + 34 + 3 + 9
    with pytest.raises(DamagedError):
        subject_of("run", encode_content([RUN, DIGEST, 1, 1]))


def test_other_kinds_say_it_in_words_of_their_own() -> None:
    assert subject_of("policy", encode_content({"name": "x"})) is None


@pytest.mark.parametrize("name", ["digits", "churn-model", "resnet50-v2"])
def test_a_receipt_at_a_million_entries_has_at_most_1300_bytes(name: str) -> None:
    origin = "whence.invalid/2026-abcdefghij"
    subject = LoggedVersion(kind="model", name=name, version=12, digest=DIGEST, run_id=RUN)
    tree = Checkpoint(origin, 1_000_000, DIGEST)
    signed = SigningKey(bytes(32)).signer(origin).sign(tree.text)
    note = Note(tree.text, (signed,)).encode()
    receipt = Receipt(subject.statement(AT).extra(SALT), 123_456, (DIGEST,) * 20, note).encode()
    assert len(receipt) <= 1_300
    again = parse_receipt(receipt)
    statement, salt = parse_extra(again.extra)
    assert subject_of(statement.kind, statement.payload) == subject
    assert salt == SALT
