"""Demands, answers, deaths and proofs, one behaviour each."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from attribution.split import TREASURY, Payee
from attribution.state_tree import charged_key, earned_key
from attribution.witness import witness_of
from contracts.crypto import Address, PrivateKey
from contracts.structs import UsageReceipt
from contracts.x402 import ChannelConfig
from tests.contracts.cheats import honest_batch, unchecked, wrong_state
from tests.contracts.docket import DAY_S, KIND_LEAF, WALLET_WEI, Docket, Filing
from tests.contracts.machine import CHAIN_ID
from tests.contracts.trial import Trial
from tests.contracts.world import DELAY_S, NOTICE_S, OPEN, STAKE, key


@pytest.fixture(scope="module")
def trials() -> Trial:
    return Trial(77, funded=True)


@pytest.fixture
def trial(trials: Trial) -> Iterator[Trial]:
    with trials.machine.discarding():
        yield trials


@pytest.fixture
def docket(trial: Trial) -> Docket:
    return trial.docket


def posted(trial: Trial, count: int) -> Filing:
    """An honest filing of `count` receipts, posted."""
    while len((filing := honest_batch(trial.scene)).entries) != count:
        pass
    assert trial.docket.post(filing.header) == ""
    return filing


def cheat(trial: Trial) -> tuple[Filing, int]:
    """A posted filing whose first leaf nobody can justify."""
    while (filing := wrong_state(trial.scene)).entries[0].root_after == unchecked_root(filing):
        pass
    assert trial.docket.post(filing.header) == ""
    return filing, 0


def unchecked_root(filing: Filing) -> bytes:
    after = unchecked(filing.entries[0].before, filing.entries[0].item)
    assert after is not None
    return after.root


def last_epoch(docket: Docket, node: Address) -> int:
    return int(docket.machine.read(docket.world.settlement, "ledger", node)[0])


# ---- demands ---------------------------------------------------------------------------------------------------------


def test_whoever_justifies_a_leaf_receives_the_bond(trial: Trial, docket: Docket) -> None:
    filing = posted(trial, 3)
    docket.demand_leaf(filing.header, 1)
    bond = WALLET_WEI - docket.machine.coins(docket.challenger)

    assert docket.justify(filing, 1) == ""

    assert bond >= 10**15
    assert docket.machine.coins(docket.watcher) == WALLET_WEI + bond
    assert docket.activate(filing.header) == filing.header.epoch


def test_a_justified_leaf_is_never_demanded_again(trial: Trial, docket: Docket) -> None:
    filing = posted(trial, 2)
    docket.demand_leaf(filing.header, 0)
    assert docket.justify(filing, 0) == ""

    bond = docket.bond(KIND_LEAF, filing.header)
    again = docket.refusal(docket.challenger, "demandLeaf", filing.header.abi_tuple(), 0, wei=bond)

    assert again == "AlreadyDemanded"
    assert docket.justify(filing, 0) == "NoDemand"


def test_a_header_dies_of_an_unanswered_demand_and_its_author_is_rewarded(trial: Trial, docket: Docket) -> None:
    filing, index = cheat(trial)
    docket.demand_leaf(filing.header, index)
    paid = WALLET_WEI - docket.machine.coins(docket.challenger)
    assert docket.justify(filing, index) == "WrongStateAfter"
    assert docket.refusal(docket.watcher, "expire", filing.header.node, 2, KIND_LEAF, bytes(32)) == "StillAnswerable"

    assert docket.expire_leaf(filing.header, index) == ""

    assert not docket.is_alive(filing.header)
    assert last_epoch(docket, filing.header.node) == 1
    token, registry, challenges = docket.world.token, docket.world.registry, docket.world.challenges
    assert docket.machine.read(registry, "rewardOf", token.address, docket.challenger) == STAKE // 2
    docket.machine.send(docket.challenger, challenges, "withdraw", docket.challenger)
    assert docket.machine.coins(docket.challenger) == WALLET_WEI
    assert paid > 0


def test_returned_bonds_are_withdrawn_once(trial: Trial, docket: Docket) -> None:
    filing, index = cheat(trial)
    docket.demand_leaf(filing.header, index)
    docket.expire_leaf(filing.header, index)
    challenges = docket.world.challenges
    docket.machine.send(docket.challenger, challenges, "withdraw", docket.challenger)

    with pytest.raises(Exception, match="NothingToWithdraw"):
        docket.machine.send(docket.challenger, challenges, "withdraw", docket.challenger)


def test_a_late_answer_counts_until_somebody_expires_the_demand(trial: Trial, docket: Docket) -> None:
    filing = posted(trial, 2)
    docket.demand_leaf(filing.header, 0)
    docket.machine.warp(3 * DAY_S)

    assert docket.justify(filing, 0) == ""
    assert docket.expire_leaf(filing.header, 0) == "NoDemand"
    assert docket.is_alive(filing.header)


def test_any_number_of_demands_hold_up_a_header_and_each_is_dearer(trial: Trial, docket: Docket) -> None:
    filing = posted(trial, 5)
    payees = [TREASURY, *(Payee.of_address(key(f"payee {i}").address) for i in range(3))]
    bonds = []
    for index in range(5):
        bonds.append(docket.bond(KIND_LEAF, filing.header))
        docket.demand_leaf(filing.header, index)
    for payee in payees:
        docket.demand_payee(filing.header, payee)
    after = unchecked(filing.entries[-1].before, filing.entries[-1].item)
    assert after is not None

    docket.machine.warp(DELAY_S)
    for payee in payees:
        assert docket.show(filing, after, payee) == ""
    for index in range(5):
        assert docket.activate(filing.header) < filing.header.epoch
        assert docket.justify(filing, index) == ""

    assert bonds == [bonds[0] * (open_ + 1) for open_ in range(5)]
    assert docket.activate(filing.header) == filing.header.epoch


def test_what_is_sent_beyond_the_bond_comes_back_and_less_is_refused(trial: Trial, docket: Docket) -> None:
    filing = posted(trial, 2)
    bond, values = docket.bond(KIND_LEAF, filing.header), filing.header.abi_tuple()

    assert docket.refusal(docket.challenger, "demandLeaf", values, 0, wei=bond - 1) == "BondTooSmall"
    docket.send(docket.challenger, "demandLeaf", values, 0, wei=5 * bond + 7)

    assert docket.machine.coins(docket.challenger) == WALLET_WEI - bond


def test_demands_are_made_while_the_window_runs(trial: Trial, docket: Docket) -> None:
    filing = posted(trial, 2)
    values, bond = filing.header.abi_tuple(), docket.bond(KIND_LEAF, filing.header)
    other = replace(filing.header, count=9).abi_tuple()

    assert docket.refusal(docket.challenger, "demandLeaf", values, 2, wei=bond) == "NoSuchLeaf"
    assert docket.refusal(docket.challenger, "demandLeaf", other, 2, wei=bond) == "UnknownHeader"
    docket.machine.warp(DELAY_S)
    assert docket.refusal(docket.challenger, "demandLeaf", values, 0, wei=bond) == "WindowClosed"
    assert docket.refusal(docket.challenger, "demandPayee", values, 2, bytes(32), wei=bond) == "WindowClosed"


def test_bonds_of_other_demands_go_back_when_a_header_dies(trial: Trial, docket: Docket) -> None:
    filing, index = cheat(trial)
    header = filing.header
    docket.demand_leaf(header, index)
    docket.demand_payee(header, TREASURY)
    commitment, _, active_from, _ = docket.machine.read(docket.world.settlement, "header", header.node, header.epoch)
    item = earned_key(TREASURY).to_bytes(32)
    dead = (header.node, header.epoch, commitment, active_from, 1, item)
    assert docket.refusal(docket.watcher, "reclaim", *dead) == "HeaderAlive"
    docket.expire_leaf(header, index)

    assert docket.refusal(docket.watcher, "reclaim", *dead) == ""

    assert docket.refusal(docket.watcher, "reclaim", *dead) == "NoDemand"
    docket.machine.send(docket.challenger, docket.world.challenges, "withdraw", docket.challenger)
    assert docket.machine.coins(docket.challenger) == WALLET_WEI


def test_a_header_that_is_posted_again_starts_without_demands(trial: Trial, docket: Docket) -> None:
    filing = posted(trial, 2)
    docket.demand_leaf(filing.header, 0)
    docket.demand_leaf(filing.header, 1)
    docket.expire_leaf(filing.header, 0)
    docket.world.stake(OPEN * 10**6)

    assert docket.post(filing.header) == ""

    assert docket.machine.read(docket.world.challenges, "openDemands", filing.header.node, 2) == 0
    docket.demand_leaf(filing.header, 1)
    assert docket.justify(filing, 1) == ""
    assert docket.activate(filing.header) == filing.header.epoch


def test_a_shown_payee_can_claim_with_the_proof_of_the_answer(trial: Trial, docket: Docket) -> None:
    filing = posted(trial, 3)
    after = unchecked(filing.entries[-1].before, filing.entries[-1].item)
    assert after is not None
    docket.demand_payee(filing.header, TREASURY)
    assert docket.show(filing, after, TREASURY) == ""
    witness, earned = witness_of(after.tree, earned_key(TREASURY)), after.tree.get(earned_key(TREASURY))

    docket.activate(filing.header)
    entry = (filing.header.node, 2, filing.header.struct_hash(), 2, TREASURY.id, earned, witness[17:])
    paid = docket.machine.send(docket.watcher, docket.world.settlement, "claim", [entry])

    assert paid == earned > 0


# ---- proofs ----------------------------------------------------------------------------------------------------------


def equivocation(trial: Trial, filing: Filing, signer: PrivateKey, receipt: UsageReceipt) -> str:
    signature = signer.sign(receipt.digest(trial.court.domain))
    arguments = (filing.header.abi_tuple(), filing.leaf(0), receipt.abi_tuple(), signature)
    return trial.docket.refusal(trial.docket.watcher, "proveEquivocation", *arguments)


def test_a_second_receipt_of_the_operator_for_one_seq_kills(trial: Trial, docket: Docket) -> None:
    filing = posted(trial, 2)
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
    after = unchecked(filing.entries[-1].before, filing.entries[-1].item)
    assert after is not None
    witness = witness_of(after.tree, charged_key(config.channel_id(CHAIN_ID)))
    return docket.refusal(docket.watcher, "proveOverClaim", filing.header.abi_tuple(), config.abi_tuple(), witness)


def test_claiming_beyond_the_receipts_kills_the_newest_header(trial: Trial, docket: Docket) -> None:
    filing = posted(trial, 2)
    config = over_claimed(docket)

    assert over_claim(docket, trial.first, config) == "NotNewest"
    assert over_claim(docket, filing, replace(config, receiver=docket.watcher)) == "ForeignChannel"
    assert over_claim(docket, filing, config) == ""
    assert last_epoch(docket, filing.header.node) == 1


def test_after_a_death_what_was_claimed_before_proves_nothing(trial: Trial, docket: Docket) -> None:
    filing = posted(trial, 2)
    config = over_claimed(docket)
    assert over_claim(docket, filing, config) == ""
    docket.world.stake(OPEN * 10**6)
    assert docket.post(filing.header) == ""

    assert over_claim(docket, filing, config) == "ClosedLedger"


def test_a_final_header_is_beyond_every_proof(trial: Trial, docket: Docket) -> None:
    filing, _ = cheat(trial)
    mine = filing.entries[0].item.receipt
    docket.machine.warp(DELAY_S)

    other = replace(mine, tokens_out=mine.tokens_out + 1)
    assert equivocation(trial, filing, docket.world.operator, other) == "HeaderNotOpen"


def test_a_death_takes_the_later_headers_along(trial: Trial, docket: Docket) -> None:
    filing = posted(trial, 2)
    mine = trial.first.entries[0].item.receipt
    other = replace(mine, tokens_in=mine.tokens_in ^ 1)
    signature = docket.world.operator.sign(other.digest(trial.court.domain))
    first = (trial.first.header.abi_tuple(), trial.first.leaf(0), other.abi_tuple(), signature)

    assert docket.refusal(docket.watcher, "proveEquivocation", *first) == ""

    assert last_epoch(docket, filing.header.node) == 0
    assert not docket.is_alive(filing.header)


# ---- judges ----------------------------------------------------------------------------------------------------------


def test_a_judge_is_added_under_notice_and_never_replaced(docket: Docket) -> None:
    machine, challenges, judge = docket.machine, docket.world.challenges, docket.world.judge.address
    admin = docket.world.admin.address

    machine.send(admin, challenges, "addJudge", 2, judge)

    assert int(machine.read(challenges, "judgeOf", 2), 16) == 0
    machine.warp(NOTICE_S)
    assert machine.read(challenges, "judgeOf", 2).lower() == judge.lower()
    for version, sender, account, error in (
        (2, admin, judge, "JudgeExists"),
        (1, admin, judge, "JudgeExists"),
        (3, admin, docket.watcher, "InvalidJudge"),
        (3, docket.watcher, judge, "AccessManagedUnauthorized"),
    ):
        with pytest.raises(Exception, match=error):
            machine.send(sender, challenges, "addJudge", version, account)
