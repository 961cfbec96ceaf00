// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

import {OpenGovernor} from "../src/governance/OpenGovernor.sol";
import {ServingParameters} from "../src/governance/ServingParameters.sol";
import {IGoverned} from "../src/interfaces/IGoverned.sol";
import {IServingParameters} from "../src/interfaces/IServingParameters.sol";
import {World} from "./World.sol";

/// @dev Votes of OPEN holders, from the proposal to what it changes and what it leaves alone.
contract GovernanceTest is World {
    uint48 private constant VOTING_DELAY = 1 days;
    uint32 private constant VOTING_PERIOD = 1 weeks;
    uint256 private constant TIMELOCK = 2 days;
    uint256 private constant THRESHOLD = 1000 ether;
    uint64 private constant ADMIN_ROLE = 0;
    uint8 private constant AGAINST = 0;
    uint8 private constant FOR = 1;

    TimelockController private timelock;
    OpenGovernor private governor;
    ServingParameters private serving;

    function setUp() public override {
        super.setUp();
        address[] memory anybody = new address[](1);
        timelock = new TimelockController(TIMELOCK, new address[](0), anybody, address(this));
        governor = new OpenGovernor(open, timelock, VOTING_DELAY, VOTING_PERIOD, THRESHOLD, 4);
        serving = new ServingParameters(address(manager));
        timelock.grantRole(timelock.PROPOSER_ROLE(), address(governor));
        timelock.grantRole(timelock.CANCELLER_ROLE(), address(governor));
        timelock.renounceRole(timelock.DEFAULT_ADMIN_ROLE(), address(this));
        vm.startPrank(admin);
        manager.grantRole(ADMIN_ROLE, address(timelock), 0);
        manager.renounceRole(ADMIN_ROLE, admin);
        vm.stopPrank();

        vm.startPrank(payer);
        open.transfer(alice, 50_000 ether);
        open.transfer(bob, 20_000 ether);
        open.delegate(payer);
        vm.stopPrank();
        vm.prank(alice);
        open.delegate(alice);
        vm.prank(bob);
        open.delegate(bob);
        vm.warp(block.timestamp + 1);
    }

    // ---- one change ------------------------------------------------------------------------------------------------

    function test_an_accepted_proposal_changes_the_parameter_after_vote_and_timelock() public {
        bytes memory change = abi.encodeCall(IServingParameters.publish, (keccak256("doc"), "https://open.example/p"));
        uint256 id = propose(address(serving), change);
        vote(id, payer, FOR);
        execute(address(serving), change);

        check(serving.digest() == keccak256("doc"), "the document is recommended");
        check(serving.count() == 1, "one document");
        check(governor.state(id) == IGovernor.ProposalState.Executed, "executed");
    }

    function test_nothing_happens_before_the_timelock_has_passed() public {
        bytes memory change = abi.encodeCall(IGoverned.setTreasury, (bob));
        uint256 id = propose(address(settlement), change);
        vote(id, payer, FOR);
        (address[] memory to, uint256[] memory values, bytes[] memory calls) = one(address(settlement), change);
        governor.queue(to, values, calls, keccak256("why"));
        vm.warp(block.timestamp + TIMELOCK - 1);

        bytes32 operation =
            timelock.hashOperationBatch(to, values, calls, 0, bytes20(address(governor)) ^ keccak256("why"));
        check(!timelock.isOperationReady(operation), "not ready");
        vm.expectRevert();
        governor.execute(to, values, calls, keccak256("why"));
        check(settlement.treasury() == treasury, "unchanged");
    }

    function test_a_proposal_below_the_quorum_or_against_the_majority_is_defeated() public {
        uint256 id = propose(address(settlement), abi.encodeCall(IGoverned.setTreasury, (bob)));
        vote(id, bob, FOR); // 2 % of the supply
        check(governor.state(id) == IGovernor.ProposalState.Defeated, "no quorum");

        id = propose(address(settlement), abi.encodeCall(IGoverned.setTreasury, (alice)));
        vm.warp(governor.proposalSnapshot(id) + 1);
        vm.prank(bob);
        governor.castVote(id, FOR);
        vote(id, alice, AGAINST);
        check(governor.state(id) == IGovernor.ProposalState.Defeated, "no majority");
    }

    function test_a_proposer_needs_the_threshold() public {
        (address[] memory to, uint256[] memory values, bytes[] memory calls) =
            one(address(settlement), abi.encodeCall(IGoverned.setTreasury, (bob)));
        vm.prank(owner);
        vm.expectRevert(
            abi.encodeWithSelector(IGovernor.GovernorInsufficientProposerVotes.selector, owner, 0, THRESHOLD)
        );
        governor.propose(to, values, calls, "why");
    }

    function test_votes_that_are_bought_after_the_proposal_do_not_count() public {
        uint256 id = propose(address(settlement), abi.encodeCall(IGoverned.setTreasury, (bob)));
        vm.warp(governor.proposalSnapshot(id) + 1);
        vm.prank(payer);
        open.transfer(bob, 500_000 ether);
        vm.prank(bob);
        uint256 weight = governor.castVote(id, FOR);

        check(weight == 20_000 ether, "the balance at the snapshot");
    }

    // ---- what votes cannot do --------------------------------------------------------------------------------------

    function test_a_vote_cannot_exceed_the_bounds_of_a_parameter() public {
        bytes memory change = abi.encodeCall(IServingParameters.publish, (bytes32(0), ""));
        uint256 id = propose(address(serving), change);
        vote(id, payer, FOR);
        (address[] memory to, uint256[] memory values, bytes[] memory calls) = one(address(serving), change);
        governor.queue(to, values, calls, keccak256("why"));
        vm.warp(block.timestamp + TIMELOCK);

        vm.expectRevert(IServingParameters.ZeroDigest.selector);
        governor.execute(to, values, calls, keccak256("why"));
        check(serving.count() == 0, "nothing was published");
    }

    function test_nobody_governs_but_the_timelock() public {
        address[4] memory callers = [admin, payer, address(governor), address(this)];
        for (uint256 i = 0; i < callers.length; ++i) {
            vm.prank(callers[i]);
            vm.expectRevert();
            settlement.setTreasury(callers[i]);
            vm.prank(callers[i]);
            vm.expectRevert();
            serving.publish(keccak256("doc"), "");
        }
        (bool isMember,) = manager.hasRole(ADMIN_ROLE, admin);
        check(!isMember, "the deployer has left");
    }

    function test_the_governor_is_governed_by_its_own_votes() public {
        bytes memory change = abi.encodeCall(governor.setVotingPeriod, (3 days));
        vm.expectRevert();
        governor.setVotingPeriod(3 days);
        uint256 id = propose(address(governor), change);
        vote(id, payer, FOR);
        execute(address(governor), change);

        check(governor.votingPeriod() == 3 days, "changed");
        check(governor.proposalThreshold() == THRESHOLD, "the rest is as it was");
    }

    function test_proposals_are_listed_without_logs_and_can_be_cancelled_before_the_vote() public {
        bytes memory change = abi.encodeCall(IGoverned.setTreasury, (bob));
        uint256 id = propose(address(settlement), change);
        check(governor.proposalCount() == 1, "one proposal");
        (uint256 listed, address[] memory to,, bytes[] memory calls,) = governor.proposalDetailsAt(0);
        check(listed == id && to[0] == address(settlement), "its target");
        check(keccak256(calls[0]) == keccak256(change), "its call");
        check(governor.proposalNeedsQueuing(id), "goes through the timelock");

        vm.prank(payer);
        governor.cancel(id);
        check(governor.state(id) == IGovernor.ProposalState.Canceled, "cancelled");
    }

    // ---- steps -----------------------------------------------------------------------------------------------------

    function propose(address target, bytes memory change) private returns (uint256) {
        (address[] memory to, uint256[] memory values, bytes[] memory calls) = one(target, change);
        vm.prank(payer);
        return governor.propose(to, values, calls, "why");
    }

    function vote(uint256 id, address voter, uint8 support) private {
        vm.warp(governor.proposalSnapshot(id) + 1);
        vm.prank(voter);
        governor.castVote(id, support);
        vm.warp(governor.proposalDeadline(id) + 1);
    }

    function execute(address target, bytes memory change) private {
        (address[] memory to, uint256[] memory values, bytes[] memory calls) = one(target, change);
        governor.queue(to, values, calls, keccak256("why"));
        vm.warp(block.timestamp + TIMELOCK);
        governor.execute(to, values, calls, keccak256("why"));
    }

    function one(address target, bytes memory change)
        private
        pure
        returns (address[] memory to, uint256[] memory values, bytes[] memory calls)
    {
        (to, values, calls) = (new address[](1), new uint256[](1), new bytes[](1));
        (to[0], calls[0]) = (target, change);
    }
}
