"""JSON-RPC values, errors and their codes (JSON-RPC 2.0; 3 is Geth's code for a revert)."""

from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
SERVER_ERROR = -32000
EXECUTION_REVERTED = 3


class RpcError(Exception):
    """The error that answers a call instead of a result."""

    def __init__(self, code: int, message: str, data: Json = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data

    def to_json(self) -> dict[str, Json]:
        """The `error` member of a JSON-RPC response."""
        document: dict[str, Json] = {"code": self.code, "message": str(self)}
        if self.data is not None:
            document["data"] = self.data
        return document


class InvalidParams(RpcError):
    """A parameter is missing, superfluous or malformed."""

    def __init__(self, message: str) -> None:
        super().__init__(INVALID_PARAMS, message)
