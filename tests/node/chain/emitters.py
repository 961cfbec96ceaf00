"""Events as contracts emit them, for chains in memory."""

from typing import Any

from eth_abi.abi import encode

from contracts.crypto import Address, Bytes32
from node.chain.abi import abi_of
from node.chain.memory import Emitted


def emit(contract: str, address: Address, name: str, **values: Any) -> Emitted:
    """The event `name` of `contract` at `address` with these members."""
    event = abi_of(contract).events[name]
    indexed = tuple(
        Bytes32(encode([kind], [values[member]])) for member, kind, is_indexed in event.members if is_indexed
    )
    plain = [(kind, values[member]) for member, kind, is_indexed in event.members if not is_indexed]
    return address, (event.topic, *indexed), encode([kind for kind, _ in plain], [value for _, value in plain])
