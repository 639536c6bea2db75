"""What stands of passes that went on with others, compared with a consumer that writes down what it has."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from whence.capture import EarlierPass, PassPlace, standing_of
from whence.capture.standing import free_repeat


@dataclass
class Consumer:
    """Reads epochs one after the other, and remembers which pass gave what it has now."""

    passes: list[EarlierPass] = field(default_factory=list)
    has: list[tuple[int, int, int]] = field(default_factory=list)  # epoch, output, pass
    earlier: int = 0

    def read(self, epoch: int, count: int) -> None:
        repeat = free_repeat(self.passes, 0, epoch)
        at = PassPlace(number=len(self.passes), stream=0, epoch=epoch, repeat=repeat)
        self._take(at, count)

    def go_on(self, number: int, first: int, since: int, has: int, count: int) -> None:
        before = self.passes[number].at
        at = PassPlace(
            number=len(self.passes),
            stream=0,
            epoch=before.epoch,
            repeat=before.repeat,
            first=first,
            continues=number,
            abandons=(since, self.earlier),
        )
        self.has = self.has[:has]
        self._take(at, count)

    def _take(self, at: PassPlace, count: int) -> None:
        self.passes.append(EarlierPass(at, at.first + count))
        self.has += [(at.epoch, at.first + each, at.number) for each in range(count)]

    def checkpoint(self) -> tuple[int, int, int, int]:
        number = len(self.passes) - 1
        return number, self.passes[number].delivered, len(self.passes), len(self.has)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("read"), st.integers(0, 6)),
            st.tuples(st.just("checkpoint"), st.just(0)),
            st.tuples(st.just("die and go on"), st.integers(0, 6)),
        ),
        max_size=25,
    )
)
def test_what_stands_is_what_a_consumer_has_that_dies_and_goes_on_from_checkpoints(
    doings: list[tuple[str, int]],
) -> None:
    consumer = Consumer()
    consumer.read(0, 3)
    saved = consumer.checkpoint()
    epoch = 1
    for doing, count in doings:
        if doing == "read":
            consumer.read(epoch, count)
            epoch += 1
        elif doing == "checkpoint":
            saved = consumer.checkpoint()
        else:
            consumer.earlier = len(consumer.passes)
            consumer.go_on(*saved, count)
            epoch = consumer.passes[-1].at.epoch + 1
    standing = standing_of(consumer.passes)
    has = set(consumer.has)
    seen: set[tuple[int, int]] = set()
    for each, stands in zip(consumer.passes, standing, strict=True):
        for output in range(each.at.first, each.delivered):
            is_kept = (each.at.epoch, output, each.at.number) in has
            assert (output < stands.kept) == is_kept
            assert (output < stands.again) == ((each.at.epoch, output) in seen)
            seen.add((each.at.epoch, output))
    kept = [
        (each.at.epoch, each.at.repeat, output)
        for each, stands in zip(consumer.passes, standing, strict=True)
        for output in range(each.at.first, stands.kept)
    ]
    assert len(kept) == len(set(kept)) == len(has)  # an address that stands was delivered once


def test_a_second_pass_over_an_epoch_is_another_one_and_one_after_an_abandoned_pass_is_not() -> None:
    passes = [
        EarlierPass(PassPlace(number=0, stream=0, epoch=0, repeat=0), 9),
        EarlierPass(PassPlace(number=1, stream=0, epoch=1, repeat=0), 4),
    ]
    assert free_repeat(passes, 0, 1) == 1
    resumed = PassPlace(number=2, stream=0, epoch=0, repeat=0, first=5, continues=0, abandons=(1, 2))
    passes.append(EarlierPass(resumed, 9))
    assert free_repeat(passes, 0, 1) == 0
    assert [stands.is_abandoned for stands in standing_of(passes)] == [False, True, False]


def test_a_pass_whose_forerunner_is_lost_to_damage_stands_by_itself() -> None:
    resumed = PassPlace(number=3, stream=0, epoch=0, repeat=0, first=5, continues=2, abandons=(0, 2))
    (stands,) = standing_of([EarlierPass(resumed, 9)])
    assert (stands.kept, stands.again) == (9, 5)
