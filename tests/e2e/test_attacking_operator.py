"""An operator who cheats in every way it knows, against a stranger who runs `watch`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from contracts.crypto import PrivateKey
from local_chain.backend import Engine
from tests.e2e.attacked_chain import AttackedChain, Refused, attacked_chain
from tests.e2e.attacker import Attacker
from tests.e2e.attacks import ATTACKS, HONEST, is_honest
from tests.e2e.node_process import command
from tests.e2e.public_files import PublicFiles
from tests.e2e.vaults import Founder


@dataclass(frozen=True, slots=True)
class Scene:
    """The attackers after their attacks, by name, and what `watch` says about each."""

    chain: AttackedChain
    attackers: dict[str, Attacker]
    findings: dict[str, list[dict[str, str]]]


@pytest.fixture(scope="module", params=["anvil", pytest.param("pyevm", marks=pytest.mark.full)])
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    root, engine = tmp_path_factory.mktemp("attacking-operator"), request.param
    with watched_attacks(root, engine) as made:
        yield made


@contextmanager
def watched_attacks(root: Path, engine: Engine) -> Iterator[Scene]:
    with attacked_chain(root / "chain", engine) as chain, PublicFiles().serving() as public:
        founder = Founder(chain)
        founder.fund()
        attackers = {}
        for name, attack in ATTACKS.items():
            attackers[name] = Attacker.turned(name, founder.open(), public, collects=attack.collects)
            attack.run(attackers[name])
        attackers[HONEST] = Attacker.turned(HONEST, founder.open(), public)
        is_honest(attackers[HONEST])
        home = chain.home(root / "watcher", PrivateKey.generate())
        given = root / "given.jsonl"
        given.write_text("".join(json.dumps(row) + "\n" for one in attackers.values() for row in one.given))
        urls = {one.url: name for name, one in attackers.items()}
        said = command(home, "--json", "watch", *urls, "--once", "--receipts", str(given))
        findings = {name: list[dict[str, str]]() for name in attackers}
        for line in map(json.loads, said.stdout.splitlines()):
            findings[urls[line["node"]]].append(line)
        yield Scene(chain, attackers, findings)


@pytest.mark.parametrize("name", ATTACKS)
def test_every_attack_is_found_for_what_it_is(scene: Scene, name: str) -> None:
    assert [found["fault"] for found in scene.findings[name]] == [ATTACKS[name].fault]


def test_an_honest_operator_among_the_attackers_is_at_no_fault(scene: Scene) -> None:
    assert scene.findings[HONEST] == []


def test_a_header_that_adds_nothing_or_more_than_the_stake_is_refused(scene: Scene) -> None:
    honest = scene.attackers[HONEST]
    last = honest.headers[2]
    following = replace(
        last,
        epoch=3,
        from_seq=last.from_seq + last.count,
        prev_header_hash=last.struct_hash(),
        prev_state_root=last.state_root,
    )

    with pytest.raises(Refused, match="TotalNotIncreasing"):
        honest.post(following)
    with pytest.raises(Refused, match="StakeTooLow"):
        honest.post(replace(following, cum_total=2**128 - 1))
