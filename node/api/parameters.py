"""Parameters of paths and queries that are ids or addresses, parsed from hex."""

from contracts.crypto import Address, Bytes32, to_address
from contracts.eip712 import StructError, parse_bytes32
from node.api.errors import InvalidBody


def bytes32_parameter(text: str, name: str) -> Bytes32:
    """The 32 bytes that `text` spells in hex. Raises InvalidBody, which names the parameter `name`."""
    try:
        return parse_bytes32(text)
    except StructError as error:
        raise InvalidBody(name, str(error)) from None


def address_parameter(text: str, name: str) -> Address:
    """The address that `text` spells in hex. Raises InvalidBody, which names the parameter `name`."""
    try:
        return to_address(text)
    except ValueError as error:
        raise InvalidBody(name, str(error)) from None
