"""An operator who cheats in every way it knows, against a stranger who runs `watch`."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

import pytest

from attribution.split import TREASURY
from contracts.crypto import PrivateKey
from contracts.structs import BatchHeader
from tests.e2e.attacked_chain import DAY_S, AttackedChain, Refused, attacked_chain
from tests.e2e.attacker import Attacker
from tests.e2e.attacks import ATTACKS, COPIED, HONEST, is_honest
from tests.e2e.public_files import PublicFiles
from tests.e2e.restitution import Restitution, paid_out
from tests.e2e.vaults import STAKE, Founder
from tests.e2e.watcher import Watcher, watching

pytestmark = pytest.mark.timeout(900)  # the first test waits for the whole scene, on a machine that others use

UNBONDING = "withdraws-its-stake"
UNCOLLECTED = "never-collects"


@dataclass(frozen=True, slots=True)
class Scene:
    """The attackers, by name, once a day has passed in which they were watched. refused: posts that never happened.

    at_once: those whose headers were dead before any time passed. thief: who copied a proof; None without a mempool.
    """

    chain: AttackedChain
    attackers: dict[str, Attacker]
    watcher: Watcher
    refused: dict[str, str]
    at_once: set[str]
    restitution: Restitution
    thief: PrivateKey | None


@pytest.fixture(scope="module", params=["anvil", pytest.param("pyevm", marks=pytest.mark.full)])
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    root, public = tmp_path_factory.mktemp("attacking-operator"), PublicFiles()
    with ExitStack() as running:
        chain = running.enter_context(attacked_chain(root / "chain", request.param))
        running.enter_context(public.serving())
        attackers = attacked(chain, public)
        refused = dict(refused_posts(attackers))
        key = PrivateKey.generate()
        home = chain.home(root / "watcher", key)
        with ExitStack() as mempool:
            if request.param == "anvil":
                mempool.enter_context(chain.mining_by_hand())
            watcher = running.enter_context(watching(home, key, attackers.values()))
            thief = copied_proof(chain, watcher) if request.param == "anvil" else None
        at_once = await_death(watcher, attackers)
        restitution = asyncio.run(paid_out(chain, list(attackers.values()), root / "mirror"))
        yield Scene(chain, attackers, watcher, refused, at_once, restitution, thief)


def attacked(chain: AttackedChain, public: PublicFiles) -> dict[str, Attacker]:
    """Every attacker after its attack, and an honest operator."""
    founder, made = Founder(chain), dict[str, Attacker]()
    founder.fund()
    for name, attack in ATTACKS.items():
        made[name] = Attacker.turned(name, founder.open(), public, collects=attack.collects)
        attack.run(made[name])
    made[HONEST] = Attacker.turned(HONEST, founder.open(), public)
    is_honest(made[HONEST])
    return made


def refused_posts(attackers: dict[str, Attacker]) -> Iterator[tuple[str, str]]:
    """Headers that Settlement refuses, and why."""
    honest = next_header(attackers[HONEST])
    for name, attacker, header in (
        ("nothing new", attackers[HONEST], replace(honest, cum_total=honest.cum_total - 1)),
        ("the largest number", attackers[HONEST], replace(honest, cum_total=2**128 - 1)),
        ("another second batch", attackers[HONEST], replace(attackers[HONEST].headers[2], closed_at=1)),
        ("its stake is leaving", attackers[UNBONDING], next_header(attackers[UNBONDING])),
    ):
        with pytest.raises(Refused) as refusal:
            attacker.post(header)
        yield name, str(refusal.value)


def next_header(attacker: Attacker) -> BatchHeader:
    """A header after the second batch that charges one base unit more."""
    last = attacker.headers[2]
    return replace(
        last,
        epoch=3,
        from_seq=last.from_seq + last.count,
        prev_header_hash=last.struct_hash(),
        prev_state_root=last.state_root,
        cum_total=last.cum_total + 1,
    )


def copied_proof(chain: AttackedChain, watcher: Watcher) -> PrivateKey:
    """Somebody sees the watcher's first transaction before it is mined, and is faster with the same calldata."""
    thief, challenges = PrivateKey.generate(), chain.deployment.challenges
    watcher.until(lambda: bool(chain.pending(challenges)))
    (proof,) = chain.pending(challenges)
    chain.give(thief.address)
    chain.web3.eth.send_raw_transaction(chain.signed_data(thief, challenges, proof["input"], tip_gwei=100))
    chain.ask("evm_mine")
    return thief


def await_death(watcher: Watcher, attackers: dict[str, Attacker]) -> set[str]:
    """Lets the watcher prove and demand, then a day pass, then the demands expire. Returns who died before that."""
    chain = attackers[HONEST].chain
    for name, attack in ATTACKS.items():
        attacker = attackers[name]
        if attack.dies_at_once:
            watcher.until(attacker.is_dead)
        else:
            watcher.until(lambda attacker=attacker: "demanded" in watcher.said(attacker, "action"))
        if attack.answers:
            attacker.show(TREASURY)
            watcher.until(lambda attacker=attacker: chain.open_demands(attacker.node, 2) == 1)
    at_once = {name for name, attacker in attackers.items() if attacker.is_dead()}
    chain.pass_time(DAY_S)
    for name in ATTACKS:
        watcher.until(attackers[name].is_dead)
    return at_once


# ---- caught ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ATTACKS)
def test_every_attack_is_found_for_what_it_is(scene: Scene, name: str) -> None:
    assert set(scene.watcher.said(scene.attackers[name], "fault")) == {ATTACKS[name].fault}


@pytest.mark.parametrize("name", ATTACKS)
def test_its_header_dies_and_the_one_before_lives(scene: Scene, name: str) -> None:
    attacker = scene.attackers[name]

    assert attacker.epochs()[0] == 1
    assert (name in scene.at_once) == ATTACKS[name].dies_at_once


@pytest.mark.parametrize("name", ATTACKS)
def test_its_whole_stake_is_slashed_and_half_goes_to_the_watcher(scene: Scene, name: str) -> None:
    attacker = scene.attackers[name]
    slashed = attacker.slashed()

    assert attacker.staked() == (0, 0)
    caught_by = scene.thief if scene.thief and name == COPIED else scene.watcher.key
    assert slashed.challenger == caught_by.address
    assert slashed.reward == STAKE // 2
    assert slashed.reward + slashed.restitution + slashed.burned == STAKE


@pytest.mark.parametrize("name", ATTACKS)
def test_it_can_post_nothing_newer(scene: Scene, name: str) -> None:
    attacker = scene.attackers[name]

    with pytest.raises(Refused, match="ClosedAfterDeath"):
        attacker.post(replace(attacker.headers[2], closed_at=scene.chain.now))


def test_an_honest_operator_among_them_keeps_its_header_and_stake(scene: Scene) -> None:
    honest = scene.attackers[HONEST]

    assert scene.watcher.said(honest, "fault") == scene.watcher.said(honest, "action") == []
    assert honest.epochs() == (2, 2)
    assert honest.staked() == (STAKE, 0)


def test_a_header_without_growth_stake_or_place_is_refused(scene: Scene) -> None:
    assert {name: error.partition("(")[0] for name, error in scene.refused.items()} == {
        "nothing new": "TotalNotIncreasing",
        "the largest number": "StakeTooLow",
        "another second batch": "ConflictingHeader",
        "its stake is leaving": "StakeTooLow",
    }


def test_a_stake_that_was_leaving_does_not_leave(scene: Scene) -> None:
    attacker = scene.attackers[UNBONDING]
    registry, owner = scene.chain.deployment.node_registry, attacker.vault.operator

    with pytest.raises(Refused, match="NothingUnbonding"):
        scene.chain.send(owner, "NodeRegistry", registry, "withdrawUnbonded", attacker.node, owner.address)


# ---- whole ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*ATTACKS, HONEST])
def test_honest_payees_can_claim_everything_that_honest_headers_gave_them(scene: Scene, name: str) -> None:
    """Rounding keeps less than a base unit per contributor back."""
    attacker, claimed = scene.attackers[name], scene.restitution.claimed[name]
    total = attacker.headers[attacker.epochs()[0]].cum_total
    contributors = scene.chain.seeded.datanets[0].contributors.members

    assert total - len(contributors) < claimed <= total


def test_every_claim_is_paid_in_full(scene: Scene) -> None:
    assert scene.restitution.arrived == sum(scene.restitution.claimed.values()) > 0


def test_a_shortfall_is_paid_from_the_stake(scene: Scene) -> None:
    attacker = scene.attackers[UNCOLLECTED]

    assert attacker.slashed().restitution == attacker.headers[1].cum_total
    assert all(scene.attackers[name].slashed().restitution == 0 for name in ATTACKS if name != UNCOLLECTED)


def test_the_watcher_gets_its_bonds_back(scene: Scene) -> None:
    challenges = scene.chain.deployment.challenges

    scene.watcher.until(
        lambda: (
            scene.chain.read("Challenges", challenges, "returnedTo", scene.watcher.key.address) == 0
            and any(line.get("action") == "withdrew" for line in scene.watcher.lines)
        )
    )
