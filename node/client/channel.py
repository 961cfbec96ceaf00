"""The channel between a wallet and a node: funding it, and keeping its book true."""

import json
import secrets
from collections.abc import Callable
from dataclasses import replace

import httpx2

from contracts.structs import InferenceRequest
from node.client.account import Account, Overcharged, PendingDeposit, Promise
from node.client.book import Book
from node.client.errors import DepositRefused, DepositTooSmall, NodeUnusable
from node.client.flows import Flow, parsed
from node.client.node import NodeCard
from node.client.wallet import Signer
from node.client.wire import ChannelView, SignedVoucher, channel_config, deposit_payload, hex_text, payment

DEPOSIT_VALID_S = 3600
UNKNOWN_FATE = (409, 429)
"""Answers after which a deposit may still be mined, or is worth sending again; so are all of 500 and above."""


class Channel:
    """One wallet's channel with one node, and the book that remembers it."""

    def __init__(self, url: str, card: NodeCard, signer: Signer, book: Book, clock: Callable[[], float]) -> None:
        self.url, self.card, self.signer, self.book, self._clock = url, card, signer, book, clock
        self.config = channel_config(signer.address, card)
        self.id = self.config.channel_id(card.chain_id)

    def promise(self, request: InferenceRequest, expires_at: int, elsewhere: int) -> SignedVoucher:
        """A voucher that covers this request beside all unfinished ones; DepositTooSmall if the channel cannot."""
        promise = Promise(request.nonce, request.max_fee, expires_at)
        account = self.book.update(lambda account: account.promise(promise, elsewhere))
        return SignedVoucher.sign(self.signer, self.config, self.card.chain_id, account.covering(promise, elsewhere))

    def settle(self, nonce: int, cumulative: int) -> None:
        """The request's receipt is known."""
        self.book.update(lambda account: account.settle(nonce, cumulative))

    def release(self, nonce: int) -> None:
        """The request was refused."""
        self.book.update(lambda account: account.release(nonce))

    def lose(self, nonce: int) -> None:
        """Nobody will ever see the request's receipt."""
        self.book.update(lambda account: account.lose(nonce))

    def refresh(self) -> Flow[int]:
        """Brings the book up to the node's figures; the proven amount that other places' requests take up."""
        response = yield httpx2.Request("GET", f"{self.url}/payments/channels/{hex_text(self.id)}")
        if response.status_code == 404:
            # nothing is owed on a channel that the node does not know, say after its chain was made anew
            self.book.update(lambda account: Account(deposit=account.deposit))
            return 0
        return self._learn(parsed(self.url, response, ChannelView.parse))

    def deposit(self, amount: int) -> Flow[ChannelView]:
        """Puts `amount` base units into the channel, opening it if needed.

        A deposit that was sent before and whose fate is unknown is finished first, in place of a new one.
        """
        account = self.book.update(lambda known: self._with_deposit(known, amount))
        assert account.deposit is not None
        headers = {"Content-Type": "application/json"}
        content = account.deposit.body.encode()
        response = yield httpx2.Request("POST", f"{self.url}/payments/channels", headers=headers, content=content)
        if response.status_code in UNKNOWN_FATE or response.status_code >= 500:
            raise _refusal(response)
        self.book.update(lambda known: replace(known, deposit=None))
        if response.is_error:
            raise _refusal(response)
        view = parsed(self.url, response, ChannelView.parse)
        self._learn(view)
        return view

    def top_up(self, shortfall: DepositTooSmall, amount: int) -> Flow[None]:
        """A deposit of `amount` for the shortfall; none if somebody else made one since, or if it would not do.

        It is never more than `amount`, whatever the node asks: prices come from the node.
        """
        if shortfall.required - shortfall.balance > amount:
            raise shortfall
        account = self.book.read()
        if account is None or account.balance <= shortfall.balance:
            yield from self.deposit(amount)

    def _with_deposit(self, account: Account, amount: int) -> Account:
        now = int(self._clock())
        if account.deposit is not None and account.deposit.valid_before > now:
            return account
        voucher = SignedVoucher.sign(self.signer, self.config, self.card.chain_id, account.charged)
        valid_before = now + DEPOSIT_VALID_S
        payload = deposit_payload(
            self.signer, self.card, voucher, amount=amount, salt=secrets.randbits(256), valid_before=valid_before
        )
        body = json.dumps(payment(self.card, payload, amount))
        return replace(account, deposit=PendingDeposit(body, valid_before))

    def _learn(self, view: ChannelView) -> int:
        if view.channel_id != self.id:
            raise NodeUnusable(self.url, f"it reports channel {hex_text(view.channel_id)} for {hex_text(self.id)}")
        proven = view.proven_max(self.signer.address, self.card.chain_id)
        try:
            self.book.update(lambda account: account.refresh(view, proven, self._clock()))
        except Overcharged as error:
            raise NodeUnusable(self.url, str(error)) from error
        return min(view.charged + view.reserved, proven)


def _refusal(response: httpx2.Response) -> DepositRefused:
    try:
        problem = response.json()
    except ValueError:
        problem = None
    members = problem if isinstance(problem, dict) else {}
    code = members.get("code")
    message = members.get("detail") or members.get("title") or response.reason_phrase
    return DepositRefused(response.status_code, code if isinstance(code, str) else None, str(message))
