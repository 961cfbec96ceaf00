"""Every proof that a watcher sends, on the real contracts: each ends the header and pays the challenger."""

from dataclasses import replace

from attribution import merkle
from attribution.findings import Fault, Finding, Place, SignedLeaf
from attribution.receipt_proof import ReceiptProof
from attribution.receipts_file import ReceiptsFile
from attribution.replay import Replay, equivocations, over_claims
from contracts.crypto import Bytes32
from node.watch.challenges import Challenge, broken_links, challenge_of
from tests.contracts.cheats import entry_after, honest, honest_batch, state_after, unchecked, wrong_total
from tests.contracts.docket import Filing, filing_of
from tests.contracts.machine import CHAIN_ID
from tests.contracts.trial import Trial
from tests.contracts.world import OPEN
from tests.node.watch.test_challenges import file_of, replayed


def kills(trial: Trial, filing: Filing, challenge: Challenge | None) -> bool:
    """Whether the challenge ends exactly its header, and its sender receives tokens."""
    assert challenge is not None
    docket, challenger = trial.docket, trial.docket.challenger
    assert challenge.header == filing.header
    assert docket.is_alive(filing.header)
    docket.send(challenger, challenge.function, *challenge.arguments)
    reward = docket.machine.read(trial.world.registry, "rewardOf", trial.world.token.address, challenger)
    return not docket.is_alive(filing.header) and reward > 0


def billed_again(trial: Trial, *, across: bool) -> Filing:
    """A batch whose last receipt bills a request of the batch before it (across), or of the same batch."""
    tip, court = trial.scene.tip, trial.court
    entries = list(honest(court, tip.state, 2))
    again = trial.first.entries[0].item if across else entries[0].item
    last = unchecked(entries[-1].before, entries[-1].item)
    assert last is not None
    before = replace(last, seq=entries[-1].before.seq + 1)
    receipt = replace(
        again.receipt,
        seq=before.seq + 1,
        cum_before=court.charged(before, again.receipt.channel_id),
        started_at=entries[-1].item.receipt.started_at,
        finished_at=entries[-1].item.receipt.finished_at,
    )
    entries.append(entry_after(before, replace(again, receipt=receipt)))
    closed_at = max(entry.item.receipt.finished_at for entry in entries)
    return filing_of(tip, entries, min(closed_at, trial.machine.now), trial.first.header)


def found(findings: list[Finding], fault: Fault) -> Finding:
    return next(finding for finding in findings if finding.fault is fault)


def test_one_request_that_is_billed_twice_kills_the_later_header() -> None:
    for across in (False, True):
        trial = Trial(11)
        filing = billed_again(trial, across=across)
        assert trial.docket.post(filing.header) == ""

        findings, replay, files = replayed(trial, filing)
        finding = found(findings, Fault.DOUBLE_BILLING)

        assert finding.earlier is not None
        assert finding.earlier.epoch == (1 if across else 2)
        assert kills(trial, filing, challenge_of(finding, files, replay.tip.state))


def test_a_claim_beyond_the_receipts_kills_the_newest_header() -> None:
    trial = Trial(12)
    filing = trial.post_honest(2)
    _, replay, files = replayed(trial, filing)
    config = trial.world.channel()
    channel_id = config.channel_id(CHAIN_ID)
    trial.world.deposit(config, 10 * OPEN)
    trial.world.claim_vouchers([trial.world.voucher_claim(config, 5 * OPEN, 5 * OPEN)])

    (finding,) = over_claims(replay.tip.state, 2, {channel_id: 5 * OPEN})

    challenge = challenge_of(finding, files, replay.tip.state, {channel_id: config})
    assert kills(trial, filing, challenge)


def test_a_header_that_ends_elsewhere_or_in_another_total_is_dead_at_once() -> None:
    trial = Trial(13)
    honest_filing = honest_batch(trial.scene)
    elsewhere = replace(honest_filing, header=replace(honest_filing.header, state_root=Bytes32(b"\x05" * 32)))
    for filing, function in ((elsewhere, "proveBrokenEnd"), (raised(trial), "proveWrongTotal")):
        with trial.machine.discarding():
            assert trial.docket.post(filing.header) == ""
            findings, replay, files = replayed(trial, filing)
            challenge = challenge_of(found(findings, Fault.BROKEN_LINK), files, replay.tip.state)

            assert challenge is not None
            assert challenge.function == function
            assert kills(trial, filing, challenge)


def raised(trial: Trial) -> Filing:
    """A batch whose header counts more than its receipts."""
    while (filing := wrong_total(trial.scene)).header.cum_total < state_after(filing).cum_total:
        pass
    return filing


def test_a_second_receipt_with_one_number_kills_the_header() -> None:
    trial = Trial(14)
    filing = trial.post_honest(2)
    _, replay, files = replayed(trial, filing)
    mine = filing.entries[1].item.receipt
    other = replace(mine, tokens_out=mine.tokens_out + 1)
    signed = SignedLeaf(other, trial.world.operator.sign(other.digest(trial.court.domain)))

    (finding,) = equivocations(files[2], trial.world.operator.address, [signed])

    assert finding.place == Place(2, 1, mine.seq)
    assert kills(trial, filing, challenge_of(finding, files, replay.tip.state))


def proof_of(filing: Filing, index: int) -> ReceiptProof:
    """What a payer gets with its receipt."""
    entry = filing.entries[index]
    path = merkle.path_of([other.leaf for other in filing.entries], index)
    return ReceiptProof(filing.header, entry.item.receipt, index, entry.root_before, entry.root_after, path)


def unlinked(trial: Trial, index: int, name: str) -> Filing:
    """A batch in which one leaf has another root before or after it."""
    entries = list(honest(trial.court, trial.scene.tip.state, 3))
    wrong = replace(entries[index], **{name: Bytes32(b"\x07" * 32)})
    entries[index] = wrong
    closed_at = max(entry.item.receipt.finished_at for entry in entries)
    filing = filing_of(trial.scene.tip, entries, min(closed_at, trial.machine.now), trial.first.header)
    return replace(filing, header=replace(filing.header, state_root=state_after(filing).root))


def test_leaves_that_payers_hold_prove_a_link_that_no_file_can_show() -> None:
    trial = Trial(15)
    for index, name, function in (
        (1, "root_before", "proveBrokenLink"),
        (0, "root_after", "proveBrokenLink"),
        (0, "root_before", "proveBrokenEnd"),
        (2, "root_after", "proveBrokenEnd"),
    ):
        with trial.machine.discarding():
            filing = unlinked(trial, index, name)
            assert trial.docket.post(filing.header) == ""
            file: ReceiptsFile = file_of(trial, filing)

            challenges = broken_links([proof_of(filing, at) for at in (2, 0, 1)])

            if (index, name) != (2, "root_after"):  # the file can say that the last leaf ends elsewhere
                assert file.rebuilt_root() != filing.header.receipts_root
            assert [challenge.function for challenge in challenges] == [function]
            assert kills(trial, filing, challenges[0])


def test_leaves_of_an_honest_batch_prove_nothing() -> None:
    trial = Trial(16)
    filing = trial.post_honest(3)

    assert broken_links([proof_of(filing, at) for at in range(3)] + [proof_of(trial.first, 3)]) == []


def test_a_finding_is_no_challenge_without_the_files_that_prove_it() -> None:
    trial = Trial(11)
    findings, _, files = replayed(trial, billed_again(trial, across=True))
    finding = found(findings, Fault.DOUBLE_BILLING)

    assert challenge_of(finding, {2: files[2]}, None) is None
    assert Replay(trial.court.ledger).add(files[1]) == []
