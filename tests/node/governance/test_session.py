"""A vote from its proposal to its execution, on a private chain, through the verbs that people use."""

import asyncio
from collections.abc import Iterator

import pytest

from attribution.batch import Item
from contracts.crypto import PrivateKey
from local_chain.accounts import dev_accounts
from local_chain.launcher import RunningChain, start_chain
from local_chain.transactor import connect, contract
from node.chain.rpc import RpcClient
from node.governance.parameters import InvalidChange
from node.governance.session import Document, GovernanceSession

HOLDER, OPERATOR, PAYER = dev_accounts()[:3]
"""HOLDER has almost the whole supply, PAYER a thousandth of it."""


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningChain]:
    running = start_chain(tmp_path_factory.mktemp("governed"), "pyevm")
    yield running
    running.stop()


class Person:
    """One account's verbs, each in an event loop of its own as on the command line."""

    def __init__(self, chain: RunningChain, key: PrivateKey) -> None:
        self._chain, self._key = chain, key

    def __getattr__(self, verb: str):  # type: ignore[no-untyped-def]
        return lambda *words, **options: asyncio.run(self._do(verb, *words, **options))

    async def _do(self, verb: str, *words: object, **options: object) -> Document:
        client = await RpcClient.connect(self._chain.rpc_url, self._chain.deployment.chain_id)
        items: tuple[Item, ...] = ()
        session = GovernanceSession(client, self._chain.deployment, key=lambda: self._key, last_items=lambda: items)
        return await getattr(session, verb)(*words, **options)


def pass_time(chain: RunningChain, seconds: int) -> None:
    web3 = connect(chain.rpc_url)
    web3.provider.make_request("evm_increaseTime", [seconds])  # type: ignore[arg-type]
    web3.provider.make_request("evm_mine", [])  # type: ignore[arg-type]


def test_an_accepted_change_is_executed_and_only_votes_can_make_it(chain: RunningChain) -> None:
    holder, stranger = Person(chain, HOLDER), Person(chain, PAYER)
    settlement = contract(connect(chain.rpc_url), "Settlement", chain.deployment.settlement).functions
    with pytest.raises(InvalidChange, match="gov delegate"):
        holder.propose("treasury-ppm", ["5%"], "cheaper", dry_run=False)
    holder.delegate(HOLDER.address, dry_run=False)
    stranger.delegate(PAYER.address, dry_run=False)
    pass_time(chain, 2)

    proposed = holder.propose("treasury-ppm", ["5%"], "cheaper", dry_run=False)

    (change,) = proposed["changes"]
    assert change["now"] == "10 %"
    assert change["text"] == "treasury-ppm → 5 %"
    pass_time(chain, 2)
    stranger.vote(proposed["id"][:8], "against", "too cheap", dry_run=False)
    holder.vote(proposed["id"], "for", "", dry_run=False)
    with pytest.raises(InvalidChange, match="voted already"):
        holder.vote(proposed["id"], "against", "", dry_run=False)
    with pytest.raises(InvalidChange, match="active"):
        stranger.execute(proposed["id"], dry_run=False)
    pass_time(chain, 40)
    assert stranger.execute(proposed["id"], dry_run=True)["step"] == "queue"
    stranger.execute(proposed["id"], dry_run=False)
    pass_time(chain, 6)
    assert settlement.treasuryPpm().call() == 100_000
    assert stranger.execute(proposed["id"], dry_run=False)["step"] == "execute"

    shown = stranger.shown(proposed["id"])
    assert shown["proposal"]["state"] == "executed"
    assert shown["proposal"]["why"].startswith("cheaper")
    assert int(shown["proposal"]["for"]) == 998_000_000 * 10**18
    assert settlement.treasuryPpm().call() == 100_000
    pass_time(chain, 61)  # the notice period
    assert settlement.treasuryPpm().call() == 50_000
    with pytest.raises(InvalidChange, match="ended"):
        stranger.vote(proposed["id"], "for", "", dry_run=False)
    assert [row["state"] for row in stranger.listed()["proposals"]] == ["executed"]


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        ("treasury-ppm", ["200001"], "TreasuryPpmTooHigh"),
        ("treasury-ppm", ["12.34567%"], "four decimals"),
        ("treasury-ppm", ["-1"], "whole number"),
        ("treasury-ppm", [], "takes PPM"),
        ("treasury", ["0x0000000000000000000000000000000000000000"], "InvalidTreasury"),
        ("treasury", ["bob"], "not an address"),
        ("window", ["0"], "ChallengeWindowOutOfBounds"),
        ("window", ["604801"], "ChallengeWindowOutOfBounds"),
        ("window", ["a day"], "whole number"),
        ("serving-parameters", ["0x12", "https://open.example"], "64 hexadecimal"),
        ("prices", ["1"], "is no parameter: treasury-ppm"),
    ],
)
def test_a_change_that_cannot_be_made_is_refused_when_it_is_proposed(
    name: str, words: list[str], said: str, chain: RunningChain
) -> None:
    with pytest.raises(InvalidChange, match=said):
        Person(chain, HOLDER).propose(name, words, "", dry_run=True)


def test_a_change_of_the_window_is_shown_beside_the_present_one_with_its_effect(chain: RunningChain) -> None:
    (change,) = Person(chain, HOLDER).propose("window", ["86400"], "", dry_run=True)["changes"]

    assert (change["now"], change["text"]) == ("5 s", "window → 86400 s")
    assert change["pace"]["before"] == {"seconds": 5, "waiting": "0"}
    assert change["pace"]["after"] == {"seconds": 86_400, "waiting": "0"}


def test_a_person_without_votes_is_told_what_is_missing(chain: RunningChain) -> None:
    with pytest.raises(InvalidChange, match="0 of the"):
        Person(chain, OPERATOR).propose("treasury-ppm", ["6%"], "", dry_run=False)


def test_an_unknown_id_names_no_proposal(chain: RunningChain) -> None:
    for written in ("", "x", "99999999999"):
        with pytest.raises(InvalidChange, match="begins the id of"):
            Person(chain, HOLDER).shown(written)


def test_every_parameter_is_listed_with_its_present_value(chain: RunningChain) -> None:
    rows = {row["name"]: row["now"] for row in Person(chain, HOLDER).parameters()["parameters"]}

    assert rows["treasury"] == HOLDER.address
    assert rows["window"] == "5 s"
    assert rows["serving-parameters"] == "0x" + "00" * 32
