"""A ledger's state after one header, as a file: later batches can be replayed from it without the earlier ones.

The leaves prove themselves: they must give the header's `stateRoot`. Only the header has to be trusted, by its hash or
because Settlement holds it. The requests that earlier batches billed are not in it, so a request that was billed before
and is billed again cannot be noticed.
"""

from typing import Any

from attribution.batch import ChainTip
from attribution.file_tables import canonical, members
from attribution.state_tree import StateTree
from attribution.transition import Ledger, LedgerState
from contracts.crypto import to_address
from contracts.document import parse_json
from contracts.eip712 import parse_uint
from contracts.encoding import to_hex
from contracts.structs import BatchHeader, openlora_domain

CHECKPOINT_VERSION = 1


class InvalidCheckpoint(ValueError):
    """The bytes are no checkpoint, or its leaves do not give its header's `stateRoot`."""


def encode(header: BatchHeader, tip: ChainTip) -> bytes:
    """The checkpoint after `header`, whose tip is `tip`."""
    ledger = tip.state.ledger
    leaves = {to_hex(key.to_bytes(32)): str(value) for key, value in tip.state.tree.items()}
    document: dict[str, object] = {
        "checkpoint": CHECKPOINT_VERSION,
        "chainId": str(ledger.domain.chain_id),
        "settlement": ledger.domain.verifying_contract,
        "token": ledger.token,
        "header": header.to_json(),
        "leaves": leaves,
    }
    return canonical(document)


def decode(raw: bytes) -> tuple[BatchHeader, ChainTip]:
    """The header and the tip of a checkpoint; InvalidCheckpoint if it does not prove itself."""
    try:
        document = members(parse_json(raw))
        if document["checkpoint"] != CHECKPOINT_VERSION:
            raise InvalidCheckpoint(f"version {str(document['checkpoint'])[:20]} is unknown")
        header = BatchHeader.from_json(document["header"])
        tip = ChainTip.after(header, _state(document, header))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidCheckpoint(f"it cannot be read: {str(error)[:200]}") from error
    if tip.state.root != header.state_root:
        raise InvalidCheckpoint("its leaves do not give the stateRoot of its header")
    return header, tip


def _state(document: Any, header: BatchHeader) -> LedgerState:
    domain = openlora_domain(parse_uint(document["chainId"], 256), to_address(document["settlement"]))
    leaves = {int(key, 16): parse_uint(value, 256) for key, value in document["leaves"].items()}
    return LedgerState(
        ledger=Ledger(header.node, to_address(document["token"]), domain),
        seq=header.from_seq + header.count - 1,
        finished_at=header.closed_at,
        cum_total=header.cum_total,
        tree=StateTree.of(leaves),
    )
