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

/// @title Vault of one node: receiver and receiver authorizer of its x402 payment channels.
/// @notice Tokens leave a vault for Settlement and for nowhere else.
/// @dev Each vault is an ERC-1167 clone of this contract. A clone has no storage and no initializer, so there is nothing
/// to take over: the registry knows its token and its operator key by its address.
contract NodeVault is INodeVault {
    using SafeERC20 for IERC20;

    /// @inheritdoc INodeVault
    INodeRegistry public immutable REGISTRY;
    /// @inheritdoc INodeVault
    ISettlement public immutable SETTLEMENT;
    /// @inheritdoc INodeVault
    IChannelEscrow public immutable ESCROW;

    /// @param registry The registry that knows the nodes.
    /// @param settlement The only contract that vaults send tokens to.
    /// @param escrow The escrow whose channels pay the vaults.
    constructor(INodeRegistry registry, ISettlement settlement, IChannelEscrow escrow) {
        REGISTRY = registry;
        SETTLEMENT = settlement;
        ESCROW = escrow;
    }

    modifier onlyOperator() {
        address operator = REGISTRY.operatorOf(address(this));
        if (msg.sender != operator) revert NotOperator(address(this), msg.sender, operator);
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

    /// @inheritdoc IERC1271
    /// @dev The operator's signature counts as the vault's for the escrow only. A token or permit contract that asks gets
    /// a refusal, so no signature can move the vault's tokens elsewhere.
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
