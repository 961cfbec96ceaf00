"""The public surface of the paying client: everything here is documented, and stays when modules move.

    import httpx2
    from openai import OpenAI
    from node.client.openlora import PrivateKey, WalletAuth

    wallet = WalletAuth(PrivateKey(secret), Path("wallet"), deposit=10**18)
    client = OpenAI(base_url=f"{node}/v1", api_key="none", http_client=httpx2.Client(auth=wallet))
    answer = client.chat.completions.create(model="cardiology", messages=messages, max_tokens=128)
    wallet.receipts[-1].receipt.fee    # what it cost, in token base units

Sign for another program with `run(client, wallet.sign(request))`; fund a channel with `run(client,
channel.deposit(amount))`. `run_async` does the same over an asynchronous client. The errors are drawn in
`node.client.errors`.
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
