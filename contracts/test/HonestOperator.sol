// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Leaf} from "../src/interfaces/IChallenges.sol";
import {IChannelEscrow} from "../src/interfaces/IChannelEscrow.sol";
import {UsageReceipt} from "../src/interfaces/IJudge.sol";
import {BatchHeader} from "../src/interfaces/ILedgers.sol";
import {Evidence} from "../src/judge/Evidence.sol";
import {StateTree} from "../src/libraries/StateTree.sol";
import {Bench} from "./Bench.sol";
import {Trees} from "./Trees.sol";

/// @dev A node that posts honest batches of one receipt each and can justify every one of them. All its receipts are
/// alike, so after `n` of them the state holds `n` times what Bench's `tree` says.
abstract contract HonestOperator is Bench {
    BatchHeader[] internal honest; // by epoch - 1
    UsageReceipt[] internal receipts;

    function postHonest() public virtual {
        uint256 count = honest.length;
        if (count == 300) return; // the voucher is used up
        serve(count);
        BatchHeader memory made = nextHeader(vault, stateAfter(count + 1), uint128((count + 1) * receipt.fee));
        made.count = 1;
        made.receiptsRoot = hashOf(leafOf(count));
        post(made);
        honest.push(made);
    }

    /// @dev The same key signs the next request. Its time is the block's.
    function serve(uint256 count) private {
        uint64 time = uint64(block.timestamp);
        (receipt.seq, receipt.cumBefore) = (uint64(count + 1), uint128(count * receipt.fee));
        (receipt.startedAt, receipt.finishedAt) = (time, time);
        request.nonce = count;
        receipt.requestDigest = digestOf(this.hashOf(request));
        receipts.push(receipt);
    }

    /// @dev What the judge needs for the receipt of an epoch.
    function evidenceOf(uint256 place) internal returns (Evidence memory shown) {
        request.nonce = place;
        shown = evidence();
        shown.treeRoot = Trees.stateTreeRoot(valuesAt(place, 0));
        shown.cumTotal = uint128(place * receipt.fee);
        for (uint256 i = 0; i < tree.length; ++i) {
            shown.witnesses[i] = Trees.stateWitness(valuesAt(place, i), tree[i].key);
        }
    }

    function leafOf(uint256 place) internal view returns (Leaf memory) {
        bytes32 hash = this.hashOf(receipts[place]);
        return Leaf(0, hash, stateAfter(place), stateAfter(place + 1), new bytes32[](0));
    }

    function stateAfter(uint256 count) internal view returns (bytes32) {
        return StateTree.stateRoot(Trees.stateTreeRoot(valuesAt(count, 0)), uint128(count * receipt.fee));
    }

    /// @dev The leaves after `count` receipts, of which the first `grown` hold one receipt more.
    function valuesAt(uint256 count, uint256 grown) internal view returns (Trees.Leaf[] memory leaves) {
        leaves = new Trees.Leaf[](count == 0 ? grown : tree.length);
        for (uint256 i = 0; i < leaves.length; ++i) {
            leaves[i] = Trees.Leaf(tree[i].key, tree[i].value * (i < grown ? count + 1 : count));
        }
    }

    /// @dev Claims in the escrow what the posted receipts charge, and sweeps it.
    function collect() external {
        uint128 charged = uint128(honest.length * receipt.fee);
        (uint128 balance, uint128 claimed) = escrow.channels(receipt.channelId);
        if (balance == 0) deposit(channelOf(address(vault)), 1 ether);
        if (charged == claimed) return;
        IChannelEscrow.VoucherClaim[] memory claims =
            voucherClaim(channelOf(address(vault)), receipt.voucherMax, charged, payerKey);
        vm.prank(operator);
        vault.claimVouchers(claims);
        vault.sweep();
    }

    /// @dev Claims what the newest active header owes to the operator.
    function claimHonest() external {
        uint64 epoch = settlement.activate(address(vault));
        if (epoch == 0) return;
        claim(claimOf(vault, epoch, valuesAt(epoch, 0), tree.length - 1, alice));
    }
}
