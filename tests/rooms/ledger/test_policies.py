"""Policies: the clauses of C2SP tlog-policy, and what meets them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.notaries import AT_S, checkpoint_of, cosigner, flips, log_signer, signed
from whence.errors import EvidenceError, InputError, SignatureError
from whence.ledger import Checkpoint, Cosigner, Note, Policy, SigningKey, parse_policy

LOG = log_signer()
WITNESSES = {name: cosigner(f"witness.example/{name}") for name in ("X1", "X2", "X3", "Y1", "Y2", "Y3")}
LINES = [f"witness {name} {witness.vkey}" for name, witness in WITNESSES.items()]

# The example of the standard.
EXAMPLE = "\n".join(
    [
        f"log {LOG.vkey}",
        "",
        *LINES[:3],
        "group X-witnesses 2 X1 X2 X3",
        "",
        *LINES[3:],
        "group Y-witnesses any Y1 Y2 Y3",
        "",
        "group X-and-Y all X-witnesses Y-witnesses",
        "quorum X-and-Y",
        "",
    ]
)


def note_by(names: Iterable[str]) -> Note:
    return signed(checkpoint_of(), LOG, [WITNESSES[name] for name in names])


def is_met(policy: Policy, note: Note) -> bool:
    try:
        policy.met_by(note)
    except SignatureError:
        return False
    return True


def subsets() -> list[tuple[str, ...]]:
    return [each for count in range(7) for each in itertools.combinations(WITNESSES, count)]


class TestExample:
    """Example policy: two of three X-witnesses and one of three Y-witnesses."""

    policy = parse_policy(EXAMPLE)

    def test_it_holds_what_is_written(self) -> None:
        assert [log.verifier.vkey for log in self.policy.logs] == [LOG.vkey]
        assert [witness.name for witness in self.policy.witnesses] == list(WITNESSES)
        assert [(group.name, group.least) for group in self.policy.groups] == [
            ("X-witnesses", 2),
            ("Y-witnesses", 1),
            ("X-and-Y", 2),
        ]
        assert self.policy.quorum == "X-and-Y"

    @pytest.mark.parametrize("names", subsets(), ids=lambda names: "-".join(names) or "nobody")
    def test_each_set_of_witnesses_meets_it_or_not(self, names: tuple[str, ...]) -> None:
        wanted = sum(name[0] == "X" for name in names) >= 2 and any(name[0] == "Y" for name in names)
        assert is_met(self.policy, note_by(names)) is wanted

    def test_what_it_says_when_met(self) -> None:
        met = self.policy.met_by(note_by(("X1", "X3", "Y2")).encode())
        assert met.checkpoint == checkpoint_of()
        assert met.logs == (LOG.vkey,)
        assert met.times_s == {"X1": AT_S, "X3": AT_S, "Y2": AT_S}

    def test_what_it_says_when_not(self) -> None:
        with pytest.raises(SignatureError, match=r"X-witnesses has 1 of 2, without X1, X3"):
            self.policy.met_by(note_by(("X2", "Y2")))


class TestLogs:
    """Defining a log: any of the listed logs may have signed; its key's name is the origin."""

    def test_either_of_two_logs(self) -> None:
        other = log_signer(b"o" * 32, "log.example/two")
        policy = parse_policy(f"log {LOG.vkey}\nlog {other.vkey} https://two.example/log\nquorum none\n")
        assert policy.logs[1].url == "https://two.example/log"
        policy.met_by(signed(checkpoint_of(), LOG))
        policy.met_by(signed(checkpoint_of(origin="log.example/two"), other))

    def test_a_log_must_not_sign_for_another_origin(self) -> None:
        other = log_signer(b"o" * 32, "log.example/two")
        policy = parse_policy(f"log {LOG.vkey}\nlog {other.vkey}\nquorum none\n")
        with pytest.raises(SignatureError):
            policy.met_by(signed(checkpoint_of(), other))

    def test_an_unknown_origin_is_refused(self) -> None:
        policy = parse_policy(f"log {LOG.vkey}\nquorum none\n")
        with pytest.raises(SignatureError, match="is known"):
            policy.met_by(signed(checkpoint_of(origin="log.example/two")))

    def test_witnesses_do_not_stand_for_the_log(self) -> None:
        policy = parse_policy(f"log {LOG.vkey}\n{LINES[0]}\nquorum X1\n")
        cosigned = note_by(("X1",))
        policy.met_by(cosigned)
        with pytest.raises(SignatureError, match="not signed by the log"):
            policy.met_by(Note(cosigned.text, cosigned.signatures[1:]))

    def test_no_log_at_all_is_met_by_nothing_but_logs_that_are_known_otherwise(self) -> None:
        policy = parse_policy("quorum none\n")
        note = signed(checkpoint_of(), LOG)
        with pytest.raises(SignatureError):
            policy.met_by(note)
        assert policy.met_by(note, logs=[LOG.verifier]).logs == (LOG.vkey,)
        listed = parse_policy(f"log {LOG.vkey}\nquorum none\n")
        assert listed.met_by(note, logs=[LOG.verifier]).logs == (LOG.vkey,)

    def test_duplicate_keys_are_not_allowed_whatever_their_names(self) -> None:
        renamed = log_signer(name="log.example/two")
        for line in (f"log {LOG.vkey}", f"log {renamed.vkey}", f"log {LOG.vkey} https://a.example"):
            with pytest.raises(InputError, match="line 1"):
                parse_policy(f"log {LOG.vkey}\n{line}\nquorum none\n")

    def test_a_log_may_sign_with_mldsa_but_then_nothing_beside_the_tree(self) -> None:
        log = Cosigner(SigningKey(b"m" * 32, "ml-dsa-44"), "log.example/one")
        policy = parse_policy(f"log {log.vkey}\nquorum none\n")
        tree = checkpoint_of()
        note = Note(tree.text, (log.cosign(tree, time_s=0),))
        policy.met_by(note)
        longer = Checkpoint(tree.origin, tree.size, tree.root, ("nobody signed this",))
        with pytest.raises(SignatureError, match="not valid"):
            policy.met_by(Note(longer.text, note.signatures))

    def test_the_types_of_keys_are_those_of_logs_and_witnesses(self) -> None:
        for line in (f"log {WITNESSES['X1'].vkey}", f"witness W {LOG.vkey}"):
            with pytest.raises(InputError, match="makes signatures of type"):
                parse_policy(f"{line}\nquorum none\n")


class TestWitnesses:
    """Defining a witness: a name for the policy, a key, maybe where it is."""

    def test_a_url_is_kept_as_it_is(self) -> None:
        policy = parse_policy(f"{LINES[0]} https://a.example/\u00fc?x#y\nquorum X1\n")
        assert policy.witnesses[0].url == "https://a.example/\u00fc?x#y"

    def test_duplicate_keys_are_not_allowed_whatever_their_names(self) -> None:
        key = SigningKey(b"k" * 32)
        one, other = Cosigner(key, "one"), Cosigner(key, "other")
        with pytest.raises(InputError, match="line 1"):
            parse_policy(f"witness a {one.vkey}\nwitness b {other.vkey}\nquorum a\n")

    def test_names_are_octets(self) -> None:
        kelvin = "\u212a"
        policy = parse_policy(
            f"witness K {WITNESSES['X1'].vkey}\nwitness {kelvin} {WITNESSES['X2'].vkey}\nquorum K\n"
        )
        assert [witness.name for witness in policy.witnesses] == ["K", kelvin]
        raw = f"log {LOG.vkey}\nwitness ".encode() + b"\xff\xfe " + f"{WITNESSES['X1'].vkey}\n".encode()
        policy = parse_policy(raw + b"quorum \xff\xfe\n")
        policy.met_by(note_by(("X1",)))
        with pytest.raises(InputError, match="not defined"):
            parse_policy(raw + b"quorum \xff\xff\n")
        with pytest.raises(SignatureError) as caught:
            policy.met_by(note_by(()))
        str(caught.value).encode()

    def test_a_cosignature_is_of_this_checkpoint(self) -> None:
        policy = parse_policy(f"log {LOG.vkey}\n{LINES[0]}\nquorum X1\n")
        note = signed(checkpoint_of(), LOG)
        older = WITNESSES["X1"].cosign(checkpoint_of(3), time_s=AT_S)
        with pytest.raises(SignatureError, match="not valid"):
            policy.met_by(note.signed(older))

    def test_either_kind_of_cosignature_counts(self) -> None:
        modern = cosigner("modern", is_mldsa=True)
        policy = parse_policy(
            f"log {LOG.vkey}\n{LINES[0]}\nwitness M {modern.vkey}\ngroup g all X1 M\nquorum g\n"
        )
        policy.met_by(signed(checkpoint_of(), LOG, [WITNESSES["X1"], modern]))


class TestGroupsAndQuorum:
    """Defining a witness group, defining the quorum."""

    @pytest.mark.parametrize(("word", "least"), [("any", 1), ("all", 3), ("1", 1), ("2", 2), ("3", 3)])
    def test_the_words_and_numbers(self, word: str, least: int) -> None:
        policy = parse_policy("\n".join([*LINES[:3], f"group g {word} X1 X2 X3", "quorum g", ""]))
        assert policy.groups[0].least == least

    @pytest.mark.parametrize("word", ["0", "4", "02", "+2", "-1", "2.0", "two", "ALL", "none", "\u0662"])
    def test_a_number_is_from_1_to_the_count_of_members(self, word: str) -> None:
        with pytest.raises(InputError, match="line 4"):
            parse_policy("\n".join([*LINES[:3], f"group g {word} X1 X2 X3", "quorum g", ""]))

    def test_no_witness_can_be_asked_for(self) -> None:
        policy = parse_policy(f"log {LOG.vkey}\nquorum none\n")
        assert policy.met_by(signed(checkpoint_of(), LOG)).times_s == {}

    @pytest.mark.parametrize(
        ("lines", "problem"),
        [
            ([], "no quorum"),
            (["quorum X1"], "not defined"),
            (["quorum X1", LINES[0]], "not defined"),
            ([LINES[0], "quorum X1", "quorum X1"], "second quorum"),
            ([LINES[0], "quorum X1", "quorum none"], "second quorum"),
            (["quorum none none"], "the quorum is"),
            (["quorum"], "the quorum is"),
            ([LINES[0], "group g any X1 X1", "quorum g"], "member already"),
            ([LINES[0], "group g any X1", "group h any X1", "quorum h"], "member already"),
            ([LINES[0], "group g any none X1", "quorum g"], "not defined"),
            ([LINES[0], "group g any g", "quorum g"], "not defined"),
            ([LINES[0], "group g any h", "group h any X1", "quorum g"], "not defined"),
            ([LINES[0], "group g any", "quorum g"], "a group is"),
            ([LINES[0], "group X1 any X1", "quorum X1"], "defined already"),
            ([LINES[0], "group none any X1", "quorum none"], "means that no witness"),
            ([LINES[0].replace("X1", "none", 1), "quorum none"], "means that no witness"),
            ([LINES[0], LINES[1].replace("X2", "X1", 1), "quorum X1"], "defined already"),
            (["log", "quorum none"], "a log is"),
            ([f"log {LOG.vkey} a b", "quorum none"], "a log is"),
            (["witness W", "quorum none"], "a witness is"),
            ([f"{LINES[0]} a b", "quorum none"], "a witness is"),
            (["Quorum none"], "is not log"),
            (["\u00a0quorum none"], "is not log"),
        ],
    )
    def test_anything_else_is_refused_with_its_line(self, lines: list[str], problem: str) -> None:
        with pytest.raises(InputError, match=problem):
            parse_policy("".join(f"{line}\n" for line in lines))

    def test_all_problems_are_told_together(self) -> None:
        with pytest.raises(InputError, match=r"line 1: .*line 3: .*line 4: "):
            parse_policy("log x\n\nwitness y\nquorum z\n")
        with pytest.raises(InputError, match="and 90 more"):
            parse_policy("nonsense\n" * 100)

    @given(st.lists(st.integers(0, 2), min_size=1, max_size=5), st.sets(st.sampled_from(list(WITNESSES))))
    def test_nested_groups_are_judged_as_written(self, choices: list[int], cosigned: set[str]) -> None:
        lines, groups = [f"log {LOG.vkey}", *LINES], {}
        free = list(WITNESSES)
        for number, choice in enumerate(choices):
            members, free = free[:2], [*free[2:], f"g{number}"]
            least = min(choice or len(members), len(members))
            lines.append(f"group g{number} {('all', 'any', str(least))[choice]} {' '.join(members)}")
            groups[f"g{number}"] = (least if choice != 1 else 1, members)

        def has_cosigned(name: str) -> bool:
            if name in WITNESSES:
                return name in cosigned
            least, members = groups[name]
            return sum(map(has_cosigned, members)) >= least

        last = f"g{len(choices) - 1}"
        policy = parse_policy("\n".join([*lines, f"quorum {last}", ""]))
        assert is_met(policy, note_by(sorted(cosigned))) is has_cosigned(last)


class TestCharacters:
    """Character set: tab, newline, printable ASCII and octets above; white space is spaces and tabs."""

    def test_white_space_comments_and_empty_lines_mean_nothing(self) -> None:
        spread = EXAMPLE.replace(" ", " \t ").replace("\n", " \t\n \t# a comment: quorum none \u00e4\n\t\n")
        assert parse_policy(spread) == parse_policy(EXAMPLE)
        assert parse_policy(spread.encode()) == parse_policy(EXAMPLE)

    @pytest.mark.parametrize("code", [*range(9), *range(11, 32), 127])
    def test_control_characters_are_refused_even_in_comments(self, code: int) -> None:
        with pytest.raises(InputError, match=f"0x{code:02x}"):
            parse_policy(f"# {chr(code)}\nquorum none\n")

    def test_a_file_that_was_cut_is_refused(self) -> None:
        for size in range(len(EXAMPLE)):
            with pytest.raises(InputError):
                parse_policy(EXAMPLE[:size])

    def test_at_least_32_of_each_are_supported_and_a_size_is_the_limit(self) -> None:
        witnesses = [cosigner(f"w{number}", is_mldsa=number % 2 == 0) for number in range(40)]
        lines = [f"log {log_signer(bytes([number]) * 32, f'l{number}').vkey}" for number in range(40)]
        lines += [f"witness w{number} {witness.vkey}" for number, witness in enumerate(witnesses)]
        lines += [f"group g{number} any w{number}" for number in range(40)]
        policy = parse_policy("\n".join([*lines, "quorum g39", ""]))
        assert len(policy.logs) == len(policy.witnesses) == len(policy.groups) == 40
        with pytest.raises(InputError, match="1000000"):
            parse_policy("# " + "x" * 1_000_000 + "\nquorum none\n")

    def test_groups_may_be_nested_deeply(self) -> None:
        lines = [f"log {LOG.vkey}", LINES[0], "group g0 any X1"]
        lines += [f"group g{number} any g{number - 1}" for number in range(1, 3_000)]
        policy = parse_policy("\n".join([*lines, "quorum g2999", ""]))
        policy.met_by(note_by(("X1",)))

    @given(st.binary(max_size=60))
    def test_nonsense_is_refused_as_input(self, data: bytes) -> None:
        for each in (data, data + b"\n", EXAMPLE.encode() + data + b"\n"):
            try:
                parse_policy(each)
            except InputError as error:
                str(error).encode()


def test_every_flip_is_refused_or_seen_in_a_number_or_means_the_same() -> None:
    """A policy isn't signed; but a flipped bit makes another policy only where a number is."""
    lines = [f"log {LOG.vkey}", *LINES[:3], "group X-witnesses 2 X1 X2 X3", "quorum X-witnesses", ""]
    data = "\n".join(lines).encode()
    notes = [note_by(names) for names in (("X1",), ("X1", "X2"), ("X2", "X3"), ())]
    wanted = [is_met(parse_policy(data), note) for note in notes]
    threshold = data.index(b"group X-witnesses 2") + len(b"group X-witnesses ")
    accepted = set()
    for place, spoiled in flips(data):
        try:
            policy = parse_policy(spoiled)
        except InputError:
            continue
        accepted.add(place)
        if place != threshold:
            assert [is_met(policy, note) for note in notes] == wanted, f"a flip in byte {place} went unseen"
            assert [group.least for group in policy.groups] == [2]
    assert threshold in accepted


def test_a_policy_judges_only_notes() -> None:
    for data in (b"", b"nonsense", note_by(("X1",)).encode()[:-1]):
        with pytest.raises(EvidenceError):
            parse_policy(EXAMPLE).met_by(data)
    text = "not a checkpoint\n"
    with pytest.raises(EvidenceError):
        parse_policy(EXAMPLE).met_by(Note(text, (LOG.sign(text),)))
