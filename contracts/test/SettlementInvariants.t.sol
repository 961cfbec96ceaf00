// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {NodeVault} from "../src/NodeVault.sol";
import {BatchHeader} from "../src/interfaces/ILedgers.sol";
import {Invariant} from "./Invariant.sol";
import {Trees} from "./Trees.sol";
import {World} from "./World.sol";

/// @dev Two nodes with the same token. A tree may owe any amount to any account, any open header may die at any time,
/// and a dead ledger goes on as long as its stake and its end allow.
contract SettlementMoves is World {
    NodeVault[] internal nodes;
    mapping(uint256 => mapping(uint64 => Trees.Leaf[])) internal trees;
    mapping(uint256 => uint256) public funded; // by payers
    mapping(uint256 => uint256) public bonded; // by anybody, ever
    mapping(uint256 => uint256) public unbonded; // withdrawn
    mapping(uint256 => uint64) public highestActive;
    uint256 public deaths;

    function setUp() public override {
        super.setUp();
        nodes.push(vault);
        nodes.push(registerNode(bob, address(open), operator));
        (bonded[0], bonded[1]) = (BOND, BOND);
    }

    // ---- payers and operators --------------------------------------------------------------------------------------

    function bringIn(uint256 which, uint128 amount) external {
        amount = uint128(bound(amount, 0, 1_000 ether));
        fund(nodes[which % 2], amount);
        funded[which % 2] += amount;
    }

    function postBatch(uint256 which, uint128 growth, uint128 forAlice, uint128 forBob) external {
        which %= 2;
        (uint64 last,,,, uint128 total,,) = settlement.ledger(address(nodes[which]));
        total += uint128(bound(growth, 1, 1_000 ether));
        Trees.Leaf[] storage leaves = trees[which][last + 1];
        while (leaves.length != 0) leaves.pop();
        leaves.push(earned(alice, bound(forAlice, 1, 3_000 ether)));
        leaves.push(earned(bob, bound(forBob, 1, 3_000 ether)));
        (uint256 stake,,) = registry.stakeOf(address(nodes[which]));
        if (total - settlement.claimedTotal(address(nodes[which])) > stake) return;
        BatchHeader memory header = nextHeader(nodes[which], rootOf(leaves, total), total);
        uint64 diedAt = settlement.diedAt(header.node);
        if (diedAt != 0) header.closedAt = diedAt;
        post(header);
    }

    function wait(uint256 time) external {
        vm.warp(block.timestamp + bound(time, 1, DELAY));
    }

    function waitLong() external {
        vm.warp(block.timestamp + UNBONDING);
    }

    function addStake(uint256 which, uint256 amount) external {
        amount = bound(amount, 1, 3_000 ether);
        bond(nodes[which % 2], amount);
        bonded[which % 2] += amount;
    }

    function unbond(uint256 which, uint256 amount) external {
        address node = address(nodes[which % 2]);
        (uint256 stake,,) = registry.stakeOf(node);
        address keeper = registry.ownerOf(node);
        vm.prank(keeper);
        registry.startUnbonding(node, bound(amount, 0, stake));
    }

    function withdrawStake(uint256 which) external {
        address node = address(nodes[which % 2]);
        (, uint256 unbonding, uint64 unlockAt) = registry.stakeOf(node);
        if (unbonding == 0 || block.timestamp < unlockAt) return;
        address keeper = registry.ownerOf(node);
        vm.prank(keeper);
        registry.withdrawUnbonded(node, treasury);
        unbonded[which % 2] += unbonding;
    }

    // ---- challenges ------------------------------------------------------------------------------------------------

    function demand(uint256 which, uint64 epoch) external {
        address node = address(nodes[which % 2]);
        epoch = some(node, epoch);
        (,, uint64 from, uint8 demands) = settlement.header(node, epoch);
        if (block.timestamp >= from || demands == 4) return;
        vm.prank(challenges);
        settlement.hold(node, epoch);
    }

    function answer(uint256 which, uint64 epoch) external {
        address node = address(nodes[which % 2]);
        epoch = some(node, epoch);
        (,,, uint8 demands) = settlement.header(node, epoch);
        if (demands == 0) return;
        vm.prank(challenges);
        settlement.release(node, epoch);
    }

    function kill(uint256 which, uint64 epoch) external {
        address node = address(nodes[which % 2]);
        epoch = some(node, epoch);
        if (!settlement.isOpen(node, epoch)) return;
        vm.prank(challenges);
        settlement.kill(node, epoch, challenger);
        ++deaths;
    }

    function takeReward() external {
        if (registry.rewardOf(address(open), challenger) == 0) return;
        vm.prank(challenger);
        registry.withdrawReward(address(open), challenger);
    }

    function settleSlash(uint256 which) external {
        if (registry.slashedOf(address(nodes[which % 2])) != 0) settlement.settleSlash(address(nodes[which % 2]));
    }

    function cover(uint256 which) external {
        try settlement.cover(address(nodes[which % 2])) {} catch {}
    }

    // ---- payees ----------------------------------------------------------------------------------------------------

    function activate(uint256 which) external {
        settlement.activate(address(nodes[which % 2]));
    }

    function claimAny(uint256 which, uint64 epoch, bool first) external {
        which %= 2;
        epoch = some(address(nodes[which]), epoch);
        if (epoch == 0) return;
        uint256 index = first ? 0 : 1;
        claim(claimOf(nodes[which], epoch, trees[which][epoch], index, first ? alice : bob));
    }

    /// @dev A posted epoch; 0 if there is none.
    function some(address node, uint64 epoch) internal view returns (uint64) {
        (uint64 last,,,,,,) = settlement.ledger(node);
        return last == 0 ? 0 : uint64(bound(epoch, 1, last));
    }

    // ---- figures ---------------------------------------------------------------------------------------------------

    function figures(uint256 which)
        external
        view
        returns (uint256 credited, uint256 claimed, uint256 active, uint64 activeEpoch, uint64 last, uint64 seq)
    {
        address node = address(nodes[which]);
        credited = settlement.credited(node);
        claimed = settlement.claimedTotal(node);
        (last, activeEpoch, seq,,, active,) = settlement.ledger(node);
    }

    /// @dev The most that any active tree owes to a payee, or 0.
    function owedAtMost(uint256 which, bool toAlice) external view returns (uint256 most) {
        (, uint64 active,,,,,) = settlement.ledger(address(nodes[which]));
        for (uint64 epoch = 1; epoch <= active; ++epoch) {
            uint256 value = trees[which][epoch][toAlice ? 0 : 1].value;
            if (value > most) most = value;
        }
    }

    function claimedBy(uint256 which, bool isAlice) external view returns (uint256) {
        return settlement.claimed(address(nodes[which]), ADDRESS, word(isAlice ? alice : bob));
    }

    function stakes(uint256 which) external view returns (uint256) {
        (uint256 stake, uint256 unbonding,) = registry.stakeOf(address(nodes[which]));
        return stake + unbonding + registry.slashedOf(address(nodes[which]));
    }

    function held() external view returns (uint256 bySettlement, uint256 byRegistry, uint256 rewards) {
        bySettlement = open.balanceOf(address(settlement));
        byRegistry = open.balanceOf(address(registry));
        rewards = registry.rewardOf(address(open), challenger);
    }

    function left() external view returns (uint256 toPayees, uint256 toChallenger, uint256 burned) {
        toPayees = open.balanceOf(alice) + open.balanceOf(bob);
        toChallenger = open.balanceOf(challenger);
        burned = open.balanceOf(0x000000000000000000000000000000000000dEaD);
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
        selectors.push(SettlementMoves.postBatch.selector); // twice, so that there is something to challenge
        selectors.push(SettlementMoves.wait.selector);
        selectors.push(SettlementMoves.waitLong.selector);
        selectors.push(SettlementMoves.addStake.selector);
        selectors.push(SettlementMoves.unbond.selector);
        selectors.push(SettlementMoves.withdrawStake.selector);
        selectors.push(SettlementMoves.demand.selector);
        selectors.push(SettlementMoves.answer.selector);
        selectors.push(SettlementMoves.kill.selector);
        selectors.push(SettlementMoves.takeReward.selector);
        selectors.push(SettlementMoves.settleSlash.selector);
        selectors.push(SettlementMoves.cover.selector);
        selectors.push(SettlementMoves.activate.selector);
        selectors.push(SettlementMoves.claimAny.selector);
    }

    function invariant_NoNodePaysMoreThanItsOwnCredit() public view {
        uint256 owed;
        uint256 paid;
        for (uint256 i = 0; i < 2; ++i) {
            (uint256 credited, uint256 claimed, uint256 active, uint64 activeEpoch, uint64 last, uint64 seq) =
                nodes.figures(i);
            check(claimed <= active && active <= credited, "claimed, active, credited");
            check(activeEpoch <= last, "epochs");
            equal(seq, 1 + 10 * last, "seq");
            check(credited >= nodes.funded(i), "what payers brought in is credited");
            owed += credited - claimed;
            paid += claimed;
        }
        (uint256 bySettlement,,) = nodes.held();
        (uint256 toPayees,,) = nodes.left();
        equal(bySettlement, owed, "conserved");
        equal(toPayees, paid, "what was claimed arrived");
    }

    function invariant_NobodyClaimsMoreThanAnActiveTreeSays() public view {
        for (uint256 i = 0; i < 2; ++i) {
            check(nodes.claimedBy(i, true) <= nodes.owedAtMost(i, true), "alice");
            check(nodes.claimedBy(i, false) <= nodes.owedAtMost(i, false), "bob");
        }
    }

    /// @dev Stake leaves by unbonding, to the challenger, to nobody, or to the payees of its own node.
    function invariant_StakeIsConserved() public view {
        (, uint256 byRegistry, uint256 rewards) = nodes.held();
        (, uint256 toChallenger, uint256 burned) = nodes.left();
        equal(byRegistry, nodes.stakes(0) + nodes.stakes(1) + rewards, "what the registry holds is somebody's");
        uint256 credited;
        uint256 bonded;
        for (uint256 i = 0; i < 2; ++i) {
            (uint256 credit,,,,,) = nodes.figures(i);
            credited += credit - nodes.funded(i);
            bonded += nodes.bonded(i) - nodes.unbonded(i);
        }
        equal(bonded, byRegistry + toChallenger + burned + credited, "conserved");
        check(nodes.deaths() != 0 || toChallenger + burned + rewards == 0, "without a death nobody is slashed");
    }
}
