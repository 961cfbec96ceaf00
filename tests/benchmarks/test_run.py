"""The command that measures what the README quotes."""

import pytest

from benchmarks import run, switchbench


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the measurements that were run, none of which measures anything."""
    names: list[str] = []
    for name in run.MEASUREMENTS:
        monkeypatch.setitem(run.MEASUREMENTS, name, lambda name=name: names.append(name))
    monkeypatch.setattr("benchmarks.result.commit", lambda: "abc1234")
    return names


def test_all_measurements_are_run_or_those_that_are_named(measured: list[str]) -> None:
    run.main([])
    run.main(["clinic"])

    assert measured == [*run.MEASUREMENTS, "clinic"]


def test_an_unknown_measurement_is_refused_with_the_known_ones(
    measured: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run.main(["clinic", "speed"])

    assert "unknown measurement: speed; choose from paid_request" in capsys.readouterr().err
    assert measured == []


def test_a_dirty_tree_is_refused_before_anything_is_measured(
    measured: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.result.commit", lambda: "abc1234-dirty")

    with pytest.raises(SystemExit, match="Commit the changes first"):
        run.main(["paid_request"])
    assert measured == []

    run.main(["paid_request", "--allow-dirty"])
    assert measured == ["paid_request"]


def test_the_scenarios_are_refused_on_a_dirty_tree_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.result.commit", lambda: "abc1234-dirty")

    with pytest.raises(SystemExit, match="abc1234-dirty"):
        switchbench.main(["tiny"])
