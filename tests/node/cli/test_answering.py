"""`settle answer` and `watch --answer` on a real chain: any account answers from the public files."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from contracts.structs import BatchHeader
from local_chain.accounts import dev_accounts
from local_chain.transactor import Transactor
from node.home.keystore import Keystores
from tests.node.cli.conftest import Cli
from tests.node.settlement.demanding import Challenger
from tests.node.settlement.market import Town, fund, new_stall, open_market, running_town
from tests.node.watch.publishing import published

PASSWORD = "correct horse"


@dataclass(frozen=True, slots=True)
class Site:
    """A home with a funded account, and the public files of a node that is down."""

    home: Path
    public: Path
    town: Town


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with running_town(tmp_path_factory.mktemp("answering-chain") / "home") as running:
        yield running


@pytest.fixture
def site(town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    home = tmp_path / "home"
    entry = Keystores(home / "keystores", scrypt_n=2).create("payer", PASSWORD)
    Transactor(town.web3, dev_accounts()[2]).pay(entry.address, 10**18)
    (home / "deployment.json").write_text(json.dumps(town.chain.deployment.to_json()))
    monkeypatch.setenv("OPENLORA_CHAIN_RPC", town.chain.rpc_url)
    monkeypatch.setenv("OPENLORA_PASSWORD", PASSWORD)
    return Site(home, tmp_path / "public", town)


def demanded(site: Site, leaves: int, batches: int = 1) -> BatchHeader:
    """A node that posted batches of two receipts and went away; demands on the leaves of the newest one came."""

    async def work() -> BatchHeader:
        async with open_market(site.town, site.home, new_stall(site.town)) as market:
            await fund(market)
            for _ in range(batches):
                await market.serve("dermatology")
                await market.serve(None)
                await market.settlement.cycle.run(market.now, force=True)
            header = market.settlement.book.batches[-1].header
            challenger = Challenger(site.town)
            for index in range(leaves):
                challenger.demand_leaf(header, index)
            await published(market, site.public)
            return header

    return asyncio.run(work())


def test_demands_are_answered_from_files_without_the_node(cli: Cli, site: Site) -> None:
    demanded(site, 2)
    file = str(next(site.public.glob("batch-*.receipts")))

    first = cli("--home", str(site.home), "--json", "settle", "answer", "--file", file)
    second = cli("--home", str(site.home), "settle", "answer", "--mirror", str(site.public))

    assert (first.code, first.err) == (0, "")
    assert [(row["item"], row["answered"]) for row in json.loads(first.out)] == [("leaf:0", True), ("leaf:1", True)]
    assert (second.code, second.out) == (0, "no demand is open\n")


def test_a_watcher_answers_while_it_watches(cli: Cli, site: Site) -> None:
    demanded(site, 1)

    done = cli("--home", str(site.home), "watch", "--once", "--answer", str(site.public))

    assert done.code == 0
    assert "ANSWERED" in done.out
    assert "the demand for leaf 0 of epoch 1 is answered for a bond of" in done.out


def test_a_demand_that_the_files_cannot_answer_is_named_with_exit_code_7(cli: Cli, site: Site) -> None:
    demanded(site, 1, batches=2)
    first, second = sorted(site.public.glob("batch-*.receipts"))

    incomplete = cli("--home", str(site.home), "settle", "answer", "--file", str(first))
    alone = cli("--home", str(site.home), "settle", "answer", "--file", str(second))
    neither = cli("--home", str(site.home), "settle", "answer")
    no_mirror = cli("--home", str(site.home), "settle", "answer", "--mirror", str(site.home))
    whole = cli("--home", str(site.home), "settle", "answer", "--file", str(first), "--file", str(second))

    assert incomplete.code == 7
    assert "leaf 0 of epoch 2 is not answered" in incomplete.out
    assert "the file of epoch 2 was not given" in incomplete.out
    assert (alone.code, neither.code, no_mirror.code, whole.code) == (2, 2, 2, 0)


def test_doctor_names_open_demands(cli: Cli, site: Site) -> None:
    demanded(site, 1)

    done = cli("--home", str(site.home), "--json", "doctor")

    row = next(row for row in json.loads(done.out) if row["check"] == "demands")
    assert (row["ok"], row["found"].startswith("1 open; the demand for leaf 0 of epoch 1")) == (False, True)
