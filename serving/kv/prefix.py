"""Keys for the content of pages, by which a later request with the same prefix finds them."""

import struct
from collections.abc import Sequence
from hashlib import blake2b

from serving.kv.pages import PAGE_TOKENS, PageKey
from serving.types import AdapterDigest, BaseDigest

_TOKENS = struct.Struct(f"<{PAGE_TOKENS}I")


class PageKeys:
    """The keys of one sequence's full pages: key[i] = H(key[i − 1] ‖ tokens of page i), key[−1] = H(salt).

    salt: base digest, adapter digest, tenant. Keys and values are a function of the tokens and of all weights that act
    on them, so adapters share no pages. Tenants share none either, because the time and price of an answer would reveal
    what another tenant has sent. H is BLAKE2b of 32 bytes: a client that chooses the tokens cannot make two prefixes
    collide, so equal keys mean equal tokens.

    An adapter that acts only from token active_from on shares the pages before that token with the base:

        |-- base's salt: whole pages before active_from --|-- adapter and active_from hashed in, from its page on --|
    """

    def __init__(self, base: BaseDigest, adapter: AdapterDigest | None, tenant: str, active_from: int = 0) -> None:
        first = "" if active_from >= PAGE_TOKENS or adapter is None else adapter
        salt = "\n".join((base, first, tenant))  # digests contain no line break, so no two salts are equal
        self._last = blake2b(salt.encode(), digest_size=32, person=b"prefix salt").digest()
        self._switch = "" if adapter is None or not active_from else f"{adapter}\n{active_from}"
        self._switch_page = active_from // PAGE_TOKENS
        self._keys: list[PageKey] = []

    def of(self, token_ids: Sequence[int], tokens: int) -> list[PageKey]:
        """The keys of the pages that the first `tokens` of `token_ids` fill. Later calls may only append tokens."""
        pages = tokens // PAGE_TOKENS
        for page in range(len(self._keys), pages):
            if page == self._switch_page and self._switch:
                switched = self._last + self._switch.encode()
                self._last = blake2b(switched, digest_size=32, person=b"prefix switch").digest()
            filled = _TOKENS.pack(*token_ids[page * PAGE_TOKENS : (page + 1) * PAGE_TOKENS])
            self._last = blake2b(self._last + filled, digest_size=32, person=b"prefix page").digest()
            self._keys.append(PageKey(self._last))
        return self._keys[:pages]
