"""A challenger without a case against an honest node: a real process that nobody looks after."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from attribution.receipts_file import ReceiptsFile
from attribution.split import TREASURY, Payee
from attribution.state_tree import earned_key
from contracts.crypto import Bytes32, PrivateKey
from contracts.structs import BatchHeader
from local_chain.accounts import dev_accounts
from node.client.auth import WalletAuth
from node.dev import starter
from serving.adapters.digests import adapter_digest, base_digest
from tests.e2e.attacked_chain import DAY_S, AttackedChain, Refused, attacked_chain
from tests.e2e.junk_challenges import junk_challenges, state_after
from tests.e2e.node_process import NodeProcess, command, started

pytestmark = pytest.mark.timeout(900)  # a node starts twice, on a machine that others use

OPEN = 10**18
BATCHES, RECEIPTS = 2, 3
MAX_DEMANDS = 4
"""How many Settlement counts, see Deaths.sol."""
HOUR_S = 3_600
OPERATOR, PAYER = dev_accounts()[1:3]
ADAPTER = starter.pack().adapters[1]
OWNER = dev_accounts()[ADAPTER.owner_index]


@dataclass(slots=True)
class Attacked:
    """A node with posted batches whose windows run, and a challenger with money."""

    chain: AttackedChain
    node: NodeProcess
    challenger: PrivateKey
    files: dict[int, ReceiptsFile]

    def header(self, epoch: int) -> BatchHeader:
        return self.files[epoch].header

    def coins(self, key: PrivateKey) -> int:
        """What an account has, in wei."""
        return int(self.chain.web3.eth.get_balance(key.address))

    def await_answers(self, epoch: int) -> None:
        """Waits until no demand on an epoch is open."""
        deadline = time.monotonic() + 60
        while self.chain.open_demands(self.header(epoch).node, epoch):
            assert time.monotonic() < deadline, (self.node.home / "start.err").read_text()[-4000:]
            time.sleep(0.2)

    def seen_in_mempool(self) -> dict[str, Any]:
        """The node's answer once it waits to be mined."""
        deadline = time.monotonic() + 60
        while not (waiting := self.chain.pending(self.chain.deployment.challenges)):
            assert time.monotonic() < deadline, (self.node.home / "start.err").read_text()[-4000:]
            time.sleep(0.1)
        return waiting[0]

    def window_end(self, epoch: int) -> int:
        """When a batch can become active, in unix seconds."""
        settlement, node = self.chain.deployment.settlement, self.header(epoch).node
        return int(self.chain.read("Settlement", settlement, "activeFrom", node, epoch))

    def stake(self) -> int:
        """What the node has bonded, in base units."""
        registry, node = self.chain.deployment.node_registry, self.header(1).node
        return int(self.chain.read("NodeRegistry", registry, "stakeOf", node)[0])

    def earned_by_owner(self) -> int:
        """What all batches gave to the adapter's owner, in base units."""
        return state_after(self.files, BATCHES).tree.get(earned_key(Payee.of_address(OWNER.address)))

    def paid_to_owner(self) -> int:
        """The owner claims in a home of its own; what arrived, in base units."""
        home = self.chain.home(self.node.home.parent / "owner", OWNER)
        done = command(home, "--json", "claim", "--node", self.node.url)
        assert done.returncode == 0, done.stderr
        return int(json.loads(done.stdout)["amount"])

    def epochs(self) -> tuple[int, int]:
        """The newest epoch that is alive, and the newest active one."""
        settlement, node = self.chain.deployment.settlement, self.header(1).node
        last, active, *_ = self.chain.read("Settlement", settlement, "ledger", node)
        return int(last), int(active)


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    root, pack = tmp_path_factory.mktemp("attacking-challenger"), starter.pack()
    digests = {adapter.name: Bytes32(bytes.fromhex(adapter_digest(adapter.path))) for adapter in pack.adapters}
    base = Bytes32(bytes.fromhex(base_digest(pack.base)))
    with attacked_chain(root / "chain", "anvil", base=base, digests=digests) as chain:
        home = chain.home(root / "node", OPERATOR, "operator_account")
        challenger = PrivateKey.generate()
        chain.pay(challenger.address)
        with started(home) as node:
            yield Attacked(chain, node, challenger, sold(node))


def sold(node: NodeProcess) -> dict[int, ReceiptsFile]:
    """Sells and posts every batch; returns their public files."""
    files = {}
    auth = WalletAuth(PAYER, node.home / "wallet", deposit=OPEN)
    with httpx2.Client(auth=auth, timeout=60, base_url=node.url) as client:
        for epoch in range(1, BATCHES + 1):
            for number in range(RECEIPTS):
                body = {"model": ADAPTER.name, "prompt": f"Hello {epoch} {number}", "max_tokens": 4}
                answer = client.post("/v1/completions", json=body)
                assert answer.status_code == 200, answer.text
            assert node.json("settle", "now")["lastEpoch"] == epoch
            files[epoch] = ReceiptsFile.decode(client.get(f"/batches/{epoch}/receipts").content)
    return files


def test_demands_on_every_leaf_and_on_any_payee_are_answered(attacked: Attacked) -> None:
    """More than Settlement counts, for payees of every kind: real, unknown, and of kinds that do not exist."""
    chain, header, nobody = attacked.chain, attacked.header(1), Bytes32(b"\7" * 32)
    payees = [TREASURY, Payee.of_address(OPERATOR.address), *(Payee(kind, nobody) for kind in (0, 1, 3, 255))]
    staked, coins = attacked.stake(), attacked.coins(OPERATOR)

    with chain.mining_by_hand():
        chain.demands(attacked.challenger, header, range(header.count), payees)
        opened = chain.open_demands(header.node, 1)
    attacked.await_answers(1)

    assert opened == header.count + len(payees) > 2 * MAX_DEMANDS
    assert attacked.epochs() == (BATCHES, 0)
    assert attacked.stake() == staked
    assert attacked.coins(OPERATOR) > coins, "the bonds pay more than the gas of the answers"
    with pytest.raises(Refused, match="AlreadyDemanded"):
        chain.demand_leaf(attacked.challenger, header, 0)


def test_junk_proofs_convince_nobody(attacked: Attacked) -> None:
    challenges = ("Challenges", attacked.chain.deployment.challenges)
    refusals = set[str]()

    for function, arguments in junk_challenges(attacked.files, 2, attacked.challenger):
        with pytest.raises(Refused) as refused:
            attacked.chain.send(attacked.challenger, *challenges, function, *arguments)
        refusals.add(str(refused.value).partition("(")[0])

    assert attacked.epochs() == (BATCHES, 0)
    assert {"NoContradiction", "NotInBatch", "WrongReceipt", "WrongOperatorSigner"} <= refusals


def test_an_answer_that_is_copied_from_the_mempool_costs_the_node_its_gas_alone(attacked: Attacked) -> None:
    chain, header, thief = attacked.chain, attacked.header(1), attacked.challenger
    challenges = chain.deployment.challenges
    staked = attacked.stake()

    with chain.mining_by_hand():
        chain.demands(thief, header, [], [Payee.of_address(OWNER.address)])
        answer = attacked.seen_in_mempool()
        copied = chain.signed_data(thief, challenges, answer["input"], tip_gwei=100)
        stolen = chain.web3.eth.send_raw_transaction(copied)
        chain.ask("evm_mine")
    attacked.await_answers(1)

    assert chain.web3.eth.get_transaction_receipt(stolen)["status"] == 1
    assert chain.web3.eth.get_transaction_receipt(answer["hash"])["status"] == 0
    assert attacked.epochs() == (BATCHES, 0)
    assert attacked.stake() == staked
    assert httpx2.get(attacked.node.url + "/readyz").status_code == 200


def test_demands_of_friday_evening_are_answered_by_a_node_that_comes_back_on_saturday(attacked: Attacked) -> None:
    """In the last minute of the window, and just before the node went down; then everybody is paid."""
    chain, header = attacked.chain, attacked.header(2)
    staked = attacked.stake()
    chain.pass_time(attacked.window_end(2) - chain.now - 60)
    assert attacked.node.stop() == 0
    with chain.mining_by_hand():
        chain.demands(attacked.challenger, header, range(header.count), [TREASURY])
    assert chain.open_demands(header.node, 2) == header.count + 1
    chain.pass_time(DAY_S - 2 * HOUR_S)

    with started(attacked.node.home) as attacked.node:
        attacked.await_answers(2)
        settled = attacked.node.json("settle", "now", "--wait")
        paid = attacked.paid_to_owner()

    assert settled["activeEpoch"] == BATCHES
    assert attacked.stake() == staked
    assert paid == attacked.earned_by_owner() > 0
