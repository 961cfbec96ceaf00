// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {AssetRegistry} from "../src/AssetRegistry.sol";
import {ChannelEscrow} from "../src/ChannelEscrow.sol";
import {ERC3009DepositCollector} from "../src/ERC3009DepositCollector.sol";
import {NodeRegistry} from "../src/NodeRegistry.sol";
import {NodeVault} from "../src/NodeVault.sol";
import {OpenToken} from "../src/OpenToken.sol";
import {Settlement} from "../src/Settlement.sol";
import {IChannelEscrow} from "../src/interfaces/IChannelEscrow.sol";
import {BatchHeader} from "../src/interfaces/ILedgers.sol";
import {Claim, ShareClaim} from "../src/interfaces/ISettlement.sol";
import {StateTree} from "../src/libraries/StateTree.sol";
import {Check} from "./Check.sol";
import {Trees} from "./Trees.sol";

/// @dev What the successor of a header names.
struct Tip {
    bytes32 headerHash;
    bytes32 stateRoot;
}

/// @dev All contracts deployed as on a local chain, one registered node, and the steps that tests consist of.
abstract contract World is Check {
    ChannelEscrow internal constant escrow = ChannelEscrow(0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003);
    ERC3009DepositCollector internal constant collector =
        ERC3009DepositCollector(0x4020806089470a89826cB9fB1f4059150b550004);

    uint64 internal constant DELAY = 1 hours; // the challenge window
    uint64 internal constant MIN_WINDOW = 10 minutes;
    uint64 internal constant NOTICE = 10 minutes;
    uint64 internal constant UNBONDING = 10 days;
    uint256 internal constant BOND = 100_000 ether;

    uint8 internal constant ADDRESS = 0;
    uint8 internal constant DATANET = 1;
    uint8 internal constant TREASURY = 2;

    uint256 internal constant payerKey = 0xA11CE;
    uint256 internal constant operatorKey = 0x0B0B;

    address internal admin = vm.addr(0xAD);
    address internal treasury = vm.addr(0x7EA);
    address internal payer = vm.addr(payerKey);
    address internal operator = vm.addr(operatorKey);
    address internal owner = vm.addr(0x0E);
    address internal alice = vm.addr(0xA1);
    address internal bob = vm.addr(0xB2);
    address internal backer = vm.addr(0xBAC);
    address internal challenges = vm.addr(0xC4);
    address internal challenger = vm.addr(0xC5);

    OpenToken internal open;
    AccessManager internal manager;
    AssetRegistry internal assets;
    Settlement internal settlement;
    NodeRegistry internal registry;
    NodeVault internal vault;
    mapping(address node => mapping(uint64 epoch => Tip)) internal tips;

    function setUp() public virtual {
        vm.warp(1_800_000_000);
        vm.etch(address(escrow), type(ChannelEscrow).runtimeCode);
        vm.etch(address(collector), type(ERC3009DepositCollector).runtimeCode);
        open = new OpenToken(backer, 2_000_000 ether);
        vm.prank(backer);
        open.transfer(payer, 1_000_000 ether);
        manager = new AccessManager(admin);
        assets = new AssetRegistry(NOTICE, 1 minutes);
        settlement = new Settlement(
            address(manager),
            Settlement.Parameters(
                escrow, assets, challenges, address(open), treasury, 100_000, DELAY, MIN_WINDOW, NOTICE, UNBONDING
            )
        );
        registry = NodeRegistry(address(settlement.registry()));
        vault = registerNode(owner, address(open), operator);
    }

    function accept(address token) internal {
        vm.prank(admin);
        settlement.setAccepted(token, true);
    }

    // ---- nodes -----------------------------------------------------------------------------------------------------

    /// @dev A node; one that is paid in OPEN has a stake that covers everything tests post.
    function registerNode(address owner_, address token, address operator_) internal returns (NodeVault node) {
        if (!settlement.isAccepted(token)) accept(token);
        vm.prank(owner_);
        node = NodeVault(registry.register(token, 0, operator_, "https://node.example"));
        if (token == address(open)) bond(node, BOND);
    }

    function bond(NodeVault node, uint256 amount) internal {
        bond(node, amount, backer);
    }

    function bond(NodeVault node, uint256 amount, address from) internal {
        IERC20 token = IERC20(node.token());
        vm.startPrank(from);
        token.approve(address(registry), amount);
        registry.stake(address(node), amount);
        vm.stopPrank();
    }

    /// @dev Tokens normally reach a vault through channels. This sends them from the payer, for tests of what follows.
    function fund(NodeVault node, uint256 amount) internal {
        IERC20 token = IERC20(node.token());
        vm.prank(payer);
        token.transfer(address(node), amount);
        node.sweep();
    }

    // ---- batches ---------------------------------------------------------------------------------------------------

    function earned(uint8 kind, bytes32 id, uint256 amount) internal pure returns (Trees.Leaf memory) {
        return Trees.Leaf(StateTree.earnedKey(kind, id), amount);
    }

    function earned(address payee, uint256 amount) internal pure returns (Trees.Leaf memory) {
        return earned(ADDRESS, word(payee), amount);
    }

    function word(address account) internal pure returns (bytes32) {
        return bytes32(uint256(uint160(account)));
    }

    function rootOf(Trees.Leaf[] memory leaves, uint128 cumTotal) internal pure returns (bytes32) {
        return StateTree.stateRoot(Trees.stateTreeRoot(leaves), cumTotal);
    }

    /// @dev The root that a proof leads to; external, because the library takes the proof as calldata.
    function provenRoot(bytes32 key, uint256 value, bytes calldata proof) external pure returns (bytes32) {
        return StateTree.rootOf(key, value, proof);
    }

    /// @dev The successor of the newest header of `node`, for a batch of 10 receipts.
    function nextHeader(NodeVault node, bytes32 stateRoot, uint128 cumTotal)
        internal
        view
        returns (BatchHeader memory header)
    {
        header.node = address(node);
        (header.epoch,, header.fromSeq,,,,) = settlement.ledger(address(node));
        Tip memory tip = tips[header.node][header.epoch];
        header.prevHeaderHash = tip.headerHash;
        header.prevStateRoot = header.epoch == 0 ? StateTree.stateRoot(0, 0) : tip.stateRoot;
        header.epoch += 1;
        header.count = 10;
        header.stateRoot = stateRoot;
        header.cumTotal = cumTotal;
        header.receiptsRoot = keccak256("receipts");
        header.closedAt = uint64(block.timestamp);
    }

    /// @dev Posts a header and remembers it, as a node does.
    function post(BatchHeader memory header) internal returns (bytes32) {
        address key = registry.operatorOf(header.node);
        vm.prank(key);
        bytes32 hash = settlement.post(header);
        tips[header.node][header.epoch] = Tip(hash, header.stateRoot);
        return hash;
    }

    function post(NodeVault node, Trees.Leaf[] memory leaves, uint128 cumTotal) internal {
        post(nextHeader(node, rootOf(leaves, cumTotal), cumTotal));
    }

    function postActive(NodeVault node, Trees.Leaf[] memory leaves, uint128 cumTotal) internal {
        BatchHeader memory header = nextHeader(node, rootOf(leaves, cumTotal), cumTotal);
        post(header);
        vm.warp(settlement.activeFrom(header.node, header.epoch));
        settlement.activate(address(node));
    }

    // ---- claims ----------------------------------------------------------------------------------------------------

    function claimOf(NodeVault node, uint64 epoch, Trees.Leaf[] memory leaves, uint256 index, address payee)
        internal
        view
        returns (Claim memory)
    {
        bytes memory proof = Trees.stateProof(leaves, index);
        bytes32 hash = tips[address(node)][epoch].headerHash;
        return Claim(address(node), epoch, hash, ADDRESS, word(payee), uint128(leaves[index].value), proof);
    }

    function claim(Claim memory entry) internal returns (uint256) {
        Claim[] memory entries = new Claim[](1);
        entries[0] = entry;
        return settlement.claim(entries);
    }

    function claimShare(ShareClaim memory entry) internal returns (uint256) {
        ShareClaim[] memory entries = new ShareClaim[](1);
        entries[0] = entry;
        return settlement.claimShare(entries);
    }

    // ---- channels --------------------------------------------------------------------------------------------------

    function channelOf(address receiver) internal view returns (IChannelEscrow.ChannelConfig memory) {
        return IChannelEscrow.ChannelConfig(payer, payer, receiver, receiver, address(open), 1 days, bytes32(0));
    }

    function depositData(IChannelEscrow.ChannelConfig memory config, uint256 amount, uint256 salt)
        internal
        view
        returns (bytes memory)
    {
        bytes32 typeHash = keccak256(
            "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
        );
        bytes32 nonce = keccak256(abi.encode(escrow.getChannelId(config), salt));
        uint256 validBefore = block.timestamp + 1 hours;
        bytes32 structHash =
            keccak256(abi.encode(typeHash, config.payer, address(collector), amount, 0, validBefore, nonce));
        bytes32 digest = keccak256(abi.encodePacked("\x19\x01", open.DOMAIN_SEPARATOR(), structHash));
        return abi.encode(0, validBefore, salt, signature(payerKey, digest));
    }

    function deposit(IChannelEscrow.ChannelConfig memory config, uint128 amount) internal {
        bytes memory data = depositData(config, amount, uint256(keccak256(abi.encode(block.timestamp, amount))));
        escrow.deposit(config, amount, address(collector), data);
    }

    function voucherClaim(IChannelEscrow.ChannelConfig memory config, uint128 max, uint128 total, uint256 key)
        internal
        view
        returns (IChannelEscrow.VoucherClaim[] memory claims)
    {
        bytes memory voucher = signature(key, escrow.getVoucherDigest(escrow.getChannelId(config), max));
        claims = new IChannelEscrow.VoucherClaim[](1);
        claims[0] = IChannelEscrow.VoucherClaim(IChannelEscrow.Voucher(config, max), voucher, total);
    }
}
