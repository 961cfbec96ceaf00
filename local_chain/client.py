"""A minimal JSON-RPC client for liveness checks and the idle miner. It does not import web3, which loads slowly."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass

from local_chain.errors import ChainUnreachable, LocalChainError
from local_chain.rpc.errors import Json


class RpcRefused(LocalChainError):
    """The chain answered with an error."""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest block: its number, hash and time (unix seconds)."""

    number: int
    hash: str
    timestamp: int


@dataclass(frozen=True, slots=True)
class RpcClient:
    """Calls one chain. Each call opens its own connection."""

    url: str
    timeout_s: float = 5.0

    def call(self, method: str, *params: Json) -> Json:
        """The result of a method. Raises ChainUnreachable, or RpcRefused if the chain answers with an error."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self.url, body, {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=self.timeout_s) as response:
                document = json.load(response)
        except (urllib.error.URLError, OSError, ValueError) as error:
            raise ChainUnreachable.at(self.url, error) from error
        if not isinstance(document, dict) or "result" not in document:
            raise RpcRefused(f"{method} at {self.url} answered {document!r:.200}")
        result: Json = document["result"]
        return result

    def head(self) -> Head:
        """The newest block."""
        return self._block("latest")

    def genesis_hash(self) -> str:
        """The hash of block 0 (0x hex)."""
        return self._block("0x0").hash

    def _block(self, name: str) -> Head:
        block = self.call("eth_getBlockByNumber", name, False)
        if not isinstance(block, dict):
            raise RpcRefused(f"{self.url} has no block {name}")
        return Head(int(str(block["number"]), 16), str(block["hash"]), int(str(block["timestamp"]), 16))

    def chain_id(self) -> int:
        """The chain id (EIP-155)."""
        return int(str(self.call("eth_chainId")), 16)
