"""Everything the client raises on purpose."""


class ClientError(Exception):
    """Base of all errors of the paying client."""


class NodeUnusable(ClientError):
    """The node's own description is malformed, or asks for something this client will not sign."""

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(f"cannot pay {url}: {problem}")
        self.url, self.problem = url, problem


class CostAboveLimit(ClientError):
    """The most a request may cost is above the caller's own limit; nothing was signed. Amounts in base units."""

    def __init__(self, max_fee: int, max_cost: int) -> None:
        super().__init__(f"the request may cost {max_fee}, above the limit of {max_cost}: lower max_tokens")
        self.max_fee, self.max_cost = max_fee, max_cost


class DepositTooSmall(ClientError):
    """The channel cannot cover what would have to be signed. Amounts in base units; `required` is cumulative."""

    def __init__(self, required: int, balance: int) -> None:
        super().__init__(
            f"the channel holds {balance}, {required} would be promised: deposit {required - balance} more"
        )
        self.required, self.balance = required, balance


class DepositRefused(ClientError):
    """The node or the chain took no deposit."""

    def __init__(self, status: int, code: str | None, message: str) -> None:
        super().__init__(f"the deposit was refused ({status} {code or 'no code'}): {message}")
        self.status, self.code = status, code


class ReceiptRefused(ClientError):
    """A receipt says something the payer knows to be wrong. `field` names it."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"receipt refused: {field} {problem}")
        self.field, self.problem = field, problem


class NodeDistrusted(ClientError):
    """This wallet signs nothing more for a node that gave it a wrong receipt."""

    def __init__(self, url: str, reason: ReceiptRefused) -> None:
        super().__init__(f"{url} is not paid any more: {reason}")
        self.url, self.reason = url, reason


class StateUnusable(ClientError):
    """The file that remembers a channel cannot be read."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}. Move it away; its numbers are fetched from the node again")
        self.path, self.problem = path, problem
