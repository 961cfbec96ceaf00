"""Proofs that a node contradicts itself, one behaviour each."""

from dataclasses import replace

from attribution.state_tree import charged_key
from attribution.witness import witness_of
from contracts.crypto import PrivateKey
from contracts.structs import UsageReceipt
from contracts.x402 import ChannelConfig
from tests.contracts.cheats import state_after
from tests.contracts.docket import Docket, Filing
from tests.contracts.machine import CHAIN_ID
from tests.contracts.trial import Trial
from tests.contracts.world import DELAY_S, OPEN


def equivocation(trial: Trial, filing: Filing, signer: PrivateKey, receipt: UsageReceipt) -> str:
    signature = signer.sign(receipt.digest(trial.court.domain))
    arguments = (filing.header.abi_tuple(), filing.leaf(0), receipt.abi_tuple(), signature)
    return trial.docket.refusal(trial.docket.watcher, "proveEquivocation", *arguments)


def test_a_second_receipt_of_the_operator_for_one_seq_kills(trial: Trial, docket: Docket) -> None:
    filing = trial.post_honest(2)
    mine = filing.entries[0].item.receipt
    other = replace(mine, tokens_out=mine.tokens_out + 1)

    assert equivocation(trial, filing, docket.world.payer, other) == "WrongOperatorSigner"
    assert equivocation(trial, filing, docket.world.operator, mine) == "NoContradiction"
    assert equivocation(trial, filing, docket.world.operator, replace(other, seq=mine.seq + 1)) == "NoContradiction"
    assert equivocation(trial, filing, docket.world.operator, replace(other, finished_at=1)) == "WrongOperatorSigner"
    assert equivocation(trial, filing, docket.world.operator, other) == ""
    assert not docket.is_alive(filing.header)


def over_claimed(docket: Docket) -> ChannelConfig:
    """A channel from which the vault claimed what no receipt charges."""
    config = docket.world.channel()
    docket.world.deposit(config, 10 * OPEN)
    docket.world.claim_vouchers([docket.world.voucher_claim(config, 5 * OPEN, 5 * OPEN)])
    return config


def over_claim(docket: Docket, filing: Filing, config: ChannelConfig) -> str:
    after = state_after(filing)
    witness = witness_of(after.tree, charged_key(config.channel_id(CHAIN_ID)))
    return docket.refusal(docket.watcher, "proveOverClaim", filing.header.abi_tuple(), config.abi_tuple(), witness)


def test_claiming_beyond_the_receipts_kills_the_newest_header(trial: Trial, docket: Docket) -> None:
    filing = trial.post_honest(2)
    config = over_claimed(docket)

    assert over_claim(docket, trial.first, config) == "NotNewest"
    assert over_claim(docket, filing, replace(config, receiver=docket.watcher)) == "ForeignChannel"
    assert over_claim(docket, filing, config) == ""
    assert docket.last_epoch(filing.header.node) == 1


def test_after_a_death_what_was_claimed_before_proves_nothing(trial: Trial, docket: Docket) -> None:
    filing = trial.post_honest(2)
    config = over_claimed(docket)
    assert over_claim(docket, filing, config) == ""
    docket.world.stake(OPEN * 10**6)
    assert docket.post(filing.header) == ""

    assert over_claim(docket, filing, config) == "ClosedLedger"


def test_a_final_header_is_beyond_every_proof(trial: Trial, docket: Docket) -> None:
    filing = trial.post_cheat()
    mine = filing.entries[0].item.receipt
    docket.machine.warp(DELAY_S)

    other = replace(mine, tokens_out=mine.tokens_out + 1)
    assert equivocation(trial, filing, docket.world.operator, other) == "HeaderNotOpen"


def test_a_death_takes_the_later_headers_along(trial: Trial, docket: Docket) -> None:
    filing = trial.post_honest(2)
    mine = trial.first.entries[0].item.receipt
    other = replace(mine, tokens_in=mine.tokens_in ^ 1)
    signature = docket.world.operator.sign(other.digest(trial.court.domain))
    first = (trial.first.header.abi_tuple(), trial.first.leaf(0), other.abi_tuple(), signature)

    assert docket.refusal(docket.watcher, "proveEquivocation", *first) == ""

    assert docket.last_epoch(filing.header.node) == 0
    assert not docket.is_alive(filing.header)
