"""`receipts verify FILE…` without a network: chains of files, checkpoints, single receipts, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from attribution.batch import build
from attribution.receipts_file import ReceiptsFile
from contracts.crypto import PrivateKey
from contracts.encoding import to_hex
from contracts.structs import UsageReceipt
from tests.attribution.ledgers import LEDGER, OPERATOR, OPERATOR_KEY, HonestNode, published, word
from tests.node.cli.conftest import Cli


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Three batch files of one ledger, as a node serves them."""
    node = HonestNode()
    tip, paths = node.genesis, []
    for seed in range(3):
        items = node.serve_many(4, seed=seed)
        paths.append(tmp_path / f"batch-{seed + 1}.receipts")
        paths[-1].write_bytes(published(tip, items).encode())
        tip = build(tip, items).tip
    return paths


def words(paths: list[Path]) -> list[str]:
    return [str(path) for path in paths]


def rewritten(path: Path, **header: object) -> None:
    """The file with another header, as a dishonest node would publish it."""
    file = ReceiptsFile.decode(path.read_bytes())
    path.write_bytes(replace(file, header=replace(file.header, **header)).encode())  # type: ignore[arg-type]


def saved(path: Path, receipt: UsageReceipt, signer: PrivateKey = OPERATOR_KEY) -> str:
    """A receipt as GET /receipts/ID answers, without its lines."""
    document = {
        "id": to_hex(receipt.struct_hash()),
        "receipt": receipt.to_json(),
        "signature": to_hex(signer.sign(receipt.digest(LEDGER.domain))),
        "lines": [{"payeeKind": 0, "id": "0x" + "00" * 32, "amount": str(receipt.fee)}],
    }
    path.write_text(json.dumps(document))
    return str(path)


def test_a_ledger_is_verified_from_its_files_in_any_order(cli: Cli, files: list[Path]) -> None:
    done = cli("receipts", "verify", *words([files[2], files[0], files[1]]))

    assert done.code == 0
    assert [line.split(":")[0] for line in done.out.splitlines()] == [f"ok       epoch {at}" for at in (1, 2, 3)]


def test_a_missing_epoch_and_a_late_start_are_named(cli: Cli, files: list[Path]) -> None:
    gap, late = cli("receipts", "verify", *words([files[0], files[2]])), cli("receipts", "verify", str(files[1]))

    assert (gap.code, late.code) == (7, 2)
    assert "epoch is 3, expected 2" in gap.out
    assert "--from CHECKPOINT" in late.err


def test_the_first_broken_rule_is_named_with_its_receipt_and_values(cli: Cli, files: list[Path]) -> None:
    file = ReceiptsFile.decode(files[1].read_bytes())
    last = file.entries[-1]
    early = replace(file.header, closed_at=last.receipt.finished_at - 1)
    files[1].write_bytes(replace(file, header=early).encode())

    done = cli("receipts", "verify", "--json", *words(files))

    assert done.code == 7
    assert [row["verdict"] for row in json.loads(done.out)] == ["ok", "WRONG"]
    expected = f"epoch 2, receipt 8: T7 broken (unjustified leaf): finished at {last.receipt.finished_at}"
    assert expected in json.loads(done.out)[1]["detail"]


def test_a_replay_starts_from_a_checkpoint(cli: Cli, files: list[Path], tmp_path: Path) -> None:
    state = str(tmp_path / "state.json")

    first = cli("receipts", "verify", str(files[0]), "--write-checkpoint", state)
    rest = cli("receipts", "verify", *words(files[1:]), "--from", state)
    again = cli("receipts", "verify", str(files[0]), "--from", state)
    document = json.loads(Path(state).read_text())
    document["leaves"][next(iter(document["leaves"]))] = "1"
    Path(state).write_text(json.dumps(document))
    forged = cli("receipts", "verify", *words(files[1:]), "--from", state)

    assert [first.code, rest.code, again.code, forged.code] == [0, 0, 7, 7]
    assert "its leaves do not give the stateRoot" in forged.err


def test_a_receipt_is_checked_against_the_file_of_its_batch(cli: Cli, files: list[Path], tmp_path: Path) -> None:
    receipt = ReceiptsFile.decode(files[0].read_bytes()).entries[1].receipt
    other = replace(receipt, output_commit=word("another answer"))

    posted = cli("receipts", "verify", "--json", str(files[0]), saved(tmp_path / "receipt.json", receipt))
    forked = cli("receipts", "verify", str(files[0]), saved(tmp_path / "receipt.json", other))
    stranger = saved(tmp_path / "receipt.json", receipt, PrivateKey(word("a stranger")))
    unsigned = cli("receipts", "verify", str(files[0]), stranger)

    verdicts = {row["check"]: row["verdict"] for row in json.loads(posted.out)}
    assert verdicts == {
        "epoch 1": "ok",
        "signature": "ok",
        "form": "ok",
        "price and split": "WRONG",  # the one line that `saved` writes is not the split
        "batch": "ok",
    }
    assert (forked.code, unsigned.code) == (7, 7)
    assert f"which has {to_hex(receipt.struct_hash())} as number 2" in forked.out
    assert f"not by the operator {OPERATOR}" in unsigned.out


def test_a_receipt_alone_says_what_it_lacks(cli: Cli, files: list[Path], tmp_path: Path) -> None:
    receipt = ReceiptsFile.decode(files[0].read_bytes()).entries[1].receipt
    answer = tmp_path / "answer.json"
    answer.write_text(json.dumps({"choices": [], "receipt": json.loads(Path(saved(answer, receipt)).read_text())}))
    card = tmp_path / "me.json"
    card.write_text(
        json.dumps(
            {
                "chainId": LEDGER.domain.chain_id,
                "settlement": LEDGER.domain.verifying_contract,
                "node": LEDGER.node,
                "operator": OPERATOR,
            }
        )
    )

    alone, with_card = cli("receipts", "verify", str(answer)), cli("receipts", "verify", str(answer), str(card))

    assert (alone.code, with_card.code) == (0, 0)
    assert "skipped  signature: nothing to check it with: save GET /nodes/me" in alone.out
    assert f"ok       signature: by {OPERATOR}, the operator, as the node itself says" in with_card.out


@pytest.mark.parametrize(
    ("content", "code", "says"),
    [
        ("no json", 2, "is no JSON"),
        ("[]", 2, "is neither a batch file"),
        ('{"header": {}, "receipts": []}', 7, "cannot be read"),
        ('{"receipt": 1}', 7, "must be a JSON object"),
        ('{"path": 1, "header": {}}', 7, "path"),
    ],
)
def test_other_files_are_refused_with_what_to_give(
    cli: Cli, tmp_path: Path, content: str, code: int, says: str
) -> None:
    (tmp_path / "given").write_text(content)

    done = cli("receipts", "verify", str(tmp_path / "given"))

    assert done.code == code
    assert says in done.err


def test_a_file_that_is_not_there_is_a_usage_failure(cli: Cli, tmp_path: Path) -> None:
    assert cli("receipts", "verify", str(tmp_path / "absent")).code == 2


def test_a_changed_header_field_is_refused_offline(cli: Cli, files: list[Path]) -> None:
    rewritten(files[0], state_root=word("elsewhere"))

    done = cli("receipts", "verify", str(files[0]))

    assert done.code == 7
    assert "broken link" in done.out
