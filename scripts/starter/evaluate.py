"""`python -m scripts.starter.evaluate`: asks base and adapters all questions and writes node/dev/starter/quality.json.

An answer counts only if the whole sentence is right. Decoding is greedy, by Hugging Face's `generate` with PEFT.
"""

import hashlib
import json
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from scripts.starter.corpus import DEPARTMENTS, PACK, SEED
from scripts.starter.prose import REFUSAL

MAX_NEW_TOKENS = 40
BATCH = 64
BASE = "base"


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its right answer and its refusal."""

    text: str
    answer: str
    refusal: str


@dataclass(frozen=True, slots=True)
class Score:
    """Counts of exact answers and refusals. A refusal must name the preparation of the question."""

    asked: int
    exact: int
    refused: int

    def to_json(self) -> dict[str, float]:
        """The cell of quality.json, in per cent."""
        return {
            "asked": self.asked,
            "exact_percent": round(100 * self.exact / self.asked, 1),
            "refused_percent": round(100 * self.refused / self.asked, 1),
        }


def questions(department: str, phrasings: str, pack: Path = PACK) -> list[Question]:
    """The questions of a department's evaluation.jsonl. phrasings: `held_out` or `unseen`."""
    lines = (pack / "datanets" / department / "evaluation.jsonl").read_text(encoding="utf-8").splitlines()
    return [
        Question(text, row["answer"], REFUSAL.format(e=row["entity"]))
        for row in map(json.loads, lines)
        for text in row[phrasings]
    ]


class Clinic:
    """The base model with every adapter attached by PEFT, on the CPU in fp32."""

    def __init__(self, pack: Path = PACK) -> None:
        self._tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(pack / "base", padding_side="left")
        base: PreTrainedModel = AutoModelForCausalLM.from_pretrained(pack / "base", dtype=torch.float32)
        names = [department.name for department in DEPARTMENTS]
        self._model = PeftModel.from_pretrained(base, pack / "adapters" / names[0], adapter_name=names[0])
        for name in names[1:]:
            self._model.load_adapter(pack / "adapters" / name, adapter_name=name)
        self._model.eval()

    def answer(self, model: str, texts: Iterable[str]) -> list[str]:
        """The greedy answers of `base` or of an adapter."""
        if model == BASE:
            with self._model.disable_adapter():
                return self._generate(list(texts))
        self._model.set_adapter(model)
        return self._generate(list(texts))

    def score(self, model: str, asked: list[Question]) -> Score:
        """Ask the base or an adapter all the questions."""
        answers = self.answer(model, [question.text for question in asked])
        return Score(
            asked=len(asked),
            exact=sum(answer == question.answer for answer, question in zip(answers, asked, strict=True)),
            refused=sum(answer == question.refusal for answer, question in zip(answers, asked, strict=True)),
        )

    @torch.inference_mode()
    def _generate(self, texts: list[str]) -> list[str]:
        answers = []
        for start in range(0, len(texts), BATCH):
            chats = [[{"role": "user", "content": text}] for text in texts[start : start + BATCH]]
            prompt = self._tokenizer.apply_chat_template(
                chats, add_generation_prompt=True, padding=True, return_tensors="pt", return_dict=True
            )
            ids = self._model.generate(
                input_ids=prompt["input_ids"],
                attention_mask=prompt["attention_mask"],
                max_new_tokens=MAX_NEW_TOKENS,
                do_sample=False,
            )
            new = ids[:, prompt["input_ids"].shape[1] :]
            answers += self._tokenizer.batch_decode(new, skip_special_tokens=True)
        return answers


def quality(clinic: Clinic) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """Scores by phrasings, then model, then department of the questions."""
    names = [department.name for department in DEPARTMENTS]
    return {
        phrasings: {
            model: {name: clinic.score(model, questions(name, phrasings)).to_json() for name in names}
            for model in (BASE, *names)
        }
        for phrasings in ("held_out", "unseen")
    }


def source_hash() -> str:
    """sha256 over the scripts that make the pack."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"


def _machine() -> str:
    model = [line.split(":", 1)[1].strip() for line in _cpuinfo() if line.startswith("model name")]
    return f"{model[0] if model else platform.machine()}, {torch.get_num_threads()} thread"


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def main() -> None:
    """Evaluate, write quality.json and print the scores."""
    torch.set_num_threads(1)
    results = quality(Clinic())
    report = {
        "measured": "greedy, whole sentence exact; held_out = phrasings the adapter never saw, unseen = nobody did",
        "machine": _machine(),
        "torch": torch.__version__,
        "commit": _commit(),
        "scripts_sha256": source_hash(),
        "seed": SEED,
        "results": results,
    }
    (PACK / "quality.json").write_text(json.dumps(report, indent=2) + "\n")
    for phrasings, models in results.items():
        for model, scores in models.items():
            cells = "  ".join(f"{n} {s['exact_percent']:5.1f}/{s['refused_percent']:5.1f}" for n, s in scores.items())
            print(f"{phrasings:9} {model:12} exact/refused %  {cells}")


if __name__ == "__main__":
    main()
