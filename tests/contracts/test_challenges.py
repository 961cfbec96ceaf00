"""Demands, answers, deaths and proofs, one behaviour each."""

from dataclasses import replace

import pytest

from attribution.split import TREASURY, Payee
from attribution.state_tree import earned_key
from attribution.witness import witness_of
from tests.contracts.cheats import state_after
from tests.contracts.docket import DAY_S, KIND_LEAF, WALLET_WEI, Docket
from tests.contracts.trial import Trial
from tests.contracts.world import DELAY_S, NOTICE_S, OPEN, STAKE, key

# ---- demands ---------------------------------------------------------------------------------------------------------


def test_whoever_justifies_a_leaf_receives_the_bond(trial: Trial, docket: Docket) -> None:
    filing = trial.post_honest(3)
    docket.demand_leaf(filing.header, 1)
    bond = WALLET_WEI - docket.machine.coins(docket.challenger)

    assert docket.justify(filing, 1) == ""

    assert bond >= 10**15
    assert docket.machine.coins(docket.watcher) == WALLET_WEI + bond
    assert docket.activate(filing.header) == filing.header.epoch


def test_a_justified_leaf_is_never_demanded_again(trial: Trial, docket: Docket) -> None:
    filing = trial.post_honest(2)
    docket.demand_leaf(filing.header, 0)
    assert docket.justify(filing, 0) == ""

    bond = docket.bond(KIND_LEAF, filing.header)
    again = docket.refusal(docket.challenger, "demandLeaf", filing.header.abi_tuple(), 0, wei=bond)

    assert again == "AlreadyDemanded"
    assert docket.justify(filing, 0) == "NoDemand"


def test_a_header_dies_of_an_unanswered_demand_and_its_author_is_rewarded(trial: Trial, docket: Docket) -> None:
    filing, index = trial.post_cheat(), 0
    docket.demand_leaf(filing.header, index)
    paid = WALLET_WEI - docket.machine.coins(docket.challenger)
    assert docket.justify(filing, index) == "WrongStateAfter"
    assert docket.refusal(docket.watcher, "expire", filing.header.node, 2, KIND_LEAF, bytes(32)) == "StillAnswerable"

    assert docket.expire_leaf(filing.header, index) == ""

    assert not docket.is_alive(filing.header)
    assert docket.last_epoch(filing.header.node) == 1
    token, registry, challenges = docket.world.token, docket.world.registry, docket.world.challenges
    assert docket.machine.read(registry, "rewardOf", token.address, docket.challenger) == STAKE // 2
    docket.machine.send(docket.challenger, challenges, "withdraw", docket.challenger)
    assert docket.machine.coins(docket.challenger) == WALLET_WEI
    assert paid > 0


def test_returned_bonds_are_withdrawn_once(trial: Trial, docket: Docket) -> None:
    filing, index = trial.post_cheat(), 0
    docket.demand_leaf(filing.header, index)
    docket.expire_leaf(filing.header, index)
    challenges = docket.world.challenges
    docket.machine.send(docket.challenger, challenges, "withdraw", docket.challenger)

    with pytest.raises(Exception, match="NothingToWithdraw"):
        docket.machine.send(docket.challenger, challenges, "withdraw", docket.challenger)


def test_a_late_answer_counts_until_somebody_expires_the_demand(trial: Trial, docket: Docket) -> None:
    filing = trial.post_honest(2)
    docket.demand_leaf(filing.header, 0)
    docket.machine.warp(3 * DAY_S)

    assert docket.justify(filing, 0) == ""
    assert docket.expire_leaf(filing.header, 0) == "NoDemand"
    assert docket.is_alive(filing.header)


def test_any_number_of_demands_hold_up_a_header_and_each_is_dearer(trial: Trial, docket: Docket) -> None:
    filing = trial.post_honest(5)
    payees = [TREASURY, *(Payee.of_address(key(f"payee {i}").address) for i in range(3))]
    bonds = []
    for index in range(5):
        bonds.append(docket.bond(KIND_LEAF, filing.header))
        docket.demand_leaf(filing.header, index)
    for payee in payees:
        docket.demand_payee(filing.header, payee)
    after = state_after(filing)

    docket.machine.warp(DELAY_S)
    for payee in payees:
        assert docket.show(filing, after, payee) == ""
    for index in range(5):
        assert docket.activate(filing.header) < filing.header.epoch
        assert docket.justify(filing, index) == ""

    assert bonds == [bonds[0] * (open_ + 1) for open_ in range(5)]
    assert docket.activate(filing.header) == filing.header.epoch


def test_what_is_sent_beyond_the_bond_comes_back_and_less_is_refused(trial: Trial, docket: Docket) -> None:
    filing = trial.post_honest(2)
    bond, values = docket.bond(KIND_LEAF, filing.header), filing.header.abi_tuple()

    assert docket.refusal(docket.challenger, "demandLeaf", values, 0, wei=bond - 1) == "BondTooSmall"
    docket.send(docket.challenger, "demandLeaf", values, 0, wei=5 * bond + 7)

    assert docket.machine.coins(docket.challenger) == WALLET_WEI - bond


def test_demands_are_made_while_the_window_runs(trial: Trial, docket: Docket) -> None:
    filing = trial.post_honest(2)
    values, bond = filing.header.abi_tuple(), docket.bond(KIND_LEAF, filing.header)
    other = replace(filing.header, count=9).abi_tuple()

    assert docket.refusal(docket.challenger, "demandLeaf", values, 2, wei=bond) == "NoSuchLeaf"
    assert docket.refusal(docket.challenger, "demandLeaf", other, 2, wei=bond) == "UnknownHeader"
    docket.machine.warp(DELAY_S)
    assert docket.refusal(docket.challenger, "demandLeaf", values, 0, wei=bond) == "WindowClosed"
    assert docket.refusal(docket.challenger, "demandPayee", values, 2, bytes(32), wei=bond) == "WindowClosed"


def test_bonds_of_other_demands_go_back_when_a_header_dies(trial: Trial, docket: Docket) -> None:
    filing, index = trial.post_cheat(), 0
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
    filing = trial.post_honest(2)
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
    filing = trial.post_honest(3)
    after = state_after(filing)
    docket.demand_payee(filing.header, TREASURY)
    assert docket.show(filing, after, TREASURY) == ""
    witness, earned = witness_of(after.tree, earned_key(TREASURY)), after.tree.get(earned_key(TREASURY))

    docket.activate(filing.header)
    entry = (filing.header.node, 2, filing.header.struct_hash(), 2, TREASURY.id, earned, witness[17:])
    paid = docket.machine.send(docket.watcher, docket.world.settlement, "claim", [entry])

    assert paid == earned > 0


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
