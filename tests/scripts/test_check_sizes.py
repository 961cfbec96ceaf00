"""The size check finds what it is there to find."""

from scripts.check_sizes import offences


def found(path: str, text: str) -> list[str]:
    return list(offences(path, text))


def test_a_small_typed_file_passes() -> None:
    assert found("serving/slot.py", "def add(a: int, b: int) -> int:\n    return a + b\n") == []


def test_a_file_over_300_lines_is_named() -> None:
    assert "301 lines" in found("serving/slot.py", "x = 1\n" * 301)[0]


def test_a_function_over_40_lines_is_named_with_its_line() -> None:
    body = "    x = 1\n" * 41

    assert found("serving/slot.py", f"def long() -> None:\n{body}") == [
        "serving/slot.py:1: long has 41 lines (at most 40)"
    ]


def test_a_long_docstring_does_not_count() -> None:
    prose = '    """' + "word\n" * 60 + '    """\n'

    assert found("serving/slot.py", f"def short() -> None:\n{prose}    return None\n") == []


def test_missing_types_are_named_outside_tests() -> None:
    assert "does not type b" in found("node/api/app.py", "def add(a: int, b) -> int:\n    return a\n")[0]
    assert "its return value" in found("node/api/app.py", "def add(a: int):\n    return a\n")[0]
    assert found("tests/test_app.py", "def add(a):\n    return a\n") == []


def test_a_vague_module_name_is_refused() -> None:
    assert "name the one noun" in found("node/utils.py", "")[0]
