// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {NodeVault} from "../src/NodeVault.sol";
import {Leaf} from "../src/interfaces/IChallenges.sol";
import {IChannelEscrow} from "../src/interfaces/IChannelEscrow.sol";
import {UsageReceipt} from "../src/interfaces/IJudge.sol";
import {BatchHeader} from "../src/interfaces/ILedgers.sol";
import {StateTree} from "../src/libraries/StateTree.sol";
import {HonestOperator} from "./HonestOperator.sol";
import {BlockingToken} from "./HostileTokens.sol";
import {Trees} from "./Trees.sol";

/// @dev Nodes of one owner that post nothing but batches that nobody can justify, most with a contradiction that is
/// proven at once. Every second one is paid in a token that refuses transfers when it likes.
abstract contract CheatingOperators is HonestOperator {
    uint8 internal constant OPAQUE = 0; // nothing but a demand helps
    uint8 internal constant BROKEN_LINK = 1;
    uint8 internal constant BROKEN_END = 2;
    uint8 internal constant WRONG_TOTAL = 3;
    uint8 internal constant DOUBLE_BILLING = 4;
    uint8 internal constant EQUIVOCATION = 5;
    uint8 internal constant OVER_CLAIM = 6;

    uint256 internal constant STAKE = 1_000 ether;
    uint256 internal constant MAX_CHEATS = 8;

    struct Batch {
        uint8 kind;
        BatchHeader header;
        UsageReceipt[2] receipts;
        bytes32[4] roots; // before and after each receipt
    }

    NodeVault[] internal cheats;
    BlockingToken internal hostile;
    mapping(address node => mapping(uint64 epoch => Batch)) internal batches;

    function setUp() public virtual override {
        super.setUp();
        hostile = new BlockingToken(backer, 1e30);
        accept(address(hostile));
        openCheat();
        openCheat();
    }

    /// @dev Another vault of the owner; the even ones are paid in OPEN.
    function openCheat() public {
        if (cheats.length == MAX_CHEATS) return;
        address token = cheats.length % 2 == 0 ? address(open) : address(hostile);
        vm.prank(bob);
        NodeVault cheat = NodeVault(registry.register(token, uint32(cheats.length), operator, "https://cheat.example"));
        cheats.push(cheat);
        bond(cheat, STAKE);
    }

    /// @dev The hostile token refuses to pay Settlement and the challengers, or lets everything pass.
    function setRefusal(bool refuses) external {
        hostile.setAnswersFalse(address(settlement), refuses);
        hostile.setReverts(challenger, refuses);
    }

    function postCheat(uint256 which, uint8 kind, uint128 growth) external {
        NodeVault cheat = cheats[which % cheats.length];
        (,,,, uint128 total,,) = settlement.ledger(address(cheat));
        total += uint128(bound(growth, 2, 100 ether));
        (uint256 bonded,,) = registry.stakeOf(address(cheat));
        if (total - settlement.claimedTotal(address(cheat)) > bonded) return;
        kind = uint8(bound(kind, OPAQUE, OVER_CLAIM));
        bytes32 state = StateTree.stateRoot(0, kind == WRONG_TOTAL ? total - 1 : total);
        BatchHeader memory made = nextHeader(cheat, state, total);
        uint64 diedAt = settlement.diedAt(made.node);
        if (diedAt != 0) made.closedAt = diedAt;
        Batch storage kept = batches[made.node][made.epoch];
        fill(kept, made, kind);
        made.count = 2;
        made.receiptsRoot = Trees.listRoot(hashesOf(kept));
        kept.header = made;
        post(made);
        if (kind == OVER_CLAIM) overClaim(cheat);
    }

    function fill(Batch storage kept, BatchHeader memory made, uint8 kind) private {
        kept.kind = kind;
        kept.roots = [made.prevStateRoot, bytes32("middle"), bytes32("middle"), made.stateRoot];
        if (kind == BROKEN_LINK) kept.roots[2] = "elsewhere";
        if (kind == BROKEN_END) kept.roots[3] = "elsewhere";
        for (uint64 i = 0; i < 2; ++i) {
            UsageReceipt storage one = kept.receipts[i];
            (one.node, one.seq) = (made.node, made.fromSeq + i);
            (one.startedAt, one.finishedAt) = (made.closedAt, made.closedAt);
            one.requestDigest = keccak256(abi.encode(made.node, made.fromSeq, kind == DOUBLE_BILLING ? 0 : i));
        }
    }

    /// @dev Its trees are empty, so whatever the vault claims is too much.
    function overClaim(NodeVault cheat) private {
        if (cheat.token() != address(open)) return;
        IChannelEscrow.ChannelConfig memory config = channelOf(address(cheat));
        (uint128 balance, uint128 claimed) = escrow.channels(escrow.getChannelId(config));
        if (claimed == 5) return;
        if (balance == 0) deposit(config, 10);
        IChannelEscrow.VoucherClaim[] memory claims = voucherClaim(config, 5, 5, payerKey);
        vm.prank(operator);
        cheat.claimVouchers(claims);
    }

    function leavesOf(Batch storage kept) internal view returns (Leaf[2] memory leaves) {
        bytes32[] memory hashes = hashesOf(kept);
        for (uint32 i = 0; i < 2; ++i) {
            leaves[i] = Leaf(
                i, this.hashOf(kept.receipts[i]), kept.roots[2 * i], kept.roots[2 * i + 1], Trees.listProof(hashes, i)
            );
        }
    }

    function hashesOf(Batch storage kept) private view returns (bytes32[] memory hashes) {
        hashes = new bytes32[](2);
        for (uint32 i = 0; i < 2; ++i) {
            hashes[i] = hashOf(
                Leaf(i, this.hashOf(kept.receipts[i]), kept.roots[2 * i], kept.roots[2 * i + 1], new bytes32[](0))
            );
        }
    }

    /// @dev The proof of what is wrong with a batch, as a call of the challenges; none if only a demand helps.
    function proofOf(Batch storage kept) internal view returns (bytes memory) {
        Leaf[2] memory leaves = leavesOf(kept);
        BatchHeader memory made = kept.header;
        if (kept.kind == BROKEN_LINK) return abi.encodeCall(court.proveBrokenLink, (made, leaves[0], leaves[1]));
        if (kept.kind == BROKEN_END) return abi.encodeCall(court.proveBrokenEnd, (made, leaves[1]));
        if (kept.kind == WRONG_TOTAL) return abi.encodeCall(court.proveWrongTotal, (made, 0, made.cumTotal - 1));
        if (kept.kind == DOUBLE_BILLING) {
            return abi.encodeCall(
                court.proveDoubleBilling, (made, leaves[0], kept.receipts[0], made, leaves[1], kept.receipts[1])
            );
        }
        if (kept.kind == EQUIVOCATION) {
            UsageReceipt memory other = kept.receipts[1];
            other.tokensOut += 1;
            bytes memory signed = signature(operatorKey, digestOf(this.hashOf(other)));
            return abi.encodeCall(court.proveEquivocation, (made, leaves[1], other, signed));
        }
        if (kept.kind == OVER_CLAIM && mayBeNewest(made)) {
            bytes memory absent = Trees.stateWitness(new Trees.Leaf[](0), 0);
            return abi.encodeCall(court.proveOverClaim, (made, channelOf(made.node), absent));
        }
        return "";
    }

    /// @dev Over-claims are proven against the newest header of a living ledger whose token is the escrow's.
    function mayBeNewest(BatchHeader memory made) private view returns (bool) {
        (uint64 last,,,,,,) = settlement.ledger(made.node);
        return last == made.epoch && settlement.diedAt(made.node) == 0 && registry.tokenOf(made.node) == address(open);
    }
}
