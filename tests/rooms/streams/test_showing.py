"""A stream shows its plan: as a tree for terminals, as a picture for notebooks."""

from __future__ import annotations

from typing import Any

import whence as wh
from whence.streams import Stream


def decode(value: Any) -> Any:
    return value


def shift(value: Any, dx: int, flip: bool, pixels: int) -> Any:
    return value


def tree() -> Stream:
    left = wh.from_items(range(1_200), name="left").map(decode).filter(bool, reason="blank")
    right = wh.from_items(iter([1]), name="right").map(decode, on_error="quarantine")
    draws = {"dx": wh.draw.integers(-2, 3), "flip": wh.draw.coin()}
    both = left.zip(right.concat(wh.from_arrays(a=[1, 2], name="arrays")))
    return (
        both.map(shift, draw=draws, pixels=2).shuffle(seed=7, window=10).dedup("id").batch(64).named("train")
    )


TREE = """\
Stream train
├─ batch(64)
├─ dedup(id)
├─ shuffle(7, window=10)
├─ map shift  (pixels=2; draws dx, flip)
└─ zip
   input 0
   ├─ filter bool  (reason: blank)
   ├─ map decode
   └─ items 'left'  1,200 rows
   input 1
   └─ concat
      input 0
      ├─ map decode  (quarantines failures)
      └─ items 'right'
      input 1
      └─ arrays 'arrays'  2 rows"""


def test_the_plan_is_drawn_as_a_tree_the_last_operation_on_top() -> None:
    assert tree().explain() == TREE
    assert repr(tree()) == TREE


def test_each_operation_says_its_parameters() -> None:
    stream = wh.from_items([1], name="one")
    shown = {
        "take(3)": stream.take(3),
        "skip(3)": stream.skip(3),
        "slice(1, None, 2)": stream.slice(1, None, 2),
        "shard(0, 2)": stream.shard(0, 2),
        "sample(0.5)": stream.sample(0.5, seed=1),
        "repeat(2)": stream.repeat(2),
        "shuffle(7)": stream.shuffle(7),
        "unbatch": stream.unbatch(),
        "map_batches decode": stream.map_batches(decode),
        "flat_map lambda": stream.flat_map(lambda value: [value]),
        "map scaled": stream.map(decode, name="scaled"),
    }
    for text, made in shown.items():
        assert made.explain() == f"Stream\n├─ {text}\n└─ items 'one'  1 rows"


def test_a_long_parameter_is_shortened() -> None:
    line = wh.from_items([1]).map(decode, words="x" * 1_000).explain().splitlines()[1]
    assert len(line) < 80


def test_the_picture_has_the_source_first_and_needs_nothing_else() -> None:
    picture = tree()._repr_html_()
    assert picture.index("left") < picture.index("shift") < picture.index("batch(64)")
    assert not any(word in picture for word in ("<script", "http", "<img", "url("))


def test_names_do_not_become_markup() -> None:
    source = wh.from_items([1], name="<script>alert(1)</script>")
    stream = source.map(decode, name="<b onload='x'>").filter(bool, reason="<i>&").named("<u>")
    picture = stream._repr_html_()
    for name in ("<script", "<b onload", "<i>", "<u>"):
        assert name not in picture
    assert "&lt;i&gt;&amp;" in picture
