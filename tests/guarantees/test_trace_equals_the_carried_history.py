"""Whence, whither and again are exact: for pipelines of any operations, the record says what the samples say.

Every sample carries the marks of the source rows it was made of (`tests.oracle`); nothing in
`whence` reads them. `trace` must find the same rows, `impact` must be the inverse of that, `replay` must
give the same values; and nothing may depend on how samples are moved.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.oracle.laws import check_all, check_by_hand, is_random
from tests.oracle.operations import OPERATIONS
from tests.oracle.plans import Done, Given, Plan, ops_of, sources_of
from tests.oracle.readings import Pipeline, Workshop
from tests.strategies import ALL_SOURCES, pipelines

PIECE = 500
"""How many pipelines hypothesis makes at a time: it keeps all of them in memory."""


def count_pipelines(
    check: Callable[[Pipeline, Workshop], int], wanted: int, *, first: int | None = None, **kinds: Any
) -> Counter[str]:
    """Check so many generated pipelines, and count what was in them.

    Args:
        check: what is checked of each.
        wanted: how many.
        first: the seed of the first piece, which makes the same pipelines again; one that fails is shown as
            it is, since making it simpler takes minutes. None lets hypothesis choose, and simplify.
        kinds: of `pipelines`.
    """
    seen: Counter[str] = Counter()
    different: set[int] = set()

    def each(pipeline: Pipeline) -> None:
        seen.update(ops_of(pipeline.plan))
        seen.update({f"from {source.kind}" for source in sources_of(pipeline.plan).values()})
        different.add(hash(repr(pipeline)))
        delivered = check(pipeline, workshop)
        seen.update({"pipelines": 1, "samples": delivered, "pipelines that deliver": delivered > 0})

    with Workshop() as workshop:
        for piece, begin in enumerate(range(0, wanted, PIECE)):
            test = given(pipeline=pipelines(**kinds))(each)
            test = settings(
                max_examples=min(PIECE, wanted - begin),
                suppress_health_check=list(HealthCheck),
                deadline=None,
                database=None,
                phases={Phase.generate} | ({Phase.shrink} if first is None else set()),
            )(test)
            (test if first is None else seed(first * 1_000_000 + piece)(test))()
    seen["different pipelines"] = len(different)
    assert seen["pipelines"] >= wanted, "none was skipped"
    return seen


@pytest.mark.parametrize("part", range(4))
def test_pipelines_of_all_operations_obey_all_laws(part: int) -> None:
    seen = count_pipelines(check_all, 200, first=part if os.environ.get("CI") else None)
    assert seen["pipelines that deliver"] > 50, "they are no empty cases"


def test_pipelines_without_chance_give_what_lists_give() -> None:
    count_pipelines(check_by_hand, 200, random=False)


ROWS = Given("list", "rows", (1, 2, 3, 4, 5, 6, 7, 8))
OTHERS = Given("list", "others", (1, 2, 3, 4, 5, 6, 7, 8, 1, 2))
NOTHING = Given("list", "nothing", ())
FILLED = Done("fill_learned", (ROWS,), ("mean", "stamp0"))
SCALED = Done("normalize", (ROWS,), ("standard", "stamp1"))
FRAIL = Done("frail", (Done("frail", (OTHERS,), (), "first"),), (), "second")
ON_OTHERS = Done("normalize", (ROWS, FRAIL), ("robust", "stamp2"))
LEARNING: list[Plan] = [
    Done("zip", (FILLED, NOTHING)),
    Done("zip_pair", (NOTHING, FILLED)),
    Done("zip", (Done("take", (Done("fill_forward", (FILLED,)),), (3,)), Done("take", (OTHERS,), (3,)))),
    Done("aggregate_columns", (Done("batch_together", (FILLED,), (3, False)),), ("small",)),
    Done("unbatch", (Done("keeps", (Done("zip", (FILLED, SCALED)),), (2,)),)),
    Done("concat", (FILLED, SCALED, ROWS)),
    Done("join", (FILLED, SCALED), ("outer", "small", "pair")),
    Done("concat", (Done("frail", (ROWS,), (), "third"), ON_OTHERS)),
    Done("cache", (ON_OTHERS,)),
    Done("shard", (ON_OTHERS,), (9, 10)),
]  # fmt: skip
"""What learns beside other inputs, below what gathers, and of other streams."""


@pytest.mark.parametrize("plan", LEARNING, ids=repr)
def test_what_is_learned_is_told_of_the_samples_made_with_it(plan: Plan) -> None:
    with Workshop() as workshop:
        for stop in (None, 1):
            check_all(Pipeline(plan, (1, 0), (stop, stop), False, 3, 16), workshop)


@pytest.mark.long
def test_as_many_pipelines_as_are_asked_for_obey_all_laws() -> None:
    """WHENCE_ORACLE_PIPELINES says how many, WHENCE_ORACLE_SEED which: other seeds give others."""
    wanted = int(os.environ.get("WHENCE_ORACLE_PIPELINES", "4000"))
    first = int(os.environ.get("WHENCE_ORACLE_SEED", "0"))
    began = time.process_time()
    seen = count_pipelines(check_all, wanted, first=first)
    rate = seen["pipelines"] / (time.process_time() - began)
    print(f"\nseed {first}, {rate:.1f} pipelines a second of this process: ", end="")
    print(", ".join(f"{what} {count:,}" for what, count in seen.most_common()))
    assert seen["pipelines that deliver"] * 2 > seen["pipelines"], "they are no empty cases"
    assert OPERATIONS.keys() <= seen.keys(), "every operation came up"
    assert {f"from {kind}" for kind in ALL_SOURCES} <= seen.keys(), "and every kind of source"


@pytest.mark.long
def test_many_pipelines_without_chance_give_what_lists_give() -> None:
    def check(pipeline: Pipeline, workshop: Workshop) -> int:
        assert not is_random(pipeline)
        return check_by_hand(pipeline, workshop)

    count_pipelines(check, 4_000, random=False)
