"""What an ended request is billed, by how it ended and what it used."""

from dataclasses import replace

import pytest

from attribution.receipts import Status
from contracts.crypto import ZERO_BYTES32
from contracts.fees import usage_fee
from contracts.structs import MAX_DURATION_S
from node.metering.bill import collectable, fee_of, status_of
from node.payments.admission import Sale
from node.payments.registrations import MemoryRegistrations
from serving.types import Outcome
from tests.node.payments.payer import NOW
from tests.node.payments.shop import ADAPTER, PRICES, TERMS, ended

SALE = Sale(ADAPTER, PRICES, PRICES.struct_hash(), TERMS, TERMS.struct_hash())


def registered() -> MemoryRegistrations:
    registrations = MemoryRegistrations()
    registrations.register_price(PRICES)
    registrations.register_terms(TERMS)
    return registrations


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_has_its_status(outcome: Outcome) -> None:
    assert status_of(ended(outcome)) == Status[outcome.name]


@pytest.mark.parametrize("outcome", [Outcome.FINISHED, Outcome.ABORTED])
def test_what_was_produced_is_billed_however_the_request_ended(outcome: Outcome) -> None:
    end = ended(outcome, prompt_tokens=7, cached_tokens=5, output_tokens=3)

    assert fee_of(end, SALE) == usage_fee(PRICES, 7, 5, 3)


def test_a_failed_request_and_one_without_output_are_free() -> None:
    assert fee_of(ended(Outcome.FAILED), SALE) == 0
    assert fee_of(ended(Outcome.ABORTED, output_tokens=0), SALE) == 0


@pytest.mark.parametrize(("duration_s", "fits"), [(0, True), (MAX_DURATION_S, True), (MAX_DURATION_S + 1, False)])
def test_a_request_that_took_too_long_cannot_be_collected(duration_s: int, *, fits: bool) -> None:
    assert collectable(SALE, registered(), started_at=NOW, finished_at=NOW + duration_s) is fits


def test_a_sale_under_another_registration_cannot_be_collected() -> None:
    dearer = replace(SALE, price_list=replace(PRICES, min_fee=1))
    without_terms = replace(SALE, terms=None, terms_hash=ZERO_BYTES32)

    for sale in (dearer, without_terms):
        assert not collectable(sale, registered(), started_at=NOW, finished_at=NOW)


def test_a_sale_of_the_base_model_needs_no_terms() -> None:
    sale = Sale(ZERO_BYTES32, PRICES, PRICES.struct_hash(), None, ZERO_BYTES32)

    assert collectable(sale, registered(), started_at=NOW, finished_at=NOW)
