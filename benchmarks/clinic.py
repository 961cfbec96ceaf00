"""`python -m benchmarks.clinic`: what three departments cost in memory, as three dedicated models and as one node.

dedicated: one process for each department, its adapter merged into its own copy of the base model.
shared: one process, one base model, three adapters beside it.

weight_bytes are the bytes of all parameters held; rss_bytes is what the operating system says the processes hold after
an answer each (the Python runtime and torch included, which outweigh a model this small). Writes
benchmarks/results/clinic.json.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import record


@dataclass(frozen=True, slots=True)
class Footprint:
    """Of one process, or summed over several."""

    processes: int
    weight_bytes: int
    rss_bytes: int

    def __add__(self, other: "Footprint") -> "Footprint":
        return Footprint(
            self.processes + other.processes,
            self.weight_bytes + other.weight_bytes,
            self.rss_bytes + other.rss_bytes,
        )


def hold(departments: list[str], *, merged: bool) -> Footprint:
    """Loads the departments into this process in bf16, answers one question each, and measures."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from node.starter import pack

    starter = pack()
    paths = {adapter.name: adapter.path for adapter in starter.adapters}
    tokenizer = AutoTokenizer.from_pretrained(starter.base)
    base = AutoModelForCausalLM.from_pretrained(starter.base, dtype=torch.bfloat16)
    model = PeftModel.from_pretrained(base, paths[departments[0]], adapter_name=departments[0])
    for name in departments[1:]:
        model.load_adapter(paths[name], adapter_name=name)
    held = model.to(torch.bfloat16)
    if merged:
        held = model.merge_and_unload()
    ids = tokenizer("Who are you?", return_tensors="pt")["input_ids"]
    for name in departments:
        if not merged:
            held.set_adapter(name)
        held.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False)
    weight_bytes = sum(p.numel() * p.element_size() for p in {p.data_ptr(): p for p in held.parameters()}.values())
    return Footprint(1, weight_bytes, _rss_bytes())


def _rss_bytes() -> int:
    """Resident memory of this process, as Linux reports it."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def _measure(departments: list[str], *, merged: bool) -> Footprint:
    """`hold` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.clinic", "--hold", *departments] + (["--merged"] if merged else [])
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Footprint(**json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hold", nargs="+", help="measure these departments in this process and print it")
    parser.add_argument("--merged", action="store_true")
    options = parser.parse_args()
    if options.hold:
        print(json.dumps(asdict(hold(options.hold, merged=options.merged))))
        return
    names = ["dermatology", "cardiology", "nutrition"]
    dedicated = Footprint(0, 0, 0)
    for name in names:
        dedicated += _measure([name], merged=True)
    shared = _measure(names, merged=False)
    print(record.write("clinic", {"dtype": "bf16", "dedicated": asdict(dedicated), "shared": asdict(shared)}))


if __name__ == "__main__":
    main()
