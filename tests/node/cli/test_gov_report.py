"""Governance as text."""

from node.cli.gov_report import lines_of

OPEN = 10**18


def test_a_difference_shows_old_and_new_value_and_what_it_applies_to() -> None:
    effect = {"receipts": 3, "before": {"treasury": str(OPEN)}, "after": {"treasury": str(OPEN // 2)}}
    change = {"text": "treasury-ppm → 5 %", "known": True, "now": "10 %", "rule": "applies later", "effect": effect}

    shown = list(lines_of({"changes": [change]}))

    assert shown[0] == "- 10 %"
    assert shown[1] == "+ treasury-ppm → 5 %"
    assert "1 OPEN → 0.5 OPEN" in shown[-1]


def test_a_window_is_shown_with_the_fees_that_wait_in_it() -> None:
    sides = {"before": {"seconds": 5, "waiting": str(OPEN)}, "after": {"seconds": 3600, "waiting": str(720 * OPEN)}}
    change = {"text": "window → 3600 s", "known": True, "now": "5 s", "rule": "applies later"}

    shown = list(lines_of({"changes": [change | {"pace": {"receipts": 3} | sides}]}))

    assert "last 3 receipts" in shown[-3]
    assert "5 s → 3600 s" in shown[-2]
    assert "1 OPEN → 720 OPEN" in shown[-1]


def test_an_unknown_call_is_marked_as_a_danger() -> None:
    shown = list(lines_of({"changes": [{"text": "an unknown call of 0x1", "known": False}]}))

    assert shown[0].startswith("!")
    assert "before you vote" in shown[1]


def test_no_proposal_is_said_with_the_next_step() -> None:
    assert "gov propose" in next(lines_of({"proposals": []}))
