// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Terms} from "../interfaces/IAssetRegistry.sol";
import {IJudgeErrors} from "../interfaces/IJudgeErrors.sol";
import {PriceList} from "../interfaces/INodeRegistry.sol";
import {PPM} from "../libraries/Ppm.sol";
import {StateTree} from "../libraries/StateTree.sol";
import {StateWitness} from "../libraries/StateWitness.sol";

/// @title What a receipt changes in the state tree: a map from key to growth.
library Changes {
    uint8 private constant _ADDRESS = 0;
    uint8 private constant _DATANET = 1;
    uint8 private constant _TREASURY = 2;

    /// @notice The map, in the order in which its keys first appeared. Growths are in token base units.
    struct Map {
        bytes32[] keys;
        uint256[] growths;
        uint256 count;
    }

    /// @dev An empty map.
    /// @param capacity How many keys it has room for.
    /// @return changes The map.
    function allocate(uint256 capacity) internal pure returns (Map memory changes) {
        changes.keys = new bytes32[](capacity);
        changes.growths = new uint256[](capacity);
    }

    /// @dev Adds to the growth of a key.
    /// @param changes The map.
    /// @param key The key.
    /// @param growth The amount.
    function add(Map memory changes, bytes32 key, uint256 growth) internal pure {
        uint256 count = changes.count;
        for (uint256 i = 0; i < count; ++i) {
            if (changes.keys[i] == key) {
                changes.growths[i] += growth;
                return;
            }
        }
        changes.keys[count] = key;
        changes.growths[count] = growth;
        changes.count = count + 1;
    }

    /// @dev Adds the lines of a fee. Treasury and owner: ⌊fee·ppm/10^6⌋; Datanet version j: ⌊fee·dataPpm·ppm_j/10^12⌋;
    /// the operator receives the rest.
    /// @param changes The map.
    /// @param fee The fee.
    /// @param list The price list, which copied the treasury's part.
    /// @param terms The terms, or none.
    function addLines(Map memory changes, uint256 fee, PriceList calldata list, Terms[] calldata terms) internal pure {
        uint256 parts = _addPart(changes, _TREASURY, 0, fee * list.treasuryPpm / PPM);
        if (terms.length != 0) {
            Terms calldata agreed = terms[0];
            parts += _addPart(changes, _ADDRESS, _word(agreed.owner), fee * agreed.royaltyPpm / PPM);
            uint256 data = fee * agreed.dataPpm;
            for (uint256 i = 0; i < agreed.datanets.length; ++i) {
                bytes32 id = keccak256(abi.encode(agreed.datanets[i].datanetId, agreed.datanets[i].version));
                parts += _addPart(changes, _DATANET, id, data * agreed.datanets[i].ppm / PPM ** 2);
            }
        }
        if (parts > fee) revert IJudgeErrors.SplitAboveFee(parts, fee);
        _addPart(changes, _ADDRESS, _word(list.operatorPayee), fee - parts);
    }

    /// @dev The root of a state tree after all changes. Each witness must fit the tree that the changes before it left.
    /// @param changes The map. Keys that do not grow are not touched.
    /// @param root The root of the tree before.
    /// @param witnesses One witness per key that grows, in the order of the map.
    /// @return The root of the tree after.
    function apply_(Map memory changes, bytes32 root, bytes[] calldata witnesses) internal pure returns (bytes32) {
        uint256 used = 0;
        for (uint256 i = 0; i < changes.count; ++i) {
            if (changes.growths[i] == 0) continue;
            if (used == witnesses.length) revert IJudgeErrors.WrongWitnessCount(witnesses.length, _growing(changes));
            (bytes32 before, bytes32 after_) = StateWitness.grow(changes.keys[i], changes.growths[i], witnesses[used++]);
            if (before != root) revert IJudgeErrors.WrongWitness(changes.keys[i], before, root);
            root = after_;
        }
        if (used != witnesses.length) revert IJudgeErrors.WrongWitnessCount(witnesses.length, used);
        return root;
    }

    function _growing(Map memory changes) private pure returns (uint256 count) {
        for (uint256 i = 0; i < changes.count; ++i) {
            if (changes.growths[i] != 0) ++count;
        }
    }

    function _addPart(Map memory changes, uint8 payeeKind, bytes32 id, uint256 amount) private pure returns (uint256) {
        add(changes, StateTree.earnedKey(payeeKind, id), amount);
        return amount;
    }

    function _word(address account) private pure returns (bytes32) {
        return bytes32(uint256(uint160(account)));
    }
}
