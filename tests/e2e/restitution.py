"""What the payees of a vault can claim after a death, from a mirror of its honest batches and the chain alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from contracts.crypto import Address
from local_chain.accounts import dev_accounts
from local_chain.genesis import CHAIN_ID
from node.chain.rpc import RpcClient
from node.settlement.claims import ClaimEntry, ClaimPlan
from node.settlement.direct_sending import send_calls
from node.watch.mirror import mirror
from node.watch.mirrored_claims import mirrored_claims
from node.watch.registries import Registries
from node.watch.source import HttpNode, MirrorFolder
from tests.e2e.attacked_chain import AttackedChain
from tests.e2e.attacker import Attacker


@dataclass(frozen=True, slots=True)
class Restitution:
    """claimed: what the plans of all payees add up to, by the name of the vault. arrived: by how much their balances
    grew by the claims on all vaults.
    """

    claimed: dict[str, int]
    arrived: int


async def paid_out(chain: AttackedChain, attackers: Sequence[Attacker], root: Path) -> Restitution:
    """Pays what slashed stakes owe, activates, and claims for everybody, as anybody may."""
    settlement, anybody = chain.deployment.settlement, dev_accounts()[2]
    client = await RpcClient.connect(chain.rpc_url, CHAIN_ID)
    registries, claimed, entries = Registries(client, chain.deployment), dict[str, int](), list[ClaimEntry]()
    for attacker in attackers:
        if chain.read("NodeRegistry", chain.deployment.node_registry, "slashedOf", attacker.node):
            chain.send(anybody, "Settlement", settlement, "settleSlash", attacker.node)
        chain.send(anybody, "Settlement", settlement, "activate", attacker.node)
        folder = mirrored(attacker, root)
        plans = [await mirrored_claims(folder, registries, payee) for payee in payees(chain, attacker)]
        claimed[attacker.name] = sum(plan.amount for plan, _ in plans)
        entries += [entry for plan, _ in plans for entry in plan.entries]
    everybody = sorted({payee for attacker in attackers for payee in payees(chain, attacker)})
    before = sum(_balance(chain, payee) for payee in everybody)
    calls = ClaimPlan(anybody.address, tuple(entries)).calls(client, settlement)
    await send_calls(client, anybody, calls)
    return Restitution(claimed, sum(_balance(chain, payee) for payee in everybody) - before)


def mirrored(attacker: Attacker, root: Path) -> MirrorFolder:
    """A mirror of the node without the batches that died."""
    folder = MirrorFolder(mirror(HttpNode(attacker.url), root).folder)
    alive = attacker.epochs()[0]
    for epoch in folder.epochs():
        if epoch > alive:
            folder.batch_path(epoch).unlink()
    return folder


def payees(chain: AttackedChain, attacker: Attacker) -> list[Address]:
    """Operator, treasury, the adapter's owner and the contributors of its Datanet."""
    members = [one.address for one in chain.seeded.datanets[0].contributors.members]
    return [attacker.vault.operator.address, dev_accounts()[0].address, attacker.vault.terms.value.owner, *members]


def _balance(chain: AttackedChain, account: Address) -> int:
    return int(chain.read("OpenToken", chain.deployment.open_token, "balanceOf", account))
