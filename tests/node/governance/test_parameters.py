"""Changes of parameters as words, as calls, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.crypto import to_address
from local_chain.deployment import Deployment
from node.chain.client import Call
from node.governance.parameters import PARAMETERS, InvalidChange, change_of, parameter_named

DEPLOYMENT = Deployment(
    31337, "0x" + "00" * 32, *(to_address(f"0x{i:040x}") for i in range(1, len(Deployment.__slots__) - 1))
)


@given(st.integers(0, 1_000_000))
def test_parts_are_written_in_ppm_or_per_cent(ppm: int) -> None:
    percent = f"{ppm // 10_000}.{ppm % 10_000:04d}%"
    treasury_ppm = parameter_named("treasury-ppm")

    assert treasury_ppm.call(DEPLOYMENT, [percent]) == treasury_ppm.call(DEPLOYMENT, [str(ppm)])
    assert change_of(treasury_ppm.call(DEPLOYMENT, [str(ppm)]), DEPLOYMENT).arguments == (ppm,)


@pytest.mark.parametrize(("words", "text"), [(["125000"], "12.5 %"), (["1"], "0.0001 %"), (["10%"], "10 %")])
def test_a_change_is_shown_as_people_write_it(words: list[str], text: str) -> None:
    change = change_of(parameter_named("treasury-ppm").call(DEPLOYMENT, words), DEPLOYMENT)

    assert change.text == f"treasury-ppm → {text}"


def test_a_call_with_more_bytes_than_its_arguments_is_unknown() -> None:
    """A wallet that shows only the decoded part would hide the rest."""
    call = parameter_named("treasury-ppm").call(DEPLOYMENT, ["5%"])

    changed = change_of(Call(call.to, call.data + b"\x00"), DEPLOYMENT)

    assert changed.parameter is None
    assert call.data.hex() in changed.text


def test_the_same_call_of_another_contract_is_unknown() -> None:
    call = parameter_named("treasury-ppm").call(DEPLOYMENT, ["5%"])

    assert change_of(Call(DEPLOYMENT.timelock, call.data), DEPLOYMENT).parameter is None


def test_a_number_that_does_not_fit_its_type_is_no_change() -> None:
    with pytest.raises(InvalidChange, match="treasury-ppm"):
        parameter_named("treasury-ppm").call(DEPLOYMENT, [str(2**32)])


def test_names_are_unique() -> None:
    assert len({parameter.name for parameter in PARAMETERS}) == len(PARAMETERS)
