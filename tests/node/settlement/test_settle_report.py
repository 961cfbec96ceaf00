"""The operator's report: every transaction, value beside gas, and deadlines."""

from dataclasses import replace

from contracts.crypto import Bytes32, keccak
from contracts.encoding import to_hex
from node.settlement.profit_gate import ProfitGate, cycle_gas
from node.settlement.settle_report import deadlines_json, owes, value_json
from node.store.channels import Channel
from tests.node.payments.payer import NOW, Payer
from tests.node.payments.shop import RECEIVER
from tests.node.settlement.market import Market
from tests.node.settlement.settling import withdraw


def channel(name: bytes, charged: int, pending: int = 0) -> Channel:
    return Channel(keccak(name), Payer(RECEIVER).config, 100, pending, 10, 5, 100, b"", charged, 0, charged, NOW)


def test_value_stands_beside_its_gas_and_ends_in_a_deadline() -> None:
    channels = [channel(b"a", 40), channel(b"b", 10), channel(b"c", 60)]

    shown = value_json(channels, 7, ProfitGate(max_age_s=600), oldest_at=NOW)

    assert (shown["claimable"], shown["channels"]) == ("80", 2)
    assert shown["gasCost"] == str(cycle_gas(2) * 7)
    assert shown["settlesBy"] == NOW + 600


def test_payers_who_withdraw_are_listed_by_the_time_until_which_they_must_be_claimed() -> None:
    early, late, settled = channel(b"early", 40, 5), channel(b"late", 60, 5), channel(b"settled", 10, 5)
    times: dict[Bytes32, int] = {early.channel_id: NOW + 1, late.channel_id: NOW + 2, settled.channel_id: NOW}

    shown = deadlines_json([late, settled, early], times)

    assert [(row["channelId"], row["owes"], row["claimBy"]) for row in shown] == [
        (to_hex(early.channel_id), "30", NOW + 1),
        (to_hex(late.channel_id), "50", NOW + 2),
    ]


def test_a_channel_owes_no_more_than_the_escrow_holds() -> None:
    assert owes(replace(channel(b"a", 200), balance=50)) == 40
    assert owes(replace(channel(b"a", 5), balance=50)) == 0


async def test_a_report_shows_every_transaction_and_the_withdrawals(market: Market) -> None:
    await market.serve()
    await market.settlement.cycle.run(market.now, force=True)
    await market.serve()
    await withdraw(market, "initiateWithdraw", market.payer.config.abi_tuple(), 1)
    await market.settlement.tick()
    await market.payments.channels.refresh(market.payer.channel_id)

    report = await market.settlement.report()

    sent, deadlines = report["transactions"], report["deadlines"]
    assert isinstance(sent, list)
    assert isinstance(deadlines, list)
    assert {row["intent"].split(":")[0] for row in sent} == {"deposit", "post", "claim", "sweep"}
    assert {row["state"] for row in sent} == {"final"}
    assert all(int(row["cost"]) > 0 for row in sent)
    assert [row["channelId"] for row in deadlines] == [to_hex(market.payer.channel_id)]
    assert deadlines[0]["claimBy"] > market.now
