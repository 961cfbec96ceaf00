"""Stock x402 clients, unmodified: the official SDK with its signers, pointed at a development chain."""

from dataclasses import dataclass
from typing import Any

import httpx
from eth_account import Account
from x402 import x402Client, x402ClientSync
from x402.http.clients.httpx import x402AsyncTransport
from x402.http.clients.requests import x402_requests
from x402.http.utils import decode_payment_response_header
from x402.mechanisms.evm.batch_settlement.client import (
    BatchSettlementEvmScheme,
    BatchSettlementEvmSchemeOptions,
    InMemoryClientChannelStorage,
)
from x402.mechanisms.evm.signers import EthAccountSigner, EthAccountSignerWithRPC

from contracts.crypto import PrivateKey
from tests.node.running import NodeThread

CHAT = "/v1/chat/completions"
BODY: dict[str, Any] = {"model": "cardiology", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8}


@dataclass(frozen=True, slots=True)
class Stock:
    """One wallet's stock clients. They share the storage of channels, as the threads of one program do.

    salt: names the channel. with_rpc: whether the signer can read the chain, which recovery needs.
    """

    node: NodeThread
    key: PrivateKey
    salt: str
    storage: InMemoryClientChannelStorage
    with_rpc: bool = True

    @classmethod
    def of(cls, node: NodeThread, key: PrivateKey, salt: int, *, with_rpc: bool = True) -> "Stock":
        return cls(node, key, f"0x{salt:064x}", InMemoryClientChannelStorage(), with_rpc)

    @property
    def scheme(self) -> BatchSettlementEvmScheme:
        account = Account.from_key(self.key.secret)
        paid = self.node.world.paid
        assert paid is not None
        signer = EthAccountSignerWithRPC(account, paid.rpc_url) if self.with_rpc else EthAccountSigner(account)
        return BatchSettlementEvmScheme(signer, BatchSettlementEvmSchemeOptions(storage=self.storage, salt=self.salt))

    def client(self, *, slow_s: float = 60) -> httpx.AsyncClient:
        """What asynchronous programs use."""
        paying = x402Client()
        paying.register(self._network, self.scheme)
        paying.set_spend_controls({"allowed_assets": [{"network": self._network, "asset": self._asset}]})
        return httpx.AsyncClient(base_url=self.node.url, transport=x402AsyncTransport(paying), timeout=slow_s)

    def session(self) -> Any:
        """What blocking programs use: a `requests` session."""
        paying = x402ClientSync()
        paying.register(self._network, self.scheme)
        paying.set_spend_controls({"allowed_assets": [{"network": self._network, "asset": self._asset}]})
        return x402_requests(paying)

    def believes(self) -> tuple[int, int]:
        """The charges that the client added up, and the money that it believes to be in the channel."""
        (context,) = self.storage._channels.values()
        return int(context.charged_cumulative_amount or 0), int(context.balance or 0)

    @property
    def _network(self) -> str:
        assert self.node.world.paid is not None
        return self.node.world.paid.payments.receiver.network

    @property
    def _asset(self) -> str:
        assert self.node.world.paid is not None
        return self.node.world.paid.payments.receiver.token


def charge_of(response: Any) -> int:
    """What the answer's headers say was charged."""
    settled = decode_payment_response_header(response.headers["PAYMENT-RESPONSE"])
    assert settled.extra is not None
    return int(settled.extra["chargedAmount"])
