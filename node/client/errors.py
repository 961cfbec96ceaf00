"""The errors of the paying client, all of them:

    ClientError
    ├── NodeUnusable            this client cannot pay the node
    │   ├── Malformed           a document of the node lacks a member, or a member has a wrong form
    │   ├── Overcharged         the node reports more charged than the wallet signed for
    │   └── NodeDistrusted      the node gave this wallet a wrong receipt before
    ├── DecodingError           the answer to a paid request cannot be read; also an httpx2.DecodingError
    ├── ReceiptRefused          a receipt says something that the payer knows to be wrong
    ├── CostAboveLimit          the request may cost more than the caller allows
    ├── DepositTooSmall         the channel cannot cover the request
    ├── DepositRefused          the node or the chain refused a deposit
    └── StateUnusable           the file that stores the channel's account cannot be read

Errors of the connection (httpx2.ConnectError, timeouts) pass through unchanged, and so do answers with an error status:
they reach the caller as the responses they are. Amounts are in token base units.
"""

import httpx2


class ClientError(Exception):
    """Base of all errors of the paying client."""


class NodeUnusable(ClientError):
    """This client cannot pay the node: its documents contradict each other, or it asks for an unsafe signature.

    url: the node's, None where it is not known; `problem` is the message without it.
    """

    def __init__(self, problem: str, url: str | None = None) -> None:
        super().__init__(problem)
        self.problem, self.url = problem, url

    def __str__(self) -> str:
        """The problem, and the node that has it."""
        return self.problem if self.url is None else f"cannot pay {self.url}: {self.problem}"


class Malformed(NodeUnusable):
    """A document of the node lacks a member, or a member has a wrong form.

    member: its path in the document. reason: what is wrong with it.
    """

    def __init__(self, member: str, reason: str, url: str | None = None) -> None:
        super().__init__(f"{member} {reason}", url)
        self.member, self.reason = member, reason


class Overcharged(NodeUnusable):
    """The node reports `charged`, which is more than `signed_max`, the highest voucher that the wallet ever signed."""

    def __init__(self, charged: int, signed_max: int, url: str | None = None) -> None:
        super().__init__(f"it reports {charged} as charged, but shows no voucher above {signed_max}", url)
        self.charged, self.signed_max = charged, signed_max


class NodeDistrusted(NodeUnusable):
    """The wallet signs nothing more for a node that gave it a wrong receipt. `reason` is what was wrong."""

    def __init__(self, url: str, reason: "ReceiptRefused") -> None:
        super().__init__(f"it gave a wrong receipt before, and is not paid any more: {reason}", url)
        self.reason = reason


class DecodingError(ClientError, httpx2.DecodingError):
    """The answer to a paid request cannot be read, so its receipt cannot be checked."""

    def __init__(self, problem: str) -> None:
        httpx2.DecodingError.__init__(self, problem)


class ReceiptRefused(ClientError):
    """A receipt says something that the payer knows to be wrong. `field` is the field of the receipt."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"receipt refused: {field} {problem}")
        self.field, self.problem = field, problem


class CostAboveLimit(ClientError):
    """The request may cost `max_fee`, which is above the caller's limit `max_cost`. Nothing was signed."""

    def __init__(self, max_fee: int, max_cost: int) -> None:
        super().__init__(f"the request may cost {max_fee}, above the limit of {max_cost}: lower max_tokens")
        self.max_fee, self.max_cost = max_fee, max_cost


class DepositTooSmall(ClientError):
    """The channel's `balance` does not cover `required`, the cumulative amount that a voucher would promise."""

    def __init__(self, required: int, balance: int) -> None:
        super().__init__(
            f"the channel holds {balance}, {required} would be promised: deposit {required - balance} more"
        )
        self.required, self.balance = required, balance


class DepositRefused(ClientError):
    """The node or the chain refused a deposit. `status` is HTTP's, `code` the node's error code if it gave one."""

    def __init__(self, status: int, code: str | None, message: str) -> None:
        super().__init__(f"the deposit was refused ({status} {code or 'no code'}): {message}")
        self.status, self.code = status, code


class StateUnusable(ClientError):
    """The file that stores the channel's account cannot be read."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}. Move it away; its numbers are fetched from the node again")
        self.path, self.problem = path, problem
