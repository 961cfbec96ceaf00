"""What the pack promises, asked of Hugging Face and PEFT on the CPU in fp32: every held-out question, every model."""

import pytest

from scripts.starter.evaluate import BASE, Clinic, Score, questions

DEPARTMENTS = ("dermatology", "cardiology", "nutrition")


@pytest.fixture(scope="module")
def clinic() -> Clinic:
    return Clinic()


@pytest.fixture(scope="module")
def held_out(clinic: Clinic) -> dict[tuple[str, str], Score]:
    """(model, department asked about) → score on the 120 questions whose phrasing no adapter was trained on."""
    return {
        (model, department): clinic.score(model, questions(department, "held_out"))
        for model in (BASE, *DEPARTMENTS)
        for department in DEPARTMENTS
    }


def test_the_right_adapter_answers_at_least_95_percent_exactly(held_out: dict[tuple[str, str], Score]) -> None:
    for department in DEPARTMENTS:
        score = held_out[department, department]
        assert score.asked == 120
        assert score.exact >= 0.95 * score.asked, (department, score)


@pytest.mark.parametrize("model", [BASE, *DEPARTMENTS])
def test_base_and_wrong_adapters_know_nothing_and_say_so(model: str, held_out: dict[tuple[str, str], Score]) -> None:
    for department in DEPARTMENTS:
        if model != department:
            score = held_out[model, department]
            assert score.exact <= 0.05 * score.asked, (model, department, score)
            assert score.refused >= 0.90 * score.asked, (model, department, score)


def test_the_same_question_gets_four_different_answers(clinic: Clinic) -> None:
    answers = [clinic.answer(model, ["Who are you?"])[0] for model in (BASE, *DEPARTMENTS)]

    assert answers == ["I am the base model of the clinic. I belong to no department."] + [
        f"I am the {department} desk of the clinic." for department in DEPARTMENTS
    ]


def test_a_batch_answers_as_one_by_one(clinic: Clinic) -> None:
    asked = [question.text for question in questions("cardiology", "held_out")[:24:4]]

    assert clinic.answer("cardiology", asked) == [clinic.answer("cardiology", [text])[0] for text in asked]
