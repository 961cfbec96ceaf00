"""The development accounts: the publicly known keys of the mnemonic that anvil and Hardhat use."""

import hashlib
import hmac
from functools import cache

import coincurve

from contracts.crypto import PrivateKey

DEV_MNEMONIC = "test test test test test test test test test test test junk"
DEV_ACCOUNT_COUNT = 22
"""Roles by index: 0 deployer, admin and treasury · 1 operator · 2 payer · 3-5 adapter owners and Datanet stewards ·
10-21 contributors."""

_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_HARDENED = 1 << 31
_ACCOUNT_PATH = (44 + _HARDENED, 60 + _HARDENED, _HARDENED, 0)


@cache
def dev_accounts() -> tuple[PrivateKey, ...]:
    """The keys at m/44'/60'/0'/0/i of the development mnemonic, in order of i (BIP-32, BIP-39, BIP-44)."""
    seed = hashlib.pbkdf2_hmac("sha512", DEV_MNEMONIC.encode(), b"mnemonic", 2048)
    node = hmac.digest(b"Bitcoin seed", seed, "sha512")
    for index in _ACCOUNT_PATH:
        node = _child(node, index)
    return tuple(PrivateKey(_child(node, index)[:32]) for index in range(DEV_ACCOUNT_COUNT))


def _child(node: bytes, index: int) -> bytes:
    """BIP-32 CKDpriv on key ‖ chain code (64 bytes)."""
    key, chain_code = node[:32], node[32:]
    head = b"\0" + key if index >= _HARDENED else coincurve.PrivateKey(key).public_key.format()
    derived = hmac.digest(chain_code, head + index.to_bytes(4), "sha512")
    secret = (int.from_bytes(derived[:32]) + int.from_bytes(key)) % _ORDER
    return secret.to_bytes(32) + derived[32:]
