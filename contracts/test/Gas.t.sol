// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IChannelEscrow} from "../src/interfaces/IChannelEscrow.sol";
import {BatchHeader} from "../src/interfaces/ILedgers.sol";
import {Claim, ShareClaim} from "../src/interfaces/ISettlement.sol";
import {StateTree} from "../src/libraries/StateTree.sol";
import {Trees} from "./Trees.sol";
import {World} from "./World.sol";

/// @notice The gas of each transaction with cold storage, including calldata and the base 21,000 (snapshots/gas.json).
/// "first" writes storage that was zero, "later" changes it. Proofs are as deep as in a tree of 2,048 leaves.
/// Regenerate with: npm --prefix contracts run gas
/// forge-config: default.isolate = true
contract GasTest is World {
    uint256 private constant _DEPTH = 11;

    function record(string memory name) internal {
        vm.snapshotGasLastCall("gas", name);
    }

    function test_Registrations() public {
        vm.prank(alice);
        registry.register(address(open), 0, operator, "https://node.example");
        record("registry.register");
        vm.prank(owner);
        registry.registerPriceList(address(vault), 0, 2 ether, 1 ether, 8 ether, 1e13, owner, 0);
        record("registry.registerPriceList");
        vm.prank(alice);
        settlement.setPayout(bob);
        record("settlement.setPayout");
    }

    function test_Channels() public {
        IChannelEscrow.ChannelConfig[] memory configs = new IChannelEscrow.ChannelConfig[](11);
        for (uint256 i = 0; i < configs.length; ++i) {
            configs[i] = channelOf(address(vault));
            configs[i].salt = bytes32(i);
            deposit(configs[i], 100 ether);
            if (i == 0) record("escrow.deposit first");
        }
        vm.warp(block.timestamp + 1);
        deposit(configs[0], 100 ether);
        record("escrow.deposit later");
        claimVouchers(voucherClaim(configs[0], 10 ether, 5 ether, payerKey), "vault.claimVouchers 1 channel first");
        claimVouchers(voucherClaim(configs[0], 20 ether, 15 ether, payerKey), "vault.claimVouchers 1 channel later");
        vault.sweep();
        record("vault.sweep first");
        IChannelEscrow.VoucherClaim[] memory ten = new IChannelEscrow.VoucherClaim[](10);
        for (uint256 i = 0; i < 10; ++i) {
            ten[i] = voucherClaim(configs[i + 1], 10 ether, 5 ether, payerKey)[0];
        }
        claimVouchers(ten, "vault.claimVouchers 10 channels first");
        vault.sweep();
        record("vault.sweep later");
        vm.prank(operator);
        vault.refundChannel(configs[0], 1 ether);
        record("vault.refundChannel");
    }

    function claimVouchers(IChannelEscrow.VoucherClaim[] memory claims, string memory name) internal {
        vm.prank(operator);
        vault.claimVouchers(claims);
        record(name);
    }

    function test_BatchesAndClaims() public {
        fund(vault, 100 ether);
        (bytes memory proof, bytes32 root) = path(earned(alice, 10 ether));
        postAndActivate(root, 40 ether, "first");
        claim(Claim(address(vault), 1, tips[address(vault)][1].headerHash, ADDRESS, word(alice), 10 ether, proof));
        record("settlement.claim first");
        (proof, root) = path(earned(alice, 20 ether));
        postAndActivate(root, 80 ether, "later");
        claim(Claim(address(vault), 2, tips[address(vault)][2].headerHash, ADDRESS, word(alice), 20 ether, proof));
        record("settlement.claim later");
    }

    // ---- a cycle -----------------------------------------------------------------------------------------------------

    /// @dev What a node sends for 4,096 receipts over 50 channels, in its batches of 25 claims. The aim is 300 gas per
    /// receipt. It is missed: the claims alone, of which each checks a signature and writes a channel, take 295.
    function test_ACycleOf4096ReceiptsOver50Channels() public {
        IChannelEscrow.ChannelConfig[] memory configs = new IChannelEscrow.ChannelConfig[](50);
        for (uint256 i = 0; i < configs.length; ++i) {
            configs[i] = channelOf(address(vault));
            configs[i].salt = keccak256(abi.encode(i));
            deposit(configs[i], 100 ether);
        }
        uint256 first = cycle(configs, 12.345678901234567891 ether, "first");
        uint256 later = cycle(configs, 23.456789012345678912 ether, "later");

        vm.snapshotValue("gas", "cycle of 4096 receipts over 50 channels first", first);
        vm.snapshotValue("gas", "cycle of 4096 receipts over 50 channels later", later);
    }

    function cycle(IChannelEscrow.ChannelConfig[] memory configs, uint128 claimed, string memory when)
        internal
        returns (uint256 gas)
    {
        BatchHeader memory header = nextHeader(vault, keccak256(bytes(when)), 50 * claimed);
        header.count = 4096;
        post(header);
        gas += vm.snapshotGasLastCall("gas", string.concat("cycle: settlement.post ", when));
        for (uint256 from = 0; from < 50; from += 25) {
            IChannelEscrow.VoucherClaim[] memory claims = new IChannelEscrow.VoucherClaim[](25);
            for (uint256 i = 0; i < 25; ++i) {
                claims[i] = voucherClaim(configs[from + i], claimed, claimed, payerKey)[0];
            }
            vm.prank(operator);
            vault.claimVouchers(claims);
            gas += vm.snapshotGasLastCall("gas", string.concat("cycle: vault.claimVouchers 25 channels ", when));
        }
        vault.sweep();
        gas += vm.snapshotGasLastCall("gas", string.concat("cycle: vault.sweep ", when));
        vm.warp(block.timestamp + DELAY);
        settlement.activate(address(vault));
        gas += vm.snapshotGasLastCall("gas", string.concat("cycle: settlement.activate ", when));
    }

    function test_Shares() public {
        bytes32[] memory contributors = new bytes32[](12);
        for (uint64 i = 0; i < 12; ++i) {
            contributors[i] = Trees.contributorLeaf(vm.addr(i + 1), i + 1);
        }
        bytes32 datanetId = assets.createDatanet("skin", "");
        record("assets.createDatanet");
        assets.publishDatanetVersion(datanetId, "content", Trees.listRoot(contributors), 78, 12);
        record("assets.publishDatanetVersion");
        ShareClaim memory entry;
        (entry.node, entry.datanetId, entry.version) = (address(vault), datanetId, 1);
        (entry.contributor, entry.weight, entry.index) = (vm.addr(6), 6, 5);
        entry.weightProof = Trees.listProof(contributors, 5);
        fund(vault, 100 ether);

        bytes32 payee = keccak256(abi.encode(datanetId, uint32(1)));
        for (uint64 epoch = 1; epoch <= 2; ++epoch) {
            entry.epoch = epoch;
            entry.cumulative = uint128(epoch) * 10 ether;
            bytes32 root;
            (entry.proof, root) = path(earned(DATANET, payee, entry.cumulative));
            uint128 total = 4 * entry.cumulative;
            entry.headerHash = post(nextHeader(vault, StateTree.stateRoot(root, total), total));
            vm.warp(block.timestamp + DELAY);
            settlement.activate(address(vault));
            claimShare(entry);
            record(epoch == 1 ? "settlement.claimShare first" : "settlement.claimShare later");
        }
    }

    function postAndActivate(bytes32 treeRoot, uint128 total, string memory when) internal {
        BatchHeader memory header = nextHeader(vault, StateTree.stateRoot(treeRoot, total), total);
        post(header);
        record(string.concat("settlement.post ", when));
        vm.warp(block.timestamp + DELAY);
        settlement.activate(address(vault));
        record(string.concat("settlement.activate ", when));
    }

    /// @dev A proof of full depth: a non-zero sibling at every level.
    function path(Trees.Leaf memory leaf) internal view returns (bytes memory proof, bytes32 root) {
        proof = abi.encodePacked(uint16(_DEPTH), (uint256(1) << _DEPTH) - 1);
        for (uint256 i = 0; i < _DEPTH; ++i) {
            proof = bytes.concat(proof, keccak256(abi.encode(i)));
        }
        root = this.rootOf(leaf.key, leaf.value, proof);
    }

    function rootOf(bytes32 key, uint256 value, bytes calldata proof) external pure returns (bytes32) {
        return StateTree.rootOf(key, value, proof);
    }
}
