"""Vouchers are evidence: the first signature under an amount is kept."""

from contracts.crypto import keccak
from node.store import channels, vouchers
from node.store.channels import Channel
from node.store.database import Database
from node.store.vouchers import KeptVoucher
from tests.node.payments.payer import NOW, Payer
from tests.node.payments.shop import RECEIVER

CHANNEL = Channel(keccak(b"channel"), Payer(RECEIVER).config, 0, 0, 0, 0, 0, b"", 0, 0, 0, NOW)


async def test_a_voucher_is_kept_under_its_amount(database: Database) -> None:
    first, again = (KeptVoucher(CHANNEL.channel_id, 2**120, signature) for signature in (b"first", b"second"))
    await database.write(lambda session: channels.add(session, CHANNEL))
    for voucher in (first, again):
        await database.write(lambda session, voucher=voucher: vouchers.keep(session, voucher))

    assert await database.read(lambda session: vouchers.find(session, CHANNEL.channel_id, 2**120)) == first
    assert await database.read(lambda session: vouchers.find(session, CHANNEL.channel_id, 1)) is None
