"""The whole benchmark on a model so small that every scenario ends in seconds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from benchmarks.lab import suite
from benchmarks.lab.lab import Lab
from benchmarks.lab.load import closed_loop
from benchmarks.lab.peers import PeftHotswap, PeftMixed, PeftSetAdapter
from benchmarks.lab.profiles import PROFILES, Profile
from benchmarks.lab.scenarios.hostile import Attack, attempt
from benchmarks.lab.weights import byte_tokenizer, model_config
from serving.errors import SourceRefused
from tests.node.cli.conftest import Cli

TINY = PROFILES["tiny"]
SCENARIOS = suite.SCENARIOS


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario.name for scenario in SCENARIOS])
async def test_a_scenario_compares_its_arms_and_loses_and_mixes_up_nothing(scenario: suite.Scenario) -> None:
    document = await suite.run(TINY, [scenario], 3, lambda scenario, found: None)

    found = json.loads(json.dumps(document, allow_nan=False))["scenarios"][scenario.name]
    assert found["checks"]["exact"] > 0
    assert {name: count for name, count in found["checks"].items() if count} == {"exact": found["checks"]["exact"]}
    assert found["compared"]
    assert all(arm["requests"] > 0 and arm["lost"] == 0 for arm in found["arms"].values())


def test_every_letter_of_the_specification_has_its_scenario() -> None:
    assert sorted(scenario.letter for scenario in SCENARIOS if scenario.letter) == list("ABCDEFGH")


@pytest.mark.parametrize("peer", [PeftMixed, PeftSetAdapter, PeftHotswap])
async def test_peers_give_the_same_answers_as_we_do(peer: type[PeftMixed], tmp_path: Path) -> None:
    lab = Lab(TINY, tmp_path / "lab", seed=5)
    await lab.prepare()
    service = await lab.service(3)
    asks = lab.asks(["a0", "a1", "a2"])

    theirs = peer(lab.base, TINY, {f"a{n}": lab.adapter_folder(n) for n in range(3)}).answer(asks)
    ours = await closed_loop(service, asks, 3)

    expected = {answer.ask.model: answer.tokens for answer in theirs.answers}
    assert {answer.ask.model: answer.tokens for answer in ours.answers} == expected
    assert len(set(expected.values())) == 3
    await lab.close()


async def test_a_hostile_adapter_that_is_accepted_ends_the_run(tmp_path: Path) -> None:
    lab = Lab(TINY, tmp_path / "lab", seed=5)
    await lab.prepare()
    service = await lab.service()
    good = lab.adapter_folder(0)

    with pytest.raises(AssertionError, match="pickled adapter was accepted"):
        await attempt(service, Attack("pickled", f"file:{good}", SourceRefused))
    await lab.close()


@pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))
def test_every_profiles_model_can_be_constructed(profile: Profile) -> None:
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(model_config(profile.shape))

    layer = model.model.layers[0]
    for name, (d_in, d_out) in profile.shape.linears().items():
        linear = layer.get_submodule(name)
        assert (linear.in_features, linear.out_features) == (d_in, d_out)


def test_the_tokenizer_has_a_token_for_every_id_and_spells_any_text() -> None:
    tokenizer = byte_tokenizer(384)

    text = "naïve 漢字 🎉"
    assert len(tokenizer) == 384
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_the_gpu_profile_is_refused_without_one(cli: Cli) -> None:
    done = cli("bench", "serve", "--profile", "gpu")

    assert done.code == 3
    assert "needs a CUDA GPU" in done.err
    assert "--profile cpu" in done.err


def test_one_scenario_is_picked_by_its_letter_and_written_as_json(cli: Cli, tmp_path: Path) -> None:
    done = cli("--json", "bench", "switch", "--profile", "tiny", "--scenario", "E", "--output", str(tmp_path / "r"))

    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert document == json.loads((tmp_path / "r").read_text())
    assert document["name"] == "openlora-switchbench v1"
    assert list(document["scenarios"]) == ["churn"]
    churn = document["scenarios"]["churn"]
    assert {"processor", "cores", "python", "system"} <= churn["machine"].keys()
    assert churn["commit"]
    assert churn["threads"] >= 1


def test_without_torch_the_fix_is_told(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.cli.diagnosis.missing_packages", lambda: ["torch"])

    done = cli("bench", "serve", "--profile", "tiny")

    assert done.code == 3
    assert "packages that are missing: torch" in done.err
    assert "[serve,dev-chain]" in done.err


def test_the_benchmark_loads_no_chain_database_or_http_server() -> None:
    unwanted = {"web3", "eth_account", "coincurve", "sqlalchemy", "sqlmodel", "fastapi", "uvicorn", "contracts"}
    program = "import sys, benchmarks.lab.suite; print(' '.join(sys.modules))"

    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert not unwanted & set(loaded.split())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["serve", "--scenario", "B"], "no scenario 'B'"),
        (["serve", "--profile", "huge"], "no profile 'huge'"),
        (["serve", "--dtype", "int8"], "no dtype 'int8'"),
        (["serve", "--quick", "--full"], "exclude each other"),
    ],
)
def test_what_there_is_not_is_said_with_what_there_is(words: list[str], told: str, cli: Cli) -> None:
    done = cli("bench", *words)

    assert done.code in (2, 3)
    assert told in done.err
    assert "fix:" in done.err
