"""The errors of `node.chain`.

ChainError
├── ChainUnavailable
│   └── ChainInconsistent
├── WrongChain, ChainReplaced, ContractMissing, UnexpectedAnswer
├── CallRefused, CallReverted, GasTooDear
└── TransactionRefused
    └── NonceTooLow, Underpriced, InsufficientFunds
"""

from contracts.crypto import Address
from node.redaction import shown_url


class ChainError(Exception):
    """Base class of the errors of the chain client."""


class ChainUnavailable(ChainError):
    """The RPC endpoint does not answer, answers too late, or answers with something invalid. A retry may succeed.

    `endpoint` is the URL as it may be shown, without the key that its path or user info may hold.
    """

    def __init__(self, rpc_url: str, reason: str, retry_after_s: float = 2) -> None:
        self.endpoint, self.reason, self.retry_after_s = shown_url(rpc_url), reason, retry_after_s
        super().__init__(f"The chain at {self.endpoint} is unavailable: {reason}. Check that a chain answers there.")


class ChainInconsistent(ChainUnavailable):
    """The endpoint's answers do not fit together: it lags behind another one, or is wrong. A retry may succeed."""

    def __init__(self, reason: str, retry_after_s: float = 2) -> None:
        Exception.__init__(self, f"The chain's endpoint contradicts itself: {reason}. It may lag: the node asks again.")
        self.endpoint, self.reason, self.retry_after_s = "", reason, retry_after_s


class WrongChain(ChainError):
    """The endpoint serves another chain than the node is configured for."""

    def __init__(self, rpc_url: str, expected: int, got: int) -> None:
        self.endpoint, self.expected, self.got = shown_url(rpc_url), expected, got
        super().__init__(f"{self.endpoint} serves chain {got}, but this node is configured for chain {expected}.")


class ChainReplaced(ChainError):
    """The chain begins with another block 0 than the one on which the contracts were deployed."""

    def __init__(self, expected: str, got: str) -> None:
        super().__init__(
            f"The chain's block 0 is {got}, but the file of the contracts' addresses names {expected}: the chain was "
            "wiped or replaced, or the file is of another chain. Point --chain-rpc at the old chain; or deploy the "
            "contracts on the new chain, set OPENLORA_DEPLOYMENT to their addresses, and use a new home or database."
        )
        self.expected, self.got = expected, got


class ContractMissing(ChainError):
    """There is no code at the address of a contract."""

    def __init__(self, name: str, address: Address) -> None:
        super().__init__(f"There is no {name} contract at {address} on this chain. Was it deployed?")
        self.name, self.address = name, address


class UnexpectedAnswer(ChainError):
    """The returned bytes do not decode with the contract's ABI: another contract is at this address."""


class CallRefused(ChainError):
    """The endpoint refused the call for a reason other than a revert."""

    def __init__(self, method: str, reason: str) -> None:
        super().__init__(f"{method} was refused: {reason}")
        self.method, self.reason = method, reason


class CallReverted(ChainError):
    """A contract reverted. data: the revert data, a selector with arguments; may be empty."""

    def __init__(self, reason: str, data: bytes) -> None:
        super().__init__(f"The contract refused: {reason}")
        self.reason, self.data = reason, data


class GasTooDear(ChainError):
    """Gas costs more than the operator pays. Both prices in wei per gas."""

    def __init__(self, price: int, cap: int) -> None:
        super().__init__(
            f"Gas costs {price / 10**9:.9g} gwei now, and this node pays less than {cap / 10**9:.9g} gwei "
            "(max_gas_price_gwei). It waits until gas is cheaper."
        )
        self.price, self.cap = price, cap


class TransactionRefused(ChainError):
    """The endpoint refused a signed transaction."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The transaction was refused: {reason}")
        self.reason = reason


class NonceTooLow(TransactionRefused):
    """A transaction with this sender and nonce is already mined; it may be this one."""


class Underpriced(TransactionRefused):
    """The fee is too low for the pool, or to replace a pending transaction with the same nonce."""


class InsufficientFunds(TransactionRefused):
    """The sender cannot pay for gas."""
