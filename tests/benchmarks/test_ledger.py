"""The measurement of settlement's CPU: its receipts are honest, and its figures are of what it says."""

from attribution.batch import ChainTip, build, verify
from attribution.transition import LedgerState
from benchmarks.ledger import CHANNELS, PayingClients, figures


def test_the_measured_receipts_obey_every_rule() -> None:
    clients = PayingClients()
    items = [clients.request() for _ in range(CHANNELS + 2)]
    tip = ChainTip.genesis(LedgerState.genesis(clients.ledger))

    batch = build(tip, items)

    assert verify(tip, batch.header, items) == batch
    assert len({item.receipt.channel_id for item in items}) == CHANNELS
    assert batch.header.cum_total == sum(item.receipt.fee for item in items)


def test_figures_name_their_sizes() -> None:
    found = figures(receipts=20, leaves=100, updates=30)

    assert (found["receipts"], found["state_leaves"]) == (20, 100)
    assert int(str(found["updates_per_s"])) > 0
