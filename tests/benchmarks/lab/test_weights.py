"""The random models and adapters are what they are said to be."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from benchmarks.lab.profiles import PROFILES, Profile
from benchmarks.lab.weights import byte_tokenizer, model_config, save_adapter


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


def test_an_adapter_has_the_bytes_of_its_profile_and_no_zero_matrix(tmp_path: Path) -> None:
    profile = PROFILES["ci"]

    tensors = load_file(save_adapter(profile, 1, tmp_path / "a1", seed=3) / "adapter_model.safetensors")

    assert sum(tensor.nbytes for tensor in tensors.values()) == profile.adapter_bytes(1)
    assert all(tensor.float().norm() > 0 for tensor in tensors.values())


def test_an_adapter_depends_on_its_number_and_seed_alone(tmp_path: Path) -> None:
    profile = PROFILES["tiny"]

    def weights(name: str, number: int, seed: int) -> bytes:
        return (save_adapter(profile, number, tmp_path / name, seed) / "adapter_model.safetensors").read_bytes()

    assert weights("a", 2, 7) == weights("b", 2, 7)
    assert weights("c", 4, 7) != weights("d", 2, 7) != weights("e", 2, 8)
