// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {IChannelEscrow} from "./interfaces/IChannelEscrow.sol";
import {INodeRegistry} from "./interfaces/INodeRegistry.sol";
import {INodeVault} from "./interfaces/INodeVault.sol";
import {ISettlement} from "./interfaces/ISettlement.sol";

/// @title What an ERC-1167 clone per node runs: receiver and receiver authorizer of the node's channels.
/// @notice Tokens leave it for Settlement and for nowhere else.
/// @dev A clone has no storage and no initializer, so there is nothing to take over: the registry knows its token and
/// its operator by its address.
contract NodeVault is INodeVault, IERC1271 {
    using SafeERC20 for IERC20;

    INodeRegistry public immutable REGISTRY;
    ISettlement public immutable SETTLEMENT;
    IChannelEscrow public immutable ESCROW;

    error NotOperator(address caller);

    constructor(INodeRegistry registry, ISettlement settlement, IChannelEscrow escrow) {
        REGISTRY = registry;
        SETTLEMENT = settlement;
        ESCROW = escrow;
    }

    modifier onlyOperator() {
        require(msg.sender == REGISTRY.operatorOf(address(this)), NotOperator(msg.sender));
        _;
    }

    /// @inheritdoc INodeVault
    function claimVouchers(IChannelEscrow.VoucherClaim[] calldata claims) external onlyOperator {
        ESCROW.claim(claims);
    }

    /// @inheritdoc INodeVault
    function refundChannel(IChannelEscrow.ChannelConfig calldata config, uint128 amount) external onlyOperator {
        ESCROW.refund(config, amount);
    }

    /// @inheritdoc INodeVault
    function sweep() external returns (uint256 amount) {
        IERC20 token_ = IERC20(token());
        ESCROW.settle(address(this), address(token_));
        amount = token_.balanceOf(address(this));
        if (amount == 0) return 0;
        emit Swept(address(token_), amount);
        token_.forceApprove(address(SETTLEMENT), amount);
        SETTLEMENT.credit(amount);
    }

    /// @notice The operator's signature counts as the vault's, but only for the escrow: a token or permit contract
    /// that asks is told no, so no signature can move the vault's funds elsewhere.
    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        if (msg.sender != address(ESCROW)) return 0xffffffff;
        (address signer,,) = ECDSA.tryRecoverCalldata(hash, signature);
        bool valid = signer != address(0) && signer == REGISTRY.operatorOf(address(this));
        return valid ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }

    /// @inheritdoc INodeVault
    function token() public view returns (address) {
        return REGISTRY.tokenOf(address(this));
    }
}
