"""Reads of deployed contracts."""

import pytest

from node.chain import errors
from node.chain.contracts import SettlementContract
from tests.node.chain.endpoints import CALL, SOMEBODY, endpoint


async def test_a_contract_that_is_not_there_is_named() -> None:
    async with endpoint(lambda method, params: {"result": "0x"}) as client:
        with pytest.raises(errors.ContractMissing, match="no Settlement contract at 0x5151"):
            await SettlementContract(client, CALL.to).ledger(SOMEBODY)


async def test_a_contract_that_answers_otherwise_is_noticed() -> None:
    async with endpoint(lambda method, params: {"result": "0x01"}) as client:
        with pytest.raises(errors.UnexpectedAnswer):
            await SettlementContract(client, CALL.to).ledger(SOMEBODY)
