"""Findings become challenges that the contracts accept: dishonest batches die of them, honest ones have none."""

from dataclasses import replace

from attribution.findings import Fault, Finding, Place, SignedLeaf
from attribution.receipts_file import Entry, ReceiptsFile
from attribution.replay import Replay
from contracts.crypto import Bytes32
from node.watch.challenges import Challenge, challenge_of
from tests.contracts.cheats import CHEATS, honest_batch
from tests.contracts.docket import KIND_LEAF, Filing
from tests.contracts.trial import Trial


def file_of(trial: Trial, filing: Filing) -> ReceiptsFile:
    """The filing as its operator publishes it, without signatures."""
    entries = tuple(Entry(one.item.receipt, one.root_after, None, one.item.evidence) for one in filing.entries)
    return ReceiptsFile(trial.court.domain, filing.header, entries)


def replayed(trial: Trial, filing: Filing) -> tuple[list[Finding], Replay, dict[int, ReceiptsFile]]:
    replay, files = Replay(trial.court.ledger), {one.header.epoch: file_of(trial, one) for one in (trial.first, filing)}
    assert replay.add(files[1]) == []
    return replay.add(files[2]), replay, files


def dies_of(trial: Trial, filing: Filing, challenge: Challenge) -> bool:
    """Whether the header dies of the challenge, at once or because nobody can answer the demand."""
    docket = trial.docket
    if not challenge.bonded:
        docket.send(docket.challenger, challenge.function, *challenge.arguments)
        return not docket.is_alive(filing.header)
    bond = docket.bond(KIND_LEAF, filing.header)
    docket.send(docket.challenger, challenge.function, *challenge.arguments, wei=bond)
    index = challenge.arguments[1]
    answer = trial.best_answer(filing, index)
    refused = answer is None or docket.refusal(docket.watcher, "justify", *answer) != ""
    return refused and docket.expire_leaf(filing.header, index) == "" and not docket.is_alive(filing.header)


def test_every_cheat_whose_file_is_served_dies_of_the_challenge_of_a_finding() -> None:
    trial, killed = Trial(3), set[str]()

    for name in CHEATS:
        for _ in range(3):
            filing = CHEATS[name](trial.scene)
            file = file_of(trial, filing)
            if len(file.entries) != filing.header.count or file.rebuilt_root() != filing.header.receipts_root:
                continue  # such a file is refused as withheld before it is replayed
            with trial.machine.discarding():
                if trial.docket.post(filing.header) != "" or trial.is_honest(filing):
                    continue
                findings, replay, files = replayed(trial, filing)
                made = [challenge_of(one, files, replay.tip.state) for one in findings]
                challenge = next((one for one in made if one is not None), None)
                assert challenge is not None, f"{name}: {[str(one) for one in findings]}"
                assert dies_of(trial, filing, challenge), f"{name}: {challenge.function}"
                killed.add(challenge.function)

    assert killed >= {"demandLeaf", "proveWrongTotal"}


def test_a_header_that_ends_in_another_state_dies_of_its_last_leaf() -> None:
    trial = Trial(6)
    honest = honest_batch(trial.scene)
    filing = replace(honest, header=replace(honest.header, state_root=Bytes32(b"\x05" * 32)))
    assert trial.docket.post(filing.header) == ""
    (finding,), replay, files = replayed(trial, filing)

    challenge = challenge_of(finding, files, replay.tip.state)

    assert challenge is not None
    assert challenge.function == "proveBrokenEnd"
    assert dies_of(trial, filing, challenge)


def test_a_receipt_that_the_operator_did_not_sign_proves_nothing_against_an_honest_batch() -> None:
    trial = Trial(4)
    filing = trial.post_honest(3)
    findings, replay, files = replayed(trial, filing)
    posted = filing.entries[1].item.receipt
    other = trial.court.serve().receipt
    signed = SignedLeaf(other, b"\x00" * 65)
    place = Place(filing.header.epoch, 1, posted.seq)

    finding = Finding(Fault.EQUIVOCATION, filing.header.epoch, "", place=place, signed=signed)
    challenge = challenge_of(finding, files, replay.tip.state)

    assert findings == []
    assert challenge is not None
    assert trial.docket.refusal(trial.docket.challenger, challenge.function, *challenge.arguments) != ""
    assert trial.docket.is_alive(filing.header)


def test_what_the_chain_cannot_judge_has_no_challenge() -> None:
    trial = Trial(5)
    filing = trial.post_honest(2)
    _, replay, files = replayed(trial, filing)
    for fault in (Fault.UNSIGNED, Fault.WITHHELD, Fault.UNCHAINED):
        assert challenge_of(Finding(fault, 2, ""), files, replay.tip.state) is None
    assert challenge_of(Finding(Fault.UNJUSTIFIED_LEAF, 9, "", place=Place(9, 0, 1)), files, None) is None
