"""What a cheat shows: states from which a unit is missing, and evidence with changed bits."""

import random

from attribution.batch import Item
from attribution.evidence import changes_of
from attribution.state_tree import state_root
from attribution.transition import LedgerState
from contracts.crypto import Bytes32


def stolen(draw: random.Random, state: LedgerState, item: Item) -> Bytes32:
    """The state root if one unit went to another payee, was kept back, or was counted in the total alone."""
    terms = item.evidence.terms.value if item.evidence.terms else None
    changes = changes_of(item.receipt, item.evidence.price_list.value, terms)
    loser, winner = draw.choice(list(changes)), draw.choice([*changes, draw.getrandbits(255)])
    total = state.cum_total + item.receipt.fee
    kind = draw.randrange(3)
    if kind == 0:
        total += draw.choice([-1, 1])
    if kind == 1 or (kind == 2 and winner == loser):
        changes[loser] -= 1
    elif kind == 2:
        changes[loser] -= 1
        changes[winner] = changes.get(winner, 0) + 1
    grown = {key: state.tree.get(key) + growth for key, growth in changes.items()}
    return state_root(state.tree.update({key: value for key, value in grown.items() if value}).root, total)


def corrupted(draw: random.Random, evidence: bytes) -> bytes:
    """The evidence with some bits flipped, a word replaced, or its end missing."""
    changed = bytearray(evidence)
    for _ in range(draw.choice([1, 1, 4])):
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    word = 32 * draw.randrange(len(changed) // 32)
    replaced = changed[:word] + draw.choice([bytes(32), draw.randbytes(32)]) + changed[word + 32 :]
    return draw.choice([bytes(changed), bytes(replaced), bytes(changed[:word])])
