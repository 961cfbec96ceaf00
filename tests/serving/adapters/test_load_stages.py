"""The stages of a load, on a clock that the test moves."""

from serving.adapters.load_stages import LoadStages


def test_a_stage_lasts_from_the_end_of_the_one_before() -> None:
    times = iter([3.0, 3.5, 7.0])
    stages = LoadStages(1.0, lambda: next(times))

    for stage in ("wait", "resolve", "read"):
        stages.ended(stage)

    assert list(stages.seconds.items()) == [("wait", 2.0), ("resolve", 0.5), ("read", 3.5)]


def test_a_stage_that_occurs_twice_is_summed() -> None:
    times = iter([1.0, 2.0, 4.0])
    stages = LoadStages(0.0, lambda: next(times))

    for stage in ("read", "verify", "read"):
        stages.ended(stage)

    assert stages.seconds == {"read": 3.0, "verify": 1.0}
