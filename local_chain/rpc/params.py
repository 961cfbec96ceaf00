"""Parsing of the parameters that clients send: hex quantities, addresses, block names, calls and log filters."""

import re
from dataclasses import dataclass
from typing import Literal

from eth_typing import Address as RawAddress

from local_chain.pyevm.execution import Call
from local_chain.rpc.errors import InvalidParams, Json

_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")
_DATA = re.compile(r"0x([0-9a-fA-F]{2})*")
_CALL_FIELDS = {
    "from", "to", "data", "input", "value", "gas", "gasPrice", "maxFeePerGas", "maxPriorityFeePerGas",
    "nonce", "chainId", "type", "accessList",
}  # fmt: skip

BlockTag = Literal["latest", "pending", "earliest"]
BlockName = int | bytes | BlockTag
"""A block number, a block hash, or a tag. `safe` and `finalized` mean `latest`: this chain never reorganises."""


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Selects logs of blocks first..last. No addresses means all; topics[i] are the accepted words, None means any."""

    first: BlockName
    last: BlockName
    addresses: list[bytes]
    topics: list[frozenset[bytes] | None]

    def accepts(self, topics: list[bytes]) -> bool:
        """Whether a log with these topics is selected."""
        if len(topics) < len(self.topics):
            return False
        return all(wanted is None or topic in wanted for wanted, topic in zip(self.topics, topics, strict=False))


def required(values: list[Json], position: int) -> Json:
    """The parameter at a position. Raises InvalidParams if the client sent fewer parameters."""
    if position >= len(values):
        raise InvalidParams(f"expected at least {position + 1} parameters, got {len(values)}")
    return values[position]


def optional(values: list[Json], position: int) -> Json:
    """The parameter at a position; None if the client omitted it."""
    return values[position] if position < len(values) else None


def quantity(value: Json, name: str) -> int:
    """A non-negative integer: 0x-prefixed hex or a JSON number. Raises InvalidParams."""
    if isinstance(value, str) and _QUANTITY.fullmatch(value):
        return int(value, 16)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise InvalidParams(f"{name}: expected a 0x-prefixed number, got {value!r:.80}")


def data(value: Json, name: str) -> bytes:
    """0x-prefixed hex bytes. Raises InvalidParams."""
    if isinstance(value, str) and _DATA.fullmatch(value):
        return bytes.fromhex(value[2:])
    raise InvalidParams(f"{name}: expected 0x-prefixed hex bytes, got {value!r:.80}")


def address(value: Json, name: str = "address") -> RawAddress:
    """20 bytes of 0x-prefixed hex. Raises InvalidParams."""
    return RawAddress(_fixed(value, name, 20))


def word(value: Json, name: str) -> bytes:
    """32 bytes of 0x-prefixed hex. Raises InvalidParams."""
    return _fixed(value, name, 32)


def _fixed(value: Json, name: str, length: int) -> bytes:
    fixed = data(value, name)
    if len(fixed) != length:
        raise InvalidParams(f"{name}: expected {length} bytes, got {len(fixed)}")
    return fixed


def flag(value: Json, name: str) -> bool:
    """A JSON boolean. Raises InvalidParams."""
    if isinstance(value, bool):
        return value
    raise InvalidParams(f"{name}: expected true or false, got {value!r:.80}")


def block_name(value: Json) -> BlockName:
    """A tag, a number, or {blockNumber} or {blockHash} of EIP-1898. Raises InvalidParams."""
    if isinstance(value, dict):
        if "blockHash" in value:
            return word(value["blockHash"], "blockHash")
        return quantity(value.get("blockNumber"), "blockNumber")
    if value in ("latest", "safe", "finalized", None):
        return "latest"
    if value == "pending":
        return "pending"
    if value == "earliest":
        return "earliest"
    return quantity(value, "block")


def call_message(value: Json) -> Call:
    """The message of eth_call and eth_estimateGas. Raises InvalidParams, also for fields that are not supported."""
    if not isinstance(value, dict):
        raise InvalidParams("the call must be an object")
    unknown = sorted(set(value) - _CALL_FIELDS)
    if unknown:
        raise InvalidParams(f"the call has fields this chain does not support: {', '.join(unknown)}")
    both = [data(value[name], name) for name in ("input", "data") if value.get(name) is not None]
    if len(set(both)) > 1:
        raise InvalidParams("the call's input and data differ; send only one")
    if value.get("chainId") is not None:
        quantity(value["chainId"], "chainId")
    return Call(
        sender=address(value["from"], "from") if value.get("from") is not None else RawAddress(bytes(20)),
        to=address(value["to"], "to") if value.get("to") is not None else RawAddress(b""),
        data=both[0] if both else b"",
        value=quantity(value["value"], "value") if value.get("value") is not None else 0,
        gas=quantity(value["gas"], "gas") if value.get("gas") is not None else None,
        access_list=_access_list(value.get("accessList")),
    )


def _access_list(value: Json) -> tuple[tuple[RawAddress, tuple[int, ...]], ...]:
    entries = []
    for entry in _list(value or [], "accessList"):
        if not isinstance(entry, dict):
            raise InvalidParams("accessList: expected objects with address and storageKeys")
        keys = _list(entry.get("storageKeys", []), "storageKeys")
        slots = tuple(int.from_bytes(word(key, "storageKeys")) for key in keys)
        entries.append((address(entry.get("address")), slots))
    return tuple(entries)


def log_filter(value: Json) -> LogFilter:
    """The filter of eth_getLogs. Raises InvalidParams."""
    if not isinstance(value, dict):
        raise InvalidParams("the filter must be an object")
    wanted = value.get("address")
    addresses = [] if wanted is None else wanted if isinstance(wanted, list) else [wanted]
    topics = [_topic(position) for position in _list(value.get("topics") or [], "topics")]
    if len(topics) > 4:
        raise InvalidParams("topics: a log has at most four")
    if value.get("blockHash") is not None:
        block_hash = word(value["blockHash"], "blockHash")
        first: BlockName = block_hash
        last: BlockName = block_hash
    else:
        first, last = block_name(value.get("fromBlock")), block_name(value.get("toBlock"))
    return LogFilter(first, last, [address(item) for item in addresses], topics)


def _topic(value: Json) -> frozenset[bytes] | None:
    if value is None or value == []:
        return None
    return frozenset(word(item, "topics") for item in (value if isinstance(value, list) else [value]))


def _list(value: Json, name: str) -> list[Json]:
    if isinstance(value, list):
        return value
    raise InvalidParams(f"{name}: expected a list, got {value!r:.80}")
