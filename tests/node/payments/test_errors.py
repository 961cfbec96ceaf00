"""Each refusal carries the figures that a client's program needs, as strings."""

import pytest

from contracts.crypto import keccak
from node.payments import errors
from node.payments.errors import FeeAboveMax, PaymentError, PaymentRequired, SettlementUnknown, VoucherStale
from tests.node.payments.payer import Payer
from tests.node.payments.shop import RECEIVER, Shop


def test_without_a_channel_the_402_says_where_to_pay() -> None:
    numbers = PaymentRequired("pay", RECEIVER, required=5).numbers()

    assert numbers["required"] == "5"
    assert numbers["balance"] == "0"
    assert (numbers["pay_to"], numbers["asset"], numbers["chain_id"]) == (RECEIVER.vault, RECEIVER.token, "31337")
    assert numbers["channel_id"] is None
    assert numbers["signed_max_required"] is None


async def test_with_a_channel_the_402_says_which_voucher_would_do(shop: Shop, payer: Payer) -> None:
    channel = await shop.funded(payer, 100)

    numbers = PaymentRequired("pay", RECEIVER, 5, channel).numbers()

    assert numbers["channel_id"] == "0x" + payer.channel_id.hex()
    assert (numbers["balance"], numbers["charged"], numbers["reserved"]) == ("100", "0", "0")
    assert numbers["signed_max_required"] == "5"


def test_a_fee_above_the_signed_maximum_is_a_402() -> None:
    error = FeeAboveMax(RECEIVER, required=9, max_fee=4)

    assert error.numbers()["required"] == "9"
    assert "maxFee is 4" in str(error)


def test_a_stale_voucher_names_the_amount_to_sign() -> None:
    error = VoucherStale(charged=10, reserved=3, signed_max=12, required=5)

    assert error.numbers() == {"charged": "10", "reserved": "3", "signed_max": "12", "required": "5"}
    assert "at least 18" in str(error)


def test_an_unconfirmed_deposit_names_its_transaction() -> None:
    error = SettlementUnknown(keccak(b"channel"), "0xabc")

    assert error.numbers() == {"channel_id": "0x" + keccak(b"channel").hex(), "transaction": "0xabc"}


@pytest.mark.parametrize("name", [name for name, value in vars(errors).items() if isinstance(value, type)])
def test_all_of_them_are_payment_errors(name: str) -> None:
    cls = getattr(errors, name)

    assert cls.__module__ != errors.__name__ or issubclass(cls, PaymentError)
