"""Checkpoints: the clauses of C2SP tlog-checkpoint, and no second spelling of any line."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.errors import InputError, SignatureError
from whence.ledger import EMPTY_ROOT, Checkpoint, parse_checkpoint

ROOT = bytes(range(32))
ROOT_TEXT = base64.b64encode(ROOT).decode()

lines = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)
checkpoints = st.builds(
    Checkpoint,
    lines,
    st.integers(1, 2**63 - 1),
    st.binary(min_size=32, max_size=32),
    st.lists(lines, max_size=3).map(tuple),
)


class TestNoteText:
    """Note text: at least three non-empty lines, origin, size, root hash; then extension lines."""

    def test_the_example_of_the_standard(self) -> None:
        text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
        checkpoint = parse_checkpoint(text)
        assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
        assert checkpoint.root.hex() == "0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62"
        assert checkpoint.extensions == ()
        assert checkpoint.text == text

    @given(checkpoints)
    def test_there_and_back(self, checkpoint: Checkpoint) -> None:
        assert parse_checkpoint(checkpoint.text) == checkpoint

    @given(st.text(max_size=60) | checkpoints.map(lambda checkpoint: checkpoint.text + "x"))
    def test_what_is_read_is_written_again_as_it_was(self, text: str) -> None:
        for each in (text, f"o\n1\n{ROOT_TEXT}\n{text}", f"{text}\n1\n{ROOT_TEXT}\n"):
            try:
                checkpoint = parse_checkpoint(each)
            except SignatureError:
                continue
            assert checkpoint.text == each

    def test_origins_need_not_look_like_addresses(self) -> None:
        for origin in ("a log + more", "\u00fcber \u2014 log", "\x7f"):
            assert parse_checkpoint(f"{origin}\n1\n{ROOT_TEXT}\n").origin == origin

    @pytest.mark.parametrize("count", range(4))
    def test_no_line_must_be_missing_or_empty(self, count: int) -> None:
        whole = ["o", "1", ROOT_TEXT, "extension"]
        parse_checkpoint("".join(f"{line}\n" for line in whole))
        empty = [*whole[:count], "", *whole[count + 1 :]]
        for spoiled in (empty, whole[: min(count, 2)]):
            with pytest.raises(SignatureError):
                parse_checkpoint("".join(f"{line}\n" for line in spoiled))

    @pytest.mark.parametrize("end", ["", "\n\n", "\r\n", " \n"])
    def test_it_ends_in_one_newline(self, end: str) -> None:
        with pytest.raises(SignatureError):
            parse_checkpoint(f"o\n1\n{ROOT_TEXT}{end}")

    @pytest.mark.parametrize(
        "size",
        ["", "00", "01", "+1", "-1", "1.0", "1e3", "1_0", " 1", "1 ", "0x1", "\u0661", "\uff11", str(2**63)],
    )
    def test_the_size_is_ascii_decimal_without_leading_zeroes(self, size: str) -> None:
        with pytest.raises(SignatureError):
            parse_checkpoint(f"o\n{size}\n{ROOT_TEXT}\n")

    def test_the_largest_size(self) -> None:
        assert parse_checkpoint(f"o\n{2**63 - 1}\n{ROOT_TEXT}\n").size == 2**63 - 1

    def test_the_root_has_one_spelling(self) -> None:
        same_bytes = [
            spelling
            for sign in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
            if base64.b64decode(spelling := f"{ROOT_TEXT[:-2]}{sign}=") == ROOT
        ]
        assert len(same_bytes) == 4  # two bits are unused
        for spelling in same_bytes:
            if spelling == ROOT_TEXT:
                assert parse_checkpoint(f"o\n1\n{spelling}\n").root == ROOT
            else:
                with pytest.raises(SignatureError, match="canonical"):
                    parse_checkpoint(f"o\n1\n{spelling}\n")

    @pytest.mark.parametrize("size", [0, 20, 31, 33, 64])
    def test_the_root_is_a_sha256(self, size: int) -> None:
        with pytest.raises(SignatureError):
            parse_checkpoint(f"o\n1\n{base64.b64encode(b'r' * size).decode()}\n")
        with pytest.raises(InputError):
            Checkpoint("o", 1, b"r" * size)

    def test_an_empty_tree_has_the_root_of_no_entries(self) -> None:
        assert parse_checkpoint(Checkpoint("o", 0, EMPTY_ROOT).text).size == 0
        with pytest.raises(SignatureError, match="empty"):
            parse_checkpoint(f"o\n0\n{ROOT_TEXT}\n")

    @pytest.mark.parametrize(
        ("origin", "size", "extensions"),
        [("", 1, ()), ("a\nb", 1, ()), ("a\r", 1, ()), ("o", -1, ()), ("o", 2**63, ()), ("o", 1, ("",))],
    )
    def test_what_could_not_be_read_is_not_made(
        self, origin: str, size: int, extensions: tuple[str, ...]
    ) -> None:
        with pytest.raises(InputError):
            Checkpoint(origin, size, ROOT, extensions)
