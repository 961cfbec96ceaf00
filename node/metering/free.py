"""Receipts of a node that serves without chain and payment: signed, with usage and commitments, and a fee of 0."""

import secrets

from sqlalchemy.orm import Session

from attribution.receipts import check_form
from contracts.crypto import ZERO_BYTES32, Bytes32, Signer
from contracts.encoding import commitment
from contracts.structs import NO_CHAIN, REGISTERED_WEIGHTS, UsageReceipt
from node.metering.bill import status_of
from node.metering.issued import IssuedReceipt
from node.store import receipts
from node.store.database import Database
from node.store.receipts import StoredReceipt
from serving.types import End


class FreeMetering:
    """Signs and stores the receipts of a free node. It has no vault, so `node` is the operator's address.

    keep: how many receipts the database holds; the oldest are deleted, at most one per cent late.
    """

    def __init__(self, database: Database, signer: Signer, keep: int = 10_000) -> None:
        self._database, self._signer, self._keep = database, signer, keep
        self._unpruned = keep  # receipts written since the last pruning; as if many, so that the first write prunes

    async def record(
        self,
        request_id: str,
        adapter_key: Bytes32,
        end: End,
        *,
        prompt: bytes,
        output: bytes,
        started_at: int,
        now: int,
    ) -> IssuedReceipt:
        """The receipt of a request that ended; it is on disk when this returns.

        prompt: the request's body. output: see `contracts.encoding.outputs`. Times in unix seconds.
        """
        prompt_salt, output_salt = Bytes32(secrets.token_bytes(32)), Bytes32(secrets.token_bytes(32))
        receipt = UsageReceipt(
            node=self._signer.address,
            seq=0,
            channel_id=ZERO_BYTES32,
            request_digest=ZERO_BYTES32,
            adapter_key=adapter_key,
            price_hash=ZERO_BYTES32,
            terms_hash=ZERO_BYTES32,
            shares_hash=ZERO_BYTES32,
            attribution_version=REGISTERED_WEIGHTS,
            prompt_commit=commitment(prompt_salt, prompt),
            output_commit=commitment(output_salt, output),
            tokens_in=end.usage.prompt_tokens,
            tokens_cached=end.usage.cached_tokens,
            tokens_out=end.usage.output_tokens,
            fee=0,
            cum_before=0,
            voucher_max=0,
            started_at=started_at,
            finished_at=max(now, started_at),
            status=status_of(end),
        )
        check_form(receipt)
        signature = self._signer.sign(receipt.digest(NO_CHAIN))
        stored = StoredReceipt(request_id, receipt, signature, payer=None, request=None, request_signature=None)
        await self._database.write(lambda session: self._add(session, stored))
        return IssuedReceipt(receipt, signature, prompt_salt, output_salt, lines={}, channel=None)

    def _add(self, session: Session, stored: StoredReceipt) -> None:
        """Stores a receipt and, for every hundredth part of `keep`, deletes what exceeds it. On the writer thread."""
        receipts.add(session, stored)
        self._unpruned += 1
        if self._unpruned >= max(1, self._keep // 100):
            receipts.prune_free(session, self._keep)
            self._unpruned = 0
