// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @dev Keeps 1 % of every transfer.
contract FeeToken is ERC20("Fee", "FEE") {
    constructor(address holder, uint256 supply) {
        _mint(holder, supply);
    }

    function _update(address from, address to, uint256 value) internal override {
        uint256 fee = from == address(0) || to == address(0) ? 0 : value / 100;
        super._update(from, to, value - fee);
        if (fee != 0) super._update(from, address(0), fee);
    }
}

/// @dev Returns false or reverts when a blocked account would receive tokens.
contract BlockingToken is ERC20("Blocking", "BLK") {
    mapping(address account => bool) public answersFalse;
    mapping(address account => bool) public reverts;

    constructor(address holder, uint256 supply) {
        _mint(holder, supply);
    }

    function setAnswersFalse(address account, bool blocked) external {
        answersFalse[account] = blocked;
    }

    function setReverts(address account, bool blocked) external {
        reverts[account] = blocked;
    }

    function transfer(address to, uint256 value) public override returns (bool) {
        require(!reverts[to], "blocked");
        if (answersFalse[to]) return false;
        return super.transfer(to, value);
    }
}

/// @dev Calls back during a transfer, as an ERC-777 hook would, and records the outcome.
contract ReentrantToken is ERC20("Reentrant", "REE") {
    address public target;
    bytes public call;
    bool public reentered;
    bytes public answer;

    constructor(address holder, uint256 supply) {
        _mint(holder, supply);
    }

    function arm(address target_, bytes calldata call_) external {
        (target, call, reentered, answer) = (target_, call_, false, "");
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (target == address(0)) return;
        address victim = target;
        target = address(0);
        (reentered, answer) = victim.call(call);
    }
}

/// @dev Reports false balances.
contract LyingToken is ERC20("Lying", "LIE") {
    constructor(address holder, uint256 supply) {
        _mint(holder, supply);
    }

    function balanceOf(address account) public view override returns (uint256) {
        return super.balanceOf(account) * 1_000_000;
    }
}

/// @dev Uses all gas that a transfer to the victim is given, or answers with a long return value.
contract BurningToken is ERC20("Burning", "BRN") {
    address public victim;
    bool public answersAtLength;

    constructor(address holder, uint256 supply) {
        _mint(holder, supply);
    }

    function arm(address victim_, bool answersAtLength_) external {
        (victim, answersAtLength) = (victim_, answersAtLength_);
    }

    function transfer(address to, uint256 value) public override returns (bool) {
        if (to != victim) return super.transfer(to, value);
        uint256 length = answersAtLength ? 40_000 : 0;
        while (length == 0) {}
        assembly {
            return(0, length)
        }
    }
}

/// @dev Returns nothing, as tokens from before ERC-20 was final do.
contract SilentToken {
    mapping(address account => uint256) public balanceOf;
    mapping(address account => mapping(address spender => uint256)) public allowance;

    constructor(address holder, uint256 supply) {
        balanceOf[holder] = supply;
    }

    function approve(address spender, uint256 value) external {
        allowance[msg.sender][spender] = value;
    }

    function transfer(address to, uint256 value) external {
        balanceOf[msg.sender] -= value;
        balanceOf[to] += value;
    }

    function transferFrom(address from, address to, uint256 value) external {
        allowance[from][msg.sender] -= value;
        balanceOf[from] -= value;
        balanceOf[to] += value;
    }
}
