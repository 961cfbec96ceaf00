"""The documentation check of the contracts passes on documented sources and finds every planted fault."""

from pathlib import Path

import pytest

from tests.contracts.toolchain import run_script

SOURCE = """// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A safe that holds an amount.
interface ISafe {
    /// @notice Who opened the safe.
    struct Opening {
        address by;
    }

    /// @notice The amount changed.
    /// @param amount The new amount, in wei.
    event Changed(uint256 amount);

    /// @notice The amount is too large.
    /// @param amount The amount that was given, in wei.
    error TooMuch(uint256 amount);

    /// @notice Sets the amount.
    /// @param amount The amount, in wei.
    /// @return before The amount before, in wei.
    /// @custom:access Anyone.
    /// @custom:reverts TooMuch The amount exceeds 100.
    function set(uint256 amount) external returns (uint256 before);

    /// @notice Opens the safe.
    /// @custom:access Anyone.
    /// @custom:reverts Never.
    function open() external;

    /// @notice The amount.
    /// @return The amount, in wei.
    function amount() external view returns (uint256);
}

/// @title Arithmetic.
library Sums {
    /// @dev The sum of two amounts.
    /// @param a The first amount.
    /// @param b The second amount.
    /// @return The sum.
    function plus(uint256 a, uint256 b) internal pure returns (uint256) {
        return a + b;
    }
}

/// @title The safe.
contract Safe is ISafe {
    /// @inheritdoc ISafe
    uint256 public amount;

    /// @param first The first amount, in wei.
    constructor(uint256 first) {
        amount = first;
    }

    /// @inheritdoc ISafe
    function set(uint256 value) external returns (uint256 before) {
        if (value > 100) revert TooMuch(value);
        before = amount;
        amount = value;
        emit Changed(value);
    }

    /// @inheritdoc ISafe
    function open() external {}
}
"""

AMOUNT = "    /// @notice The amount.\n    /// @return The amount, in wei.\n"
IMPLEMENTED_OPEN = "    /// @inheritdoc ISafe\n    function open() external {}\n"
IMPLEMENTED_TWICE = """
    /// @notice Twice the amount.
    /// @return The amount, in wei.
    function twice() external view returns (uint256) {
        return 2 * amount;
    }
"""

# what is planted: (text, its replacement, the declaration and the fault that must be reported)
FAULTS = {
    "TitleMissing": ("/// @title The safe.\n", "", "Safe has no @title"),
    "StructUndocumented": ("    /// @notice Who opened the safe.\n", "", "Opening has no @notice"),
    "EventUndocumented": ("    /// @notice The amount changed.\n", "", "Changed has no @notice"),
    "EventParameter": ("    /// @param amount The new amount, in wei.\n", "", "Changed has no @param amount"),
    "ErrorUndocumented": ("    /// @notice The amount is too large.\n", "", "TooMuch has no @notice"),
    "ErrorParameter": (
        "    /// @param amount The amount that was given, in wei.\n",
        "",
        "TooMuch has no @param amount",
    ),
    "ErrorInContract": (
        "contract Safe is ISafe {\n",
        "contract Safe is ISafe {\n    /// @notice It is closed.\n    /// @dev No values.\n    error Closed();\n\n",
        "Closed is not declared in an interface",
    ),
    "EventInContract": (
        "contract Safe is ISafe {\n",
        "contract Safe is ISafe {\n    /// @notice It was closed.\n    event Closed();\n\n",
        "Closed is not declared in an interface",
    ),
    "ErrorInFile": (
        "/// @title Arithmetic.\n",
        "/// @notice It is closed.\n/// @dev No values.\nerror Closed();\n\n/// @title Arithmetic.\n",
        "Closed is not declared in an interface",
    ),
    "ErrorInLibrary": (
        "library Sums {\n",
        "library Sums {\n    /// @notice It overflows.\n    /// @dev No values.\n    error Overflow();\n\n",
        "Overflow is not declared in an interface",
    ),
    "ErrorWithoutValues": (
        "    /// @notice Opens the safe.\n",
        "    /// @notice It is closed.\n    error Closed();\n\n    /// @notice Opens the safe.\n",
        "Closed has no parameter: give it the values that matter, or say in @dev why there are none",
    ),
    "FunctionParameter": ("    /// @param amount The amount, in wei.\n", "", "set has no @param amount"),
    "FunctionReturn": (
        "    /// @return before The amount before, in wei.\n",
        "",
        "set has 0 @return for 1 returned values",
    ),
    "FunctionReturnEmpty": (
        "    /// @return before The amount before, in wei.\n",
        "    /// @return before\n",
        "set has 0 @return for 1 returned values",
    ),
    "Access": (
        "    /// @custom:access Anyone.\n    /// @custom:reverts TooMuch",
        "    /// @custom:reverts TooMuch",
        "set has no @custom:access: say who may call it",
    ),
    "Reverts": (
        "    /// @custom:reverts TooMuch The amount exceeds 100.\n",
        "",
        "set has no @custom:reverts: say which errors it reverts with",
    ),
    "RevertsUnknown": (
        "@custom:reverts TooMuch",
        "@custom:reverts TooLittle",
        "set has @custom:reverts TooLittle, which is no error",
    ),
    "InheritdocMissing": (
        IMPLEMENTED_OPEN,
        IMPLEMENTED_OPEN.replace("@inheritdoc ISafe", "@notice Opens the safe."),
        "open has no @inheritdoc: declare and document it in an interface",
    ),
    "InterfaceMissing": (
        IMPLEMENTED_OPEN,
        IMPLEMENTED_OPEN + IMPLEMENTED_TWICE,
        "twice has no @inheritdoc: declare and document it in an interface",
    ),
    "VariableUndocumented": (
        "    /// @inheritdoc ISafe\n    uint256 public amount;\n",
        "    uint256 public amount;\n",
        "amount has no @inheritdoc: declare and document it in an interface",
    ),
    "ConstructorParameter": (
        "    /// @param first The first amount, in wei.\n",
        "",
        "constructor has no @param first",
    ),
    "LibraryFunction": ("    /// @dev The sum of two amounts.\n", "", "plus has no @dev"),
    "LibraryParameter": ("    /// @param b The second amount.\n", "", "plus has no @param b"),
    "LibraryReturn": ("    /// @return The sum.\n", "", "plus has 0 @return for 1 returned values"),
}


def report_on(root: Path, sources: dict[str, str]) -> tuple[int, dict[str, list[str]]]:
    """The exit code of the check, and the faults it reports for each source, without their line."""
    (root / "src").mkdir()
    for name, text in sources.items():
        (root / "src" / f"{name}.sol").write_text(text)
    check = run_script("natspec.mjs", root)
    assert "Error:" not in check.stderr, check.stderr
    faults: dict[str, list[str]] = {name: [] for name in sources}
    for line in check.stderr.splitlines():
        path, _, fault = line.split(":", 2)
        faults[Path(path).stem].append(fault.strip())
    return check.returncode, faults


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What the check reports for each planted fault; all are compiled at once, because the compiler starts slowly."""
    sources = {}
    for name, (text, replacement, _) in FAULTS.items():
        assert SOURCE.count(text) == 1, name
        sources[name] = SOURCE.replace(text, replacement)
    code, faults = report_on(tmp_path_factory.mktemp("planted"), sources)
    assert code == 1
    return faults


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_reported_and_nothing_else(planted: dict[str, list[str]], name: str) -> None:
    assert planted[name] == [FAULTS[name][2]]


def test_documented_sources_have_no_fault(tmp_path: Path) -> None:
    assert report_on(tmp_path, {"Safe": SOURCE}) == (0, {"Safe": []})


def test_inheritdoc_of_an_undocumented_function_is_reported_at_both(tmp_path: Path) -> None:
    bare = SOURCE.replace(AMOUNT, "")

    assert report_on(tmp_path, {"Safe": bare}) == (
        1,
        {
            "Safe": [
                "amount has no @notice",
                "amount has 0 @return for 1 returned values",
                "amount has @inheritdoc ISafe, where it is not documented",
            ]
        },
    )


def test_inheritdoc_of_a_contract_is_reported(tmp_path: Path) -> None:
    child = """
/// @title A safe that opens otherwise.
contract Child is Base(1) {
    /// @inheritdoc Base
    function open() external override {}
}
"""
    base = SOURCE.replace("contract Safe is", "contract Base is").replace(
        "open() external {}", "open() external virtual {}"
    )

    code, faults = report_on(tmp_path, {"Child": base + child})

    assert (code, faults["Child"]) == (1, ["open has @inheritdoc Base, which is no base interface"])


def test_a_fault_is_reported_with_its_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "Safe.sol").write_text(
        SOURCE.replace("    /// @notice The amount changed.\n", "    // … ‖ …\n")
    )

    check = run_script("natspec.mjs", tmp_path)

    assert check.stderr.splitlines() == ["src/Safe.sol:13: Changed has no @notice"]


def test_the_contracts_are_documented() -> None:
    check = run_script("natspec.mjs")

    assert (check.returncode, check.stderr) == (0, "")
