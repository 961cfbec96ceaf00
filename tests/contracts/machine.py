"""The compiled contracts on an in-memory EVM, without blocks and keys. It is hundreds of times faster than a chain."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyrevm
import rlp
from eth_abi.abi import decode
from eth_utils.address import to_checksum_address
from web3 import Web3
from web3.contract import Contract as Encoder

from contracts.artifacts import Artifact, load
from contracts.crypto import Address, address_bytes, keccak, to_address

CHAIN_ID = 31337
START = 1_800_000_000
_GAS = 30_000_000
_READER = to_address("0x" + "99" * 20)


class Reverted(Exception):
    """A call failed. `reason` is the name of the custom error, `data` is the revert data."""

    def __init__(self, reason: str, data: bytes) -> None:
        super().__init__(reason)
        self.reason = reason
        self.data = data


@dataclass(frozen=True, slots=True)
class Contract:
    """A deployed contract: its address, and the ABI to call it."""

    address: Address
    artifact: Artifact
    encoder: Encoder

    def calldata(self, function: str, *args: Any) -> bytes:
        return bytes.fromhex(self.encoder.encode_abi(function, args=list(args))[2:])

    def outputs(self, function: str) -> list[str]:
        entry = next(item for item in self.artifact.abi if item.get("name") == function)
        return [_type(output) for output in entry["outputs"]]


class Machine:
    """An EVM with a clock. Calls need no signature: the test names the sender."""

    def __init__(self) -> None:
        self._evm = pyrevm.EVM(pyrevm.Env(cfg=pyrevm.CfgEnv(chain_id=CHAIN_ID)), spec_id="PRAGUE", gas_limit=_GAS)
        self._errors: dict[bytes, str] = {}
        self.now = START
        self.warp(0)

    def warp(self, seconds: int) -> None:
        self.now += seconds
        self._evm.set_block_env(pyrevm.BlockEnv(number=1, timestamp=self.now, gas_limit=2**63))

    def endow(self, address: Address, wei: int) -> None:
        """Gives an account that much of the native coin."""
        self._evm.set_balance(address, wei)

    def coins(self, address: Address) -> int:
        """The native coins of an account, in wei."""
        return int(self._evm.get_balance(address))

    def deploy(self, name: str, sender: Address, *args: Any) -> Contract:
        artifact = load(name)
        constructor = Web3().eth.contract(abi=artifact.abi, bytecode=artifact.bytecode).constructor(*args)
        code = bytes.fromhex(constructor.data_in_transaction[2:])
        return self.at(name, to_address(self._evm.deploy(sender, code)))

    def created_by(self, sender: Address, after: int) -> Address:
        """The address of the contract that `sender` deploys next, once it has deployed `after` others."""
        nonce = self._evm.basic(sender).nonce + after
        return to_address("0x" + keccak(rlp.encode([address_bytes(sender), nonce]))[12:].hex())

    def place(self, name: str, address: Address) -> Contract:
        """Puts bare runtime code at `address`, as the genesis of a local chain does."""
        self._evm.insert_account_info(address, pyrevm.AccountInfo(code=load(name).runtime))
        return self.at(name, address)

    def at(self, name: str, address: Address) -> Contract:
        artifact = load(name)
        for item in artifact.abi:
            if item["type"] == "error":
                signature = f"{item['name']}({','.join(_type(parameter) for parameter in item['inputs'])})"
                self._errors[keccak(signature.encode())[:4]] = item["name"]
        return Contract(address, artifact, Web3().eth.contract(to_checksum_address(address), abi=artifact.abi))

    def send(self, sender: Address, contract: Contract, function: str, *args: Any, wei: int = 0) -> Any:
        """Calls a function and keeps its effects. Returns its value, or a tuple if it has several. Raises Reverted."""
        data = contract.calldata(function, *args)
        try:
            answer = self._evm.message_call(sender, contract.address, data, value=wei, gas=_GAS)
        except RuntimeError as error:
            raise self._reverted(error) from error
        types = contract.outputs(function)
        values = decode(types, bytes(answer))
        return values[0] if len(values) == 1 else values

    def read(self, contract: Contract, function: str, *args: Any) -> Any:
        return self.send(_READER, contract, function, *args)

    def transact(self, sender: Address, address: Address, data: bytes, wei: int = 0) -> int:
        """Calls a function with encoded calldata and keeps its effects. Returns the gas. Raises Reverted.

        The gas is that of a whole transaction: with its base cost and its calldata.
        """
        try:
            self._evm.message_call(sender, address, data, value=wei, gas=_GAS)
        except RuntimeError as error:
            raise self._reverted(error) from error
        return int(self._evm.result.gas_used)

    def call(self, address: Address, data: bytes) -> bytes:
        """Calls a function that changes nothing, with calldata that is encoded already. Raises Reverted."""
        try:
            return bytes(self._evm.message_call(_READER, address, data, gas=_GAS))
        except RuntimeError as error:
            raise self._reverted(error) from error

    @contextmanager
    def discarding(self) -> Iterator[None]:
        """Undoes everything that is sent inside the `with` block."""
        checkpoint, now = self._evm.snapshot(), self.now
        try:
            yield
        finally:
            self._evm.revert(checkpoint)
            self.warp(now - self.now)

    def _reverted(self, error: RuntimeError) -> Reverted:
        output = re.search(r"output: 0x([0-9a-f]*)", str(error))
        data = bytes.fromhex(output[1]) if output else b""
        unnamed = "Revert" if str(error).startswith("Revert") and not data else str(error)
        return Reverted(self._errors.get(data[:4], unnamed), data)


def _type(item: dict[str, Any]) -> str:
    """The canonical type of an ABI item: structs become tuples."""
    kind = str(item["type"])
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(_type(part) for part in item['components'])})" + kind.removeprefix("tuple")
