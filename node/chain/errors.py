"""Everything `node.chain` raises on purpose."""

from contracts.crypto import Address
from node.redaction import shown_url


class ChainError(Exception):
    """Base of all errors of the chain client."""


class ChainUnavailable(ChainError):
    """The RPC endpoint does not answer, answers too late, or answers nonsense. Trying again later may help.

    `endpoint` is the URL as it may be shown, without the key that its path or user info may hold.
    """

    def __init__(self, rpc_url: str, reason: str, retry_after_s: float = 2) -> None:
        self.endpoint, self.reason, self.retry_after_s = shown_url(rpc_url), reason, retry_after_s
        super().__init__(f"The chain at {self.endpoint} is unavailable: {reason}. Check --chain-rpc and that it runs.")


class WrongChain(ChainError):
    """The endpoint serves another chain than the node is configured for."""

    def __init__(self, rpc_url: str, expected: int, got: int) -> None:
        self.endpoint, self.expected, self.got = shown_url(rpc_url), expected, got
        super().__init__(f"{self.endpoint} serves chain {got}, but this node is configured for chain {expected}.")


class ContractMissing(ChainError):
    """There is no code where a contract should be."""

    def __init__(self, name: str, address: Address) -> None:
        super().__init__(f"There is no {name} contract at {address} on this chain. Was it deployed?")
        self.name, self.address = name, address


class UnexpectedAnswer(ChainError):
    """What came back is not encoded as the contract's ABI says: another contract stands there."""


class CallRefused(ChainError):
    """The endpoint understood the call and refuses it, for a reason other than a revert."""

    def __init__(self, method: str, reason: str) -> None:
        super().__init__(f"{method} was refused: {reason}")
        self.method, self.reason = method, reason


class CallReverted(ChainError):
    """A contract refused. `data` is what it returned: a selector with arguments, or nothing."""

    def __init__(self, reason: str, data: bytes) -> None:
        super().__init__(f"The contract refused: {reason}")
        self.reason, self.data = reason, data


class TransactionRefused(ChainError):
    """The endpoint does not take a signed transaction."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The transaction was refused: {reason}")
        self.reason = reason


class NonceTooLow(TransactionRefused):
    """A transaction of this sender with this nonce, this one or another, is already mined."""


class Underpriced(TransactionRefused):
    """The fee is too low to enter, or to replace a waiting transaction of the same nonce."""


class InsufficientFunds(TransactionRefused):
    """The sender cannot pay for gas."""
