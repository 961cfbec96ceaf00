"""A channel, voucher or deposit is accepted only if this node can surely claim from it."""

from dataclasses import replace

import pytest

from contracts.crypto import ZERO_ADDRESS, keccak
from contracts.payment import SignedDeposit
from contracts.x402 import MAX_WITHDRAW_DELAY_S
from node.payments.acceptance import check_config, check_deposit, check_voucher, signer_of
from node.payments.errors import ChannelRefused, PaymentInvalid
from tests.node.payments.payer import NOW, Payer, key
from tests.node.payments.shop import RECEIVER

PAYER = Payer(RECEIVER)


@pytest.mark.parametrize("delay", [RECEIVER.min_withdraw_delay_s, MAX_WITHDRAW_DELAY_S])
def test_the_shortest_and_the_longest_delay_are_accepted(delay: int) -> None:
    check_config(replace(PAYER.config, withdraw_delay=delay), RECEIVER)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"receiver": RECEIVER.token}, "receiver"),
        ({"receiver_authorizer": RECEIVER.token}, "receiverAuthorizer"),
        ({"token": RECEIVER.vault}, "token"),
        ({"withdraw_delay": RECEIVER.min_withdraw_delay_s - 1}, "withdrawDelay"),
        ({"withdraw_delay": MAX_WITHDRAW_DELAY_S + 1}, "withdrawDelay"),
        ({"payer": ZERO_ADDRESS}, "payer"),
        ({"payer_authorizer": ZERO_ADDRESS}, "payerAuthorizer"),
    ],
)
def test_a_channel_that_does_not_fit_is_refused_by_field(change: dict[str, object], field: str) -> None:
    with pytest.raises(ChannelRefused) as refused:
        check_config(replace(PAYER.config, **change), RECEIVER)  # type: ignore[arg-type]  # a field's name and value

    assert refused.value.field == f"channelConfig.{field}"


def test_a_voucher_by_the_channels_key_gives_the_channel_id() -> None:
    assert check_voucher(PAYER.voucher(5), RECEIVER, "voucher") == PAYER.channel_id


def test_a_voucher_by_another_key_is_refused() -> None:
    forged = replace(PAYER.voucher(5), signature=Payer(RECEIVER, session=key("thief")).voucher(5).signature)

    with pytest.raises(PaymentInvalid) as invalid:
        check_voucher(forged, RECEIVER, "a.voucher")

    assert invalid.value.field == "a.voucher.signature"


def test_a_voucher_for_another_channel_id_is_refused() -> None:
    other = PAYER.voucher(5, config=replace(PAYER.config, salt=keccak(b"salt")))

    with pytest.raises(PaymentInvalid, match="is not the id of channelConfig"):
        check_voucher(replace(other, config=PAYER.config), RECEIVER, "voucher")


@pytest.mark.parametrize("now", [NOW, NOW + 299])
def test_a_deposit_is_accepted_while_it_is_valid(now: int) -> None:
    deposit = PAYER.deposit(RECEIVER.min_deposit, until=NOW + 300)

    assert check_deposit(deposit, RECEIVER, now) == PAYER.channel_id


def test_an_expired_deposit_is_refused() -> None:
    with pytest.raises(PaymentInvalid, match="sign a current one"):
        check_deposit(PAYER.deposit(RECEIVER.min_deposit, until=NOW + 300), RECEIVER, NOW + 300)


@pytest.mark.parametrize("change", [{"amount": 10**9}, {"salt": 2}, {"valid_before": NOW + 301}])
def test_a_deposit_changed_after_signing_is_refused(change: dict[str, int]) -> None:
    changed: SignedDeposit = replace(PAYER.deposit(RECEIVER.min_deposit), **change)  # type: ignore[arg-type]  # as above

    with pytest.raises(PaymentInvalid, match="not by the payer"):
        check_deposit(changed, RECEIVER, NOW)


def test_bytes_that_no_key_can_have_signed_are_refused_by_field() -> None:
    with pytest.raises(PaymentInvalid) as invalid:
        signer_of(keccak(b"digest"), bytes(65), "a.field")

    assert invalid.value.field == "a.field"
