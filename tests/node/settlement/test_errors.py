"""Errors of settlement say what happened and what to do."""

import pytest

from contracts.crypto import keccak, to_address
from node.cli.failures import exit_code_of
from node.settlement import errors

NODE, WORD = to_address("0x" + "11" * 20), keccak(b"word")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (errors.TransactionFailed("post:1", "NotOperator()"), "post:1 failed on the chain: NotOperator()"),
        (errors.TransactionPending("post:1", None, "no gas"), "post:1 is not sent yet and not mined: no gas"),
        (
            errors.TransactionPending("post:1", WORD, None),
            f"sent as 0x{WORD.hex()} and not mined. It is never sent twice",
        ),
        (errors.LedgerBroken("epoch 2", "it is missing"), "restore a backup"),
        (errors.LedgerConflict(NODE, 2, WORD, None), "this database has none"),
        (errors.LedgerConflict(NODE, 2, WORD, keccak(b"ours")), keccak(b"ours").hex()),
        (errors.ContributorsUnknown(WORD, 3), "version 3 are not known here"),
        (errors.ContributorsForged(WORD, 3), "differs from the one registered on-chain"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_message_holds_its_values(error: errors.SettlementError, says: str) -> None:
    assert says in str(error)
    assert exit_code_of(error) == 4
