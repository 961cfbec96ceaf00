"""The public surface of the paying client. Import from here: these names stay when modules move.

    from pathlib import Path

    import httpx2
    from openai import OpenAI
    from node.client.openlora import PrivateKey, WalletAuth

    wallet = WalletAuth(PrivateKey(secret), Path("wallet"), deposit=10**18)
    client = OpenAI(base_url=f"{node}/v1", api_key="none", http_client=httpx2.Client(auth=wallet))
    answer = client.chat.completions.create(model="cardiology", messages=messages, max_tokens=128)
    wallet.receipts[-1].receipt.fee  # what it cost, in token base units

`run(client, wallet.sign(request))` signs a request that another program will send, and
`run(client, channel.deposit(amount))` funds a channel; `run_async` runs both over an asynchronous client.
`node.client.errors` draws the tree of errors.
"""

from contracts.crypto import PrivateKey, Signer
from node.client.account_file import AccountFile
from node.client.auth import WalletAuth
from node.client.channel import Channel
from node.client.errors import (
    ClientError,
    CostAboveLimit,
    DecodingError,
    DepositRefused,
    DepositTooSmall,
    Malformed,
    NodeDistrusted,
    NodeUnusable,
    Overcharged,
    ReceiptRefused,
    StateUnusable,
)
from node.client.flows import Flow, fetch_card, fetch_quote, run, run_async
from node.client.node import NodeCard, NodeQuote, QuotedPrices
from node.client.receipt import Expectation, ReceiptLine, ReceivedOutput, SignedReceipt, verify, verify_signed
from node.client.wire import ChannelReport

__all__ = [
    "AccountFile",
    "Channel",
    "ChannelReport",
    "ClientError",
    "CostAboveLimit",
    "DecodingError",
    "DepositRefused",
    "DepositTooSmall",
    "Expectation",
    "Flow",
    "Malformed",
    "NodeCard",
    "NodeDistrusted",
    "NodeQuote",
    "NodeUnusable",
    "Overcharged",
    "PrivateKey",
    "QuotedPrices",
    "ReceiptLine",
    "ReceiptRefused",
    "ReceivedOutput",
    "SignedReceipt",
    "Signer",
    "StateUnusable",
    "WalletAuth",
    "fetch_card",
    "fetch_quote",
    "run",
    "run_async",
    "verify",
    "verify_signed",
]
