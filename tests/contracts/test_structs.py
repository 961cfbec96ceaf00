"""Every struct is hashed as wallets hash it, and survives JSON and the ABI."""

import dataclasses
from typing import Any

import pytest
from eth_account.messages import _hash_eip191_message, encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import eip712, structs, x402
from contracts.crypto import Address, Bytes32, to_address
from contracts.eip712 import Domain, Struct, StructError

STRUCTS: tuple[type[Struct], ...] = (
    structs.InferenceRequest,
    structs.UsageReceipt,
    structs.PriceList,
    structs.DatanetLink,
    structs.Terms,
    structs.BatchHeader,
    structs.PayoutChange,
    x402.ChannelConfig,
    x402.Voucher,
    x402.Refund,
    x402.ReceiveWithAuthorization,
)
ADDRESSES = st.binary(min_size=20, max_size=20).map(lambda raw: to_address("0x" + raw.hex()))
WORDS = st.binary(min_size=32, max_size=32).map(Bytes32)
DOMAINS = st.builds(Domain, st.text(max_size=20), st.text(max_size=5), st.integers(0, 2**256 - 1), ADDRESSES)


def values_of(struct: type[Struct]) -> st.SearchStrategy[Struct]:
    """Any value of a struct, from its own type string."""
    return st.builds(struct, **{field.name: _values(struct, field) for field in eip712.layout(struct)})


def _values(struct: type[Struct], field: eip712.Field) -> st.SearchStrategy[Any]:
    if field.kind == "address":
        return ADDRESSES
    if field.kind == "bytes32":
        return WORDS
    if field.kind.endswith("[]"):
        return st.lists(values_of(eip712.element_type(struct, field.name)), max_size=3).map(tuple)
    return st.integers(0, 2 ** int(field.kind.removeprefix("uint")) - 1)


ANY = st.one_of([values_of(struct) for struct in STRUCTS])


def typed_data(value: Struct, domain: Domain) -> dict[str, Any]:
    """The document a wallet is shown for `value`, written from the type strings alone."""
    types = {}
    for part in (eip712.encode_type(type(value)) + Domain.TYPE).rstrip(")").split(")"):
        name, body = part.split("(")
        types[name] = [dict(zip(("type", "name"), field.split(" "), strict=True)) for field in body.split(",")]
    return {
        "types": types,
        "primaryType": type(value).__name__,
        "domain": {
            "name": domain.name,
            "version": domain.version,
            "chainId": domain.chain_id,
            "verifyingContract": domain.verifying_contract,
        },
        "message": message(value),
    }


def message(value: Struct) -> dict[str, Any]:
    found = {}
    for field in eip712.layout(type(value)):
        member = getattr(value, field.name)
        found[field.json_name] = [message(one) for one in member] if isinstance(member, tuple) else member
    return found


@settings(deadline=None)
@given(ANY, DOMAINS)
def test_a_digest_is_the_one_that_wallets_sign(value: Struct, domain: Domain) -> None:
    signable = encode_typed_data(full_message=typed_data(value, domain))

    assert value.digest(domain) == bytes(_hash_eip191_message(signable))
    assert value.struct_hash() == signable.body
    assert domain.separator() == signable.header


@settings(deadline=None)
@given(ANY)
def test_a_struct_survives_json(value: Struct) -> None:
    assert type(value).from_json(value.to_json()) == value


@settings(deadline=None)
@given(ANY)
def test_a_struct_survives_the_abi(value: Struct) -> None:
    assert type(value).from_abi(value.abi_tuple()) == value


@settings(deadline=None)
@given(ANY)
def test_a_value_out_of_range_has_no_hash(value: Struct) -> None:
    for field in eip712.layout(type(value)):
        if not field.kind.startswith("uint"):
            continue
        for wrong in (-1, 1 << int(field.kind.removeprefix("uint"))):
            broken = dataclasses.replace(value, **{field.name: wrong})  # type: ignore[type-var]  # all are dataclasses
            with pytest.raises(StructError, match=field.json_name):
                broken.struct_hash()


VOUCHER = {"channelId": "0x" + "ab" * 32, "maxClaimableAmount": "7"}


def test_integers_are_decimal_strings_or_json_numbers() -> None:
    expected = x402.Voucher(Bytes32(bytes.fromhex("ab" * 32)), 7)

    assert x402.Voucher.from_json(VOUCHER) == expected
    assert x402.Voucher.from_json(VOUCHER | {"maxClaimableAmount": 7}) == expected


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ([], "must be a JSON object"),
        ({"channelId": VOUCHER["channelId"]}, "Voucher lacks maxClaimableAmount"),
        (VOUCHER | {"nonce": "1"}, "unknown fields: nonce"),
        (VOUCHER | {"maxClaimableAmount": "-1"}, "maxClaimableAmount: expected a decimal string"),
        (VOUCHER | {"maxClaimableAmount": "07"}, "maxClaimableAmount: expected a decimal string"),
        (VOUCHER | {"maxClaimableAmount": "0x7"}, "maxClaimableAmount: expected a decimal string"),
        (VOUCHER | {"maxClaimableAmount": True}, "maxClaimableAmount: expected a decimal string"),
        (VOUCHER | {"maxClaimableAmount": 7.0}, "maxClaimableAmount: expected a decimal string"),
        (VOUCHER | {"maxClaimableAmount": str(2**128)}, "does not fit uint128"),
        (VOUCHER | {"channelId": "0xab"}, "channelId: expected 0x and 64 hex digits"),
        (VOUCHER | {"channelId": 5}, "channelId: expected a string"),
    ],
)
def test_a_document_that_is_not_the_struct_names_what_is_wrong(document: object, complaint: str) -> None:
    with pytest.raises(StructError, match=complaint):
        x402.Voucher.from_json(document)


def test_an_address_with_a_wrong_checksum_is_refused() -> None:
    to: Address = to_address("0x" + "ab" * 20)
    document = structs.PayoutChange(to, to, 0, 0).to_json()
    wrong = to[:-1] + to[-1].swapcase()

    with pytest.raises(StructError, match=r"PayoutChange\.to: address .* wrong checksum"):
        structs.PayoutChange.from_json(document | {"to": wrong})


def test_a_list_field_must_be_a_list_of_structs() -> None:
    terms = structs.Terms(Bytes32(bytes(32)), to_address("0x" + "00" * 20), 0, 0, 0, Bytes32(bytes(32)), ())

    with pytest.raises(StructError, match=r"Terms\.datanets: expected a list"):
        structs.Terms.from_json(terms.to_json() | {"datanets": {}})
    with pytest.raises(StructError, match="DatanetLink lacks datanetId"):
        structs.Terms.from_json(terms.to_json() | {"datanets": [{}]})
