// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Settlement} from "../src/Settlement.sol";
import {IDeaths} from "../src/interfaces/IDeaths.sol";
import {IGoverned} from "../src/interfaces/IGoverned.sol";
import {ILedgerErrors} from "../src/interfaces/ILedgerErrors.sol";
import {BatchHeader} from "../src/interfaces/ILedgers.sol";
import {Trees} from "./Trees.sol";
import {World} from "./World.sol";

/// @dev The challenge window as a parameter that governance changes.
contract ChallengeWindowTest is World {
    uint64 private constant MAX = 7 days;

    function setWindow(uint64 window) internal {
        vm.prank(admin);
        settlement.setChallengeWindow(window);
    }

    function some(uint256 amount) internal view returns (Trees.Leaf[] memory leaves) {
        leaves = new Trees.Leaf[](1);
        leaves[0] = earned(alice, amount);
    }

    function next(uint128 cumTotal) internal view returns (BatchHeader memory) {
        return nextHeader(vault, rootOf(some(cumTotal), cumTotal), cumTotal);
    }

    function activeFrom(uint64 epoch) internal view returns (uint64) {
        return settlement.activeFrom(address(vault), epoch);
    }

    function kill(uint64 epoch) internal {
        vm.prank(challenges);
        settlement.kill(address(vault), epoch, challenger);
        bond(vault, 100);
    }

    // ---- bounds ----------------------------------------------------------------------------------------------------

    function testFuzz_TheWindowIsBounded(uint64 window) public {
        window = uint64(bound(window, 0, 8 days));
        bool allowed = window >= MIN_WINDOW && window <= MAX;
        if (allowed) vm.expectEmit();
        else vm.expectRevert(refusal(window));
        if (allowed) emit IGoverned.ChallengeWindowChanged(window);
        vm.prank(admin);
        settlement.setChallengeWindow(window);

        equal(settlement.challengeWindow(), allowed ? window : DELAY, "window");
    }

    function test_TheBoundsThemselvesAreAllowed() public {
        setWindow(MIN_WINDOW);
        setWindow(MAX);
        uint64[4] memory refused = [0, MIN_WINDOW - 1, MAX + 1, type(uint64).max];
        for (uint256 i = 0; i < refused.length; ++i) {
            vm.expectRevert(refusal(refused[i]));
            setWindow(refused[i]);
        }
        equal(settlement.challengeWindow(), MAX, "the last that was allowed");
        equal(settlement.MAX_CHALLENGE_WINDOW(), MAX, "the longest");
        equal(settlement.minChallengeWindow(), MIN_WINDOW, "the shortest");
    }

    function refusal(uint64 window) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IGoverned.ChallengeWindowOutOfBounds.selector, window, MIN_WINDOW, MAX);
    }

    function test_TheFirstWindowIsWithinTheBoundsToo() public {
        deploy(1, 0);
        deploy(MAX, MAX);
        vm.expectRevert(abi.encodeWithSelector(IGoverned.ChallengeWindowOutOfBounds.selector, 0, 0, MAX));
        deploy(0, 0);
        vm.expectRevert(abi.encodeWithSelector(IGoverned.ChallengeWindowOutOfBounds.selector, 5, 6, MAX));
        deploy(5, 6);
        vm.expectRevert(abi.encodeWithSelector(IGoverned.ChallengeWindowOutOfBounds.selector, MAX + 1, 1, MAX));
        deploy(MAX + 1, 1);
    }

    function deploy(uint64 window, uint64 least) internal {
        Settlement.Parameters memory parameters = Settlement.Parameters(
            escrow, assets, challenges, address(open), treasury, 0, window, least, NOTICE, UNBONDING
        );
        new Settlement(address(manager), parameters);
    }

    // ---- headers ---------------------------------------------------------------------------------------------------

    function testFuzz_AHeaderKeepsTheWindowThatItWasPostedWith(uint64 first, uint64 second) public {
        (first, second) = (uint64(bound(first, MIN_WINDOW, MAX)), uint64(bound(second, MIN_WINDOW, MAX)));
        uint64 start = uint64(block.timestamp);
        setWindow(first);
        post(next(5));
        setWindow(second);
        equal(activeFrom(1), start + first, "the header before the change");
        post(next(7));

        equal(activeFrom(1), start + first, "as it was");
        equal(activeFrom(2), start + second, "the header after the change");
    }

    function test_HeadersBecomeActiveInOrderWhenTheSecondWindowEndsFirst() public {
        fund(vault, 10);
        setWindow(2 days);
        post(next(5));
        setWindow(MIN_WINDOW);
        post(next(7));
        vm.warp(block.timestamp + MIN_WINDOW);

        check(settlement.isOpen(address(vault), 1), "the first is open");
        check(!settlement.isOpen(address(vault), 2), "the second has had its window");
        equal(settlement.activate(address(vault)), 0, "the second waits for the first");
        vm.warp(activeFrom(1));
        equal(settlement.activate(address(vault)), 2, "both");
    }

    function test_AHeaderDiesWithTheOneBeforeItAfterItsOwnShorterWindow() public {
        setWindow(2 days);
        post(next(5));
        setWindow(MIN_WINDOW);
        post(next(7));
        vm.warp(block.timestamp + MIN_WINDOW);
        kill(1);

        (uint64 last,,,,,,) = settlement.ledger(address(vault));
        equal(last, 0, "both died");
    }

    // ---- stake -----------------------------------------------------------------------------------------------------

    function testFuzz_StakeOutlastsEveryWindowThatVotesCanSet(uint64 window) public {
        setWindow(uint64(bound(window, MIN_WINDOW, MAX)));
        post(next(5));
        vm.prank(owner);
        registry.startUnbonding(address(vault), BOND);
        (,, uint64 unlockAt) = registry.stakeOf(address(vault));

        check(unlockAt > activeFrom(1) + 48 hours, "a demand in the last second, its answer, and a day");
    }

    function test_CoverWaitsADayAfterTheWindowOfItsOwnHeader() public {
        setWindow(3 days);
        post(next(5));
        setWindow(MIN_WINDOW);
        uint64 earliest = activeFrom(1) + 24 hours;
        vm.warp(earliest - 1);
        vm.expectRevert(abi.encodeWithSelector(IDeaths.CoverTooEarly.selector, address(vault), 1, earliest));
        settlement.cover(address(vault));
        vm.warp(earliest);

        equal(settlement.cover(address(vault)), 5, "from the stake");
    }

    // ---- after a death ---------------------------------------------------------------------------------------------

    function test_AHeaderThatIsPostedAgainEndsAfterTheDeadOneWhateverTheWindowIs() public {
        BatchHeader memory header = next(5);
        uint64 start = uint64(block.timestamp);
        setWindow(2 days);
        post(header);
        kill(1);
        setWindow(1 days);
        vm.warp(start + 1 days); // the same end, if nothing prevented it
        post(header);
        equal(activeFrom(1), start + 2 days + 1, "later than the dead one");
        kill(1);
        post(header);
        equal(activeFrom(1), start + 2 days + 2, "in one block too");
    }

    function test_AWindowIsNeverLongerThanTheLongest() public {
        BatchHeader memory header = next(5);
        uint64 latest = uint64(block.timestamp) + MAX;
        setWindow(MAX);
        post(header);
        kill(1);
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(ILedgerErrors.WindowTooLong.selector, latest + 1, latest));
        settlement.post(header);
        vm.warp(block.timestamp + 1);
        post(header);

        equal(activeFrom(1), latest + 1, "in the next second");
    }
}
