// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {NodeVault} from "../src/NodeVault.sol";
import {IChannelEscrow} from "../src/interfaces/IChannelEscrow.sol";
import {Check} from "./Check.sol";
import {Trees} from "./Trees.sol";
import {World} from "./World.sol";

/// @dev Honest and dishonest calls of payer, receiver and third parties in three channels of two receivers.
contract EscrowMoves is World {
    IChannelEscrow.ChannelConfig[] internal configs;
    mapping(uint256 => uint128) public highest; // the largest claim per channel so far

    function setUp() public override {
        super.setUp();
        for (uint256 i = 0; i < 3; ++i) {
            configs.push(channelOf(i < 2 ? alice : bob));
            configs[i].salt = bytes32(i);
        }
    }

    function fundChannel(uint256 which, uint128 amount) external {
        vm.warp(block.timestamp + 1);
        deposit(configs[which % 3], uint128(bound(amount, 1, 1_000 ether)));
    }

    function claimVoucher(uint256 which, uint128 total) external {
        IChannelEscrow.ChannelConfig memory config = configs[which % 3];
        (uint128 balance,) = state(which % 3);
        total = uint128(bound(total, 0, balance));
        IChannelEscrow.VoucherClaim[] memory claims = voucherClaim(config, balance, total, payerKey);
        vm.prank(config.receiver);
        escrow.claim(claims);
        if (total > highest[which % 3]) highest[which % 3] = total;
    }

    function giveBack(uint256 which, uint128 amount) external {
        IChannelEscrow.ChannelConfig memory config = configs[which % 3];
        vm.prank(config.receiver);
        escrow.refund(config, uint128(bound(amount, 1, type(uint128).max)));
    }

    function startWithdrawal(uint256 which, uint128 amount) external {
        IChannelEscrow.ChannelConfig memory config = configs[which % 3];
        (uint128 balance, uint128 total) = state(which % 3);
        (, uint40 initiatedAt) = escrow.pendingWithdrawals(escrow.getChannelId(config));
        if (initiatedAt != 0 || balance == total) return;
        vm.prank(payer);
        escrow.initiateWithdraw(config, uint128(bound(amount, 1, balance - total)));
    }

    function endWithdrawal(uint256 which) external {
        IChannelEscrow.ChannelConfig memory config = configs[which % 3];
        (, uint40 initiatedAt) = escrow.pendingWithdrawals(escrow.getChannelId(config));
        if (initiatedAt == 0) return;
        vm.warp(block.timestamp + 1 days);
        vm.prank(payer);
        escrow.finalizeWithdraw(config);
    }

    function settle(uint256 which) external {
        escrow.settle(configs[which % 3].receiver, address(open));
    }

    function state(uint256 which) public view returns (uint128 balance, uint128 total) {
        return escrow.channels(escrow.getChannelId(configs[which]));
    }

    function held() external view returns (uint256) {
        return open.balanceOf(address(escrow));
    }

    function settled() external view returns (uint256 sum) {
        (, uint128 first) = escrow.receivers(alice, address(open));
        (, uint128 second) = escrow.receivers(bob, address(open));
        return uint256(first) + second;
    }

    function received() external view returns (uint256) {
        return open.balanceOf(alice) + open.balanceOf(bob);
    }
}

/// @dev Two nodes with the same token. A tree may owe any amount to any account.
contract SettlementMoves is World {
    NodeVault[] internal nodes;
    mapping(uint256 => mapping(uint64 => Trees.Leaf[])) internal trees;
    mapping(uint256 => uint256) public funded;

    function setUp() public override {
        super.setUp();
        nodes.push(vault);
        nodes.push(registerNode(bob, address(open), operator));
    }

    function bringIn(uint256 which, uint128 amount) external {
        amount = uint128(bound(amount, 0, 1_000 ether));
        fund(nodes[which % 2], amount);
        funded[which % 2] += amount;
    }

    function postBatch(uint256 which, uint128 growth, uint128 forAlice, uint128 forBob) external {
        (uint64 last,,,, uint128 total,,) = settlement.ledger(address(nodes[which % 2]));
        Trees.Leaf[] storage leaves = trees[which % 2][last + 1];
        leaves.push(earned(alice, bound(forAlice, 1, 3_000 ether)));
        leaves.push(earned(bob, bound(forBob, 1, 3_000 ether)));
        post(nodes[which % 2], leaves, total + uint128(bound(growth, 1, 1_000 ether)));
    }

    function wait(uint256 time) external {
        vm.warp(block.timestamp + bound(time, 1, DELAY));
    }

    function activate(uint256 which) external {
        settlement.activate(address(nodes[which % 2]));
    }

    function claimAny(uint256 which, uint64 epoch, bool first) external {
        (uint64 last,,,,,,) = settlement.ledger(address(nodes[which % 2]));
        if (last == 0) return;
        epoch = uint64(bound(epoch, 1, last));
        uint256 index = first ? 0 : 1;
        claim(claimOf(nodes[which % 2], epoch, trees[which % 2][epoch], index, first ? alice : bob));
    }

    function figures(uint256 which)
        external
        view
        returns (
            uint256 credited,
            uint256 claimed,
            uint256 active,
            uint64 activeEpoch,
            uint64 lastEpoch,
            uint64 nextSeq
        )
    {
        address node = address(nodes[which]);
        credited = settlement.credited(node);
        claimed = settlement.claimedTotal(node);
        (lastEpoch, activeEpoch, nextSeq,,, active,) = settlement.ledger(node);
    }

    function held() external view returns (uint256) {
        return open.balanceOf(address(settlement));
    }

    function paid() external view returns (uint256) {
        return open.balanceOf(alice) + open.balanceOf(bob);
    }
}

abstract contract Invariant is Check {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    address internal moves;
    bytes4[] internal selectors;

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = moves;
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(moves, selectors);
    }
}

contract EscrowInvariantTest is Invariant {
    EscrowMoves internal channels;

    function setUp() public {
        channels = new EscrowMoves();
        channels.setUp();
        moves = address(channels);
        selectors.push(EscrowMoves.fundChannel.selector);
        selectors.push(EscrowMoves.claimVoucher.selector);
        selectors.push(EscrowMoves.giveBack.selector);
        selectors.push(EscrowMoves.startWithdrawal.selector);
        selectors.push(EscrowMoves.endWithdrawal.selector);
        selectors.push(EscrowMoves.settle.selector);
    }

    function invariant_EveryTokenInTheEscrowBelongsToSomebody() public view {
        uint256 balances;
        for (uint256 i = 0; i < 3; ++i) {
            (uint128 balance, uint128 total) = channels.state(i);
            balances += balance;
            check(total <= balance, "claimed beyond the balance");
            equal(total, channels.highest(i), "claims only grow");
        }
        equal(channels.held(), balances - channels.settled(), "conserved");
        equal(channels.received(), channels.settled(), "what was settled arrived");
    }
}

contract SettlementInvariantTest is Invariant {
    SettlementMoves internal nodes;

    function setUp() public {
        nodes = new SettlementMoves();
        nodes.setUp();
        moves = address(nodes);
        selectors.push(SettlementMoves.bringIn.selector);
        selectors.push(SettlementMoves.postBatch.selector);
        selectors.push(SettlementMoves.wait.selector);
        selectors.push(SettlementMoves.activate.selector);
        selectors.push(SettlementMoves.claimAny.selector);
    }

    function invariant_NoNodePaysMoreThanItsOwnCredit() public view {
        uint256 owed;
        uint256 paid;
        for (uint256 i = 0; i < 2; ++i) {
            (uint256 credited, uint256 claimed, uint256 active, uint64 activeEpoch, uint64 lastEpoch, uint64 nextSeq) =
                nodes.figures(i);
            check(claimed <= active && active <= credited, "claimed, active, credited");
            check(activeEpoch <= lastEpoch, "epochs");
            equal(nextSeq, 1 + 10 * lastEpoch, "seq");
            equal(credited, nodes.funded(i), "its own money");
            owed += credited - claimed;
            paid += claimed;
        }
        equal(nodes.held(), owed, "conserved");
        equal(nodes.paid(), paid, "what was claimed arrived");
    }
}
