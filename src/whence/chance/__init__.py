"""Chance: random bits as a function of place, distributions, and orders that can be followed both ways.

Nothing here has a state, reads a clock or asks the system for randomness: every value is a function of
a key, an epoch and a draw id. So a sample is drawn again alone exactly as it was drawn among a million.

- `philox`, `words`: the random words (`philox.py`).
- `Bits`, `Rng`: a generator for each sample of a chunk (`generator.py`).
- `draw`, `Draw`, `draw_from_spec`: named draws for a chunk at once (`draw.py`).
- `permutation`, `blocks`: shuffles that answer where an item went and what came here (`orders.py`).
- `mersenne_states`: states for generators that aren't ours (`mersenne.py`).
- `Interleaving`, `turns_among`: several inputs in random turns (`turns.py`, `interleaving.py`).
"""

from whence.chance import draw
from whence.chance.draw import Draw, draw_from_spec, draw_key
from whence.chance.generator import Bits, Rng
from whence.chance.interleaving import Interleaving, turns_among
from whence.chance.mersenne import STATE_WORDS, mersenne_states
from whence.chance.orders import BlockPermutation, Permutation, blocks, permutation
from whence.chance.philox import philox, words

__all__ = [
    "STATE_WORDS",
    "Bits",
    "BlockPermutation",
    "Draw",
    "Interleaving",
    "Permutation",
    "Rng",
    "blocks",
    "draw",
    "draw_from_spec",
    "draw_key",
    "mersenne_states",
    "permutation",
    "philox",
    "turns_among",
    "words",
]
