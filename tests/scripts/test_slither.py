"""Findings of the static analysis and their answers. The analysis itself runs with `make slither`."""

import json

import pytest

from scripts.slither import ANSWERS, answers_of, findings_of


def element(name: str, **fields: object) -> dict[str, object]:
    return {"name": name, "type_specific_fields": fields}


def test_a_finding_is_named_by_its_detector_and_function() -> None:
    vault = {"type": "contract", "name": "NodeVault"}
    report = {
        "results": {
            "detectors": [{"check": "timestamp", "elements": [element("f", parent=vault, signature="f(uint256)")]}]
        }
    }

    assert findings_of(report) == {("timestamp", "NodeVault.f(uint256)")}


def test_a_local_variable_is_named_within_its_function() -> None:
    function = {
        "type": "function",
        "name": "f",
        "type_specific_fields": {"parent": {"type": "contract", "name": "A"}, "signature": "f()"},
    }
    report = {"results": {"detectors": [{"check": "c", "elements": [element("sum", parent=function)]}]}}

    assert findings_of(report) == {("c", "A.f().sum")}


def test_a_report_without_findings_is_empty() -> None:
    assert findings_of({"results": {}}) == set()


def test_every_committed_answer_says_something() -> None:
    assert answers_of(json.loads(ANSWERS.read_text()))
    with pytest.raises(ValueError, match="has no answer"):
        answers_of([{"check": "timestamp", "answer": " ", "where": ["A.f()"]}])
