"""The channel between a wallet and a node: funding it, and keeping its account correct."""

import json
import secrets
from collections.abc import Callable
from dataclasses import replace

import httpx2

from contracts.crypto import Signer
from contracts.document import parse_json
from contracts.encoding import to_hex
from contracts.payment import SignedDeposit, SignedVoucher, payment_payload
from contracts.structs import InferenceRequest
from node.client.account import Account, PendingDeposit, Promise
from node.client.account_file import AccountFile
from node.client.errors import DepositRefused, DepositTooSmall, NodeUnusable, Overcharged
from node.client.flows import Flow, parsed
from node.client.node import NodeCard
from node.client.wire import ChannelReport, channel_config

DEPOSIT_VALID_S = 3600
UNKNOWN_OUTCOME = (409, 429)
"""After these statuses, and all from 500 on, a deposit may still be mined or be worth posting again."""


class Channel:
    """One wallet's channel with one node, and the file that stores its account. `clock` returns unix seconds."""

    def __init__(self, url: str, card: NodeCard, signer: Signer, file: AccountFile, clock: Callable[[], float]) -> None:
        self.url, self.card, self.signer, self.file, self._clock = url, card, signer, file, clock
        self.config = channel_config(signer.address, card)
        self.id = self.config.channel_id(card.chain_id)

    def promise(self, request: InferenceRequest, expires_at: int, elsewhere: int) -> SignedVoucher:
        """A voucher that covers this request and all unfinished ones; DepositTooSmall if the channel cannot cover it.

        expires_at: unix seconds after which the node can no longer charge it. elsewhere: see `Account.covering`.
        """
        promise = Promise(request.nonce, request.max_fee, expires_at)
        account = self.file.update(lambda account: account.promise(promise, elsewhere))
        return SignedVoucher.sign(self.signer, self.config, self.card.chain_id, account.covering(promise, elsewhere))

    def settle(self, nonce: int, cumulative: int) -> None:
        """The request's receipt arrived and was verified."""
        self.file.update(lambda account: account.settle(nonce, cumulative))

    def release(self, nonce: int) -> None:
        """The request was refused and cost nothing."""
        self.file.update(lambda account: account.release(nonce))

    def lose(self, nonce: int) -> None:
        """The request's answer was cut off, so its receipt will never arrive."""
        self.file.update(lambda account: account.lose(nonce))

    def refresh(self) -> Flow[int]:
        """Updates the account from the node's report.

        Returns the proven cumulative amount that requests of other programs use. NodeUnusable, such as Overcharged, if
        the report cannot be believed.
        """
        response = yield httpx2.Request("GET", f"{self.url}/payments/channels/{to_hex(self.id)}")
        if response.status_code == 404:
            # the node does not know the channel, so nothing is owed; its development chain may have been reset
            self.file.update(lambda account: Account(deposit=account.deposit))
            return 0
        return self._believe(parsed(self.url, response, ChannelReport.parse))

    def deposit(self, amount: int) -> Flow[ChannelReport]:
        """Deposits `amount` base units into the channel and opens it if needed; returns the node's report.

        If the outcome of an earlier deposit is unknown, that deposit is posted again instead of a new one.
        DepositRefused if the node or the chain refuses it.
        """
        account = self.file.update(lambda known: self._with_deposit(known, amount))
        assert account.deposit is not None
        headers = {"Content-Type": "application/json"}
        content = account.deposit.body.encode()
        response = yield httpx2.Request("POST", f"{self.url}/payments/channels", headers=headers, content=content)
        if response.status_code in UNKNOWN_OUTCOME or response.status_code >= 500:
            raise _refusal(response)
        self.file.update(lambda known: replace(known, deposit=None))
        if response.is_error:
            raise _refusal(response)
        report = parsed(self.url, response, ChannelReport.parse)
        self._believe(report)
        return report

    def top_up(self, shortfall: DepositTooSmall, amount: int) -> Flow[None]:
        """Deposits `amount` base units to cover a shortfall, unless another program has topped the channel up already.

        Raises `shortfall` if `amount` does not suffice: the node sets the prices, so it must not choose the deposit.
        """
        if shortfall.required - shortfall.balance > amount:
            raise shortfall
        account = self.file.read()
        if account is None or account.balance <= shortfall.balance:
            yield from self.deposit(amount)

    def _with_deposit(self, account: Account, amount: int) -> Account:
        now = int(self._clock())
        if account.deposit is not None and account.deposit.valid_before > now:
            return account
        voucher = SignedVoucher.sign(self.signer, self.config, self.card.chain_id, account.charged)
        valid_before = now + DEPOSIT_VALID_S
        deposit = SignedDeposit.sign(
            self.signer,
            voucher,
            self.card.token_domain,
            amount=amount,
            salt=secrets.randbits(256),
            valid_before=valid_before,
        )
        body = json.dumps(payment_payload(deposit.to_payload(), self.card.accepted(amount)))
        return replace(account, deposit=PendingDeposit(body, valid_before))

    def _believe(self, report: ChannelReport) -> int:
        if report.channel_id != self.id:
            raise NodeUnusable(f"it reports channel {to_hex(report.channel_id)} for {to_hex(self.id)}", self.url)
        proven = report.proven_max(self.signer.address, self.card.chain_id)
        try:
            self.file.update(lambda account: account.refresh(report, proven, self._clock()))
        except Overcharged as error:
            raise Overcharged(error.charged, error.signed_max, self.url) from error
        return min(report.charged + report.reserved, proven)


def _refusal(response: httpx2.Response) -> DepositRefused:
    try:
        problem = parse_json(response.content)
    except ValueError:
        problem = None
    members = problem if isinstance(problem, dict) else {}
    code = members.get("code")
    message = members.get("detail") or members.get("title") or response.reason_phrase
    return DepositRefused(response.status_code, code if isinstance(code, str) else None, str(message))
