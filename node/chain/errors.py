"""Everything `node.chain` raises on purpose."""

from contracts.crypto import Address


class ChainError(Exception):
    """Base of all errors of the chain client."""


class ChainUnavailable(ChainError):
    """The RPC endpoint does not answer, answers too late, or answers nonsense. Trying again later may help."""

    def __init__(self, rpc_url: str, reason: str, retry_after_s: float = 2) -> None:
        super().__init__(f"The chain at {rpc_url} is unavailable: {reason}. Check --chain-rpc and that it runs.")
        self.rpc_url, self.reason, self.retry_after_s = rpc_url, reason, retry_after_s


class WrongChain(ChainError):
    """The endpoint serves another chain than the node is configured for."""

    def __init__(self, rpc_url: str, expected: int, got: int) -> None:
        super().__init__(f"{rpc_url} serves chain {got}, but this node is configured for chain {expected}.")
        self.rpc_url, self.expected, self.got = rpc_url, expected, got


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
