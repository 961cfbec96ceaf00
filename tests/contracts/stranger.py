"""A verifier of public files that was written from docs/protocol.md alone: it imports nothing of this project.

It needs the standard library, a Keccak-256 (safe-pysha3) and secp256k1 (coincurve). It trusts the files' windows.
"""

import json
from typing import Any

import coincurve
import sha3

Json = dict[str, Any]
ESCROW = "0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003"
DOMAIN = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
TYPES = {
    "receipt": "UsageReceipt(address node,uint64 seq,bytes32 channelId,bytes32 requestDigest,bytes32 adapterKey,"
    "bytes32 priceHash,bytes32 termsHash,bytes32 sharesHash,uint32 attributionVersion,bytes32 promptCommit,"
    "bytes32 outputCommit,uint32 tokensIn,uint32 tokensCached,uint32 tokensOut,uint128 fee,uint128 cumBefore,"
    "uint128 voucherMax,uint64 startedAt,uint64 finishedAt,uint8 status)",
    "request": "InferenceRequest(address node,bytes32 channelId,bytes32 adapterKey,bytes32 requestHash,uint128 maxFee,"
    "bytes32 priceHash,uint256 nonce,uint64 deadline)",
    "header": "BatchHeader(address node,uint64 epoch,uint64 fromSeq,uint32 count,bytes32 prevHeaderHash,"
    "bytes32 prevStateRoot,bytes32 stateRoot,uint128 cumTotal,bytes32 receiptsRoot,uint64 closedAt)",
    "list": "PriceList(address node,bytes32 adapterKey,uint96 promptPerM,uint96 cachedPerM,uint96 outputPerM,"
    "uint96 minFee,address operatorPayee,uint32 treasuryPpm)",
    "link": "DatanetLink(bytes32 datanetId,uint32 version,uint32 ppm)",
    "terms": "Terms(bytes32 adapterKey,address owner,uint32 royaltyPpm,uint32 dataPpm,uint32 evidencePpm,"
    "bytes32 manifestDigest,DatanetLink[] datanets)DatanetLink(bytes32 datanetId,uint32 version,uint32 ppm)",
    "channel": "ChannelConfig(address payer,address payerAuthorizer,address receiver,address receiverAuthorizer,"
    "address token,uint40 withdrawDelay,bytes32 salt)",
    "voucher": "Voucher(bytes32 channelId,uint128 maxClaimableAmount)",
}
ZERO = bytes(32)
HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


class Refused(Exception):
    """The ledger is not valid; the message starts with the rule."""


def keccak(data: bytes) -> bytes:
    return bytes(sha3.keccak_256(data).digest())


def tagged(tag: int, *words: bytes) -> bytes:
    return keccak(bytes([tag]) + b"".join(words))


def word(value: int) -> bytes:
    return value.to_bytes(32)


def raw(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def require(rule: str, holds: bool) -> None:
    if not holds:
        raise Refused(rule)


def struct_hash(type_string: str, value: Json) -> bytes:
    """EIP-712: keccak256(typeHash and one word per member)."""
    words = keccak(type_string.encode())
    for member in type_string[type_string.index("(") + 1 : type_string.index(")")].split(","):
        kind, name = member.split(" ")
        given = value[name]
        if kind == "DatanetLink[]":
            words += keccak(b"".join(struct_hash(TYPES["link"], link) for link in given))
        elif kind == "string":
            words += keccak(given.encode())
        elif kind.startswith("uint"):
            assert int(given) < 1 << int(kind[4:])
            words += word(int(given))
        else:
            words += raw(given).rjust(32, b"\0")
    return keccak(words)


def digest(name: str, chain_id: str, contract: str, hashed: bytes) -> bytes:
    domain = {"name": name, "version": "1", "chainId": chain_id, "verifyingContract": contract}
    return keccak(b"\x19\x01" + struct_hash(DOMAIN, domain) + hashed)


def signer(hashed: bytes, signature: bytes) -> bytes:
    """The 20 bytes of the address that signed, as ecrecover computes it."""
    if len(signature) != 65 or signature[64] not in (27, 28) or int.from_bytes(signature[32:64]) > HALF_ORDER:
        return b""
    compact = signature[:64] + bytes([signature[64] - 27])
    public = coincurve.PublicKey.from_signature_and_message(compact, hashed, hasher=None).format(compressed=False)
    return keccak(public[1:])[12:]


def state_tree_root(leaves: list[tuple[int, int]], level: int = 0) -> bytes:
    """The root over sorted (key, value) pairs that share the first `level` bits."""
    if not leaves:
        return ZERO
    if len(leaves) == 1:
        return tagged(0x00, word(leaves[0][0]), word(leaves[0][1]))
    right = [leaf for leaf in leaves if leaf[0] >> (255 - level) & 1]
    left = [leaf for leaf in leaves if not leaf[0] >> (255 - level) & 1]
    return tagged(0x01, state_tree_root(left, level + 1), state_tree_root(right, level + 1))


def list_root(leaves: list[bytes]) -> bytes:
    depth = (len(leaves) - 1).bit_length()
    level = leaves + [ZERO] * ((1 << depth) - len(leaves))
    while len(level) > 1:
        level = [tagged(0x03, level[at], level[at + 1]) for at in range(0, len(level), 2)]
    return level[0]


def earned(kind: int, identity: bytes) -> int:
    return int.from_bytes(keccak(word(kind) + identity.rjust(32, b"\0"))) >> 1


def charged(channel_id: bytes) -> int:
    return (1 << 255) + earned(0, channel_id)


class Ledger:
    """The state after the files that were added so far."""

    def __init__(self, token: str) -> None:
        self.token, self.values, self.total = token, dict[int, int](), 0
        self.epoch, self.seq, self.header_hash, self.closed_at = 0, 0, ZERO, 0
        self.billed: set[str] = set()

    @property
    def root(self) -> bytes:
        return tagged(0x04, state_tree_root(sorted(self.values.items())), word(self.total))

    def add(self, content: bytes) -> None:
        """Verifies the next file and applies it; Refused names the rule."""
        file: Json = json.loads(content)
        canonical = json.dumps(file, sort_keys=True, separators=(",", ":")).encode("ascii")
        require("file: it is not canonical", canonical == content and file["version"] == 2)
        header, tables = file["header"], Tables(file)
        self._header(header)
        leaves, before = [], self.root
        for index, row in enumerate(file["receipts"]):
            receipt = row["receipt"]
            require("T1", receipt["node"] == header["node"] and int(receipt["seq"]) == int(header["fromSeq"]) + index)
            self._receipt(receipt, row, tables)
            latest = int(header["closedAt"])
            require("T7", self.closed_at <= int(receipt["finishedAt"]) <= latest)
            require("T6", self.root == raw(row["stateRoot"]))
            leaves.append(tagged(0x02, struct_hash(TYPES["receipt"], receipt), before, self.root))
            before = self.root
        require("T8: count", len(leaves) == int(header["count"]))
        require("T8: receiptsRoot", list_root(leaves) == raw(header["receiptsRoot"]))
        require("T8: the end", self.root == raw(header["stateRoot"]) and self.total == int(header["cumTotal"]))
        self.epoch, self.seq = int(header["epoch"]), self.seq + len(leaves)
        self.header_hash, self.closed_at = struct_hash(TYPES["header"], header), int(header["closedAt"])

    def _header(self, header: Json) -> None:
        require("T8: epoch", int(header["epoch"]) == self.epoch + 1)
        require("T8: fromSeq", int(header["fromSeq"]) == self.seq + 1)
        require("T8: prevHeaderHash", raw(header["prevHeaderHash"]) == self.header_hash)
        require("T8: prevStateRoot", raw(header["prevStateRoot"]) == self.root)
        require("T8: cumTotal", int(header["cumTotal"]) > self.total)

    def _receipt(self, receipt: Json, row: Json, tables: "Tables") -> None:
        fee, channel_id = int(receipt["fee"]), raw(receipt["channelId"])
        require("T1", fee > 0 and receipt["status"] in ("0", "1"))
        config = tables.channels[channel_id]
        voucher = tables.voucher(receipt)
        require("T2", config["receiver"] == config["receiverAuthorizer"] == receipt["node"])
        require("T2", config["token"] == self.token and int(config["payerAuthorizer"], 16) > 0)
        require(
            "T2",
            signer(voucher, tables.vouchers[receipt["channelId"], receipt["voucherMax"]])
            == raw(config["payerAuthorizer"]),
        )
        prices, terms = tables.agreed(receipt)
        require("T3", fee == price(prices, receipt))
        require("T4", self.values.get(charged(channel_id), 0) == int(receipt["cumBefore"]))
        require("T4", int(receipt["cumBefore"]) + fee <= int(receipt["voucherMax"]))
        require("T5", receipt["attributionVersion"] == "1" and raw(receipt["sharesHash"]) == ZERO)
        require("T7", 0 <= int(receipt["finishedAt"]) - int(receipt["startedAt"]) <= 3600)
        tables.consent(receipt, row, config, voucher)
        require("T9: billed twice", receipt["requestDigest"] not in self.billed)
        self.billed.add(receipt["requestDigest"])
        signed = digest("OpenLoRA", *tables.domain, struct_hash(TYPES["receipt"], receipt))
        require("signature", signer(signed, raw(row["signature"])) == tables.operator_at(int(receipt["finishedAt"])))
        for key, amount in [*split(fee, prices, terms), (charged(channel_id), fee)]:
            if amount:
                self.values[key] = self.values.get(key, 0) + amount
        self.total += fee


def price(prices: Json, receipt: Json) -> int:
    parts = (("tokensIn", "promptPerM"), ("tokensCached", "cachedPerM"), ("tokensOut", "outputPerM"))
    total = sum(int(receipt[tokens]) * int(prices[per]) for tokens, per in parts)
    return max(int(prices["minFee"]), (total + 999_999) // 1_000_000)


def split(fee: int, prices: Json, terms: Json | None) -> list[tuple[int, int]]:
    """(key, amount) of every line; the operator's comes last and is the rest."""
    lines = [(earned(2, ZERO), fee * int(prices["treasuryPpm"]) // 1_000_000)]
    if terms is not None:
        lines.append((earned(0, raw(terms["owner"])), fee * int(terms["royaltyPpm"]) // 1_000_000))
        for link in terms["datanets"]:
            payee = keccak(raw(link["datanetId"]) + word(int(link["version"])))
            lines.append((earned(1, payee), fee * int(terms["dataPpm"]) * int(link["ppm"]) // 10**12))
    rest = fee - sum(amount for _, amount in lines)
    require("T3: the parts exceed the fee", rest >= 0)
    return [*lines, (earned(0, raw(prices["operatorPayee"])), rest)]


class Tables:
    """The tables of one file, found by hash."""

    def __init__(self, file: Json) -> None:
        self.domain = file["chainId"], file["settlement"]
        self.x402 = "x402 Batch Settlement", file["chainId"], ESCROW
        hashed = [(struct_hash(TYPES["channel"], one), one) for one in file["channels"]]
        self.channels = {digest(*self.x402, one): config for one, config in hashed}
        self.vouchers = {(v["channelId"], v["maxClaimableAmount"]): raw(v["signature"]) for v in file["vouchers"]}
        self.prices = [(struct_hash(TYPES["list"], row["list"]), row) for row in file["priceLists"]]
        self.terms = [(struct_hash(TYPES["terms"], row["terms"]), row) for row in file["terms"]]
        self.without = {row["adapterKey"]: row["until"] for row in file["withoutTerms"]}
        self.operators = file["operators"]

    def voucher(self, receipt: Json) -> bytes:
        values = {"channelId": receipt["channelId"], "maxClaimableAmount": receipt["voucherMax"]}
        return digest(*self.x402, struct_hash(TYPES["voucher"], values))

    def operator_at(self, at: int) -> bytes:
        return next((raw(row["operator"]) for row in self.operators if in_force(row, at)), b"nobody")

    def agreed(self, receipt: Json) -> tuple[Json, Json | None]:
        """The price list and terms that judge a receipt."""
        at, key = int(receipt["startedAt"]), receipt["adapterKey"]
        held = [row for hashed, row in self.prices if hashed == raw(receipt["priceHash"]) and in_force(row, at)]
        require("T3: no price list in force", len(held) == 1)
        prices = held[0]["list"]
        require("T3: another node's list", prices["node"] == receipt["node"])
        require("T3: another adapter's list", prices["adapterKey"] == key or raw(prices["adapterKey"]) == ZERO)
        if raw(receipt["termsHash"]) == ZERO:
            until = None if raw(key) == ZERO else self.without[key]
            require("T3: the adapter has terms", until is None or at < int(until))
            return prices, None
        bound = [row for hashed, row in self.terms if hashed == raw(receipt["termsHash"]) and in_force(row, at)]
        require("T3: no terms in force", len(bound) == 1 and bound[0]["terms"]["adapterKey"] == key)
        return prices, bound[0]["terms"]

    def consent(self, receipt: Json, row: Json, config: Json, voucher: bytes) -> None:
        """T9: the payer agreed to this request, or to this voucher."""
        request = row["request"]
        if request is None:
            require("T9", raw(receipt["requestDigest"]) == voucher)
            return
        asked = digest("OpenLoRA", *self.domain, struct_hash(TYPES["request"], request))
        require("T9", asked == raw(receipt["requestDigest"]))
        require("T9", signer(asked, raw(row["requestSignature"])) == raw(config["payerAuthorizer"]))
        for name in ("node", "channelId", "adapterKey", "priceHash"):
            require("T9", request[name] == receipt[name])
        require("T9", int(receipt["fee"]) <= int(request["maxFee"]))


def in_force(row: Json, at: int) -> bool:
    return int(row["from"]) <= at and (row["until"] is None or at < int(row["until"]))
