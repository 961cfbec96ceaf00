"""Compiles every kernel for real GPUs, which needs none: prints what each takes of the chip, as JSON lines.

Run in a process of its own, with TRITON_INTERPRET=0: python -m tests.serving.gpu.compiled 90 bf16 64 128
"""

import json
import sys
from typing import Any

import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from serving.gpu import attention_kernels, lora_kernels

POINTERS = {
    "z": "*fp32",
    "partial": "*fp32",
    "softmax": "*fp32",
    "tiles": "*i64",
    "table": "*i64",
    "blocks": "*i64",
    "pages": "*i64",
    "pages_at": "*i64",
    "lengths": "*i64",
    "places": "*i64",
}
ELEMENTS = ("x", "y", "query", "arena", "rows", "out")
NOT_ALIGNED = ("window", "group_at", "z_tokens")
LORA = {"MEMBERS": 3, "SPLITS": 2, "BLOCK_R": 16, "ALIGNED": True}
DTYPES = {"bf16": tl.bfloat16, "fp32": tl.float32}


def heads(dim: int, dtype: str) -> dict[str, int]:
    block = triton.next_power_of_2(dim)
    wide = dim * (2 if dtype == "bf16" else 4) > 256
    return {"HEADS": 32, "KV_HEADS": 8, "KEY_DIM": dim, "VALUE_DIM": dim, "BLOCK_N": 32 if wide else 64} | {
        "BLOCK_K": block,
        "BLOCK_V": block,
        "PAGE": 16,
    }


def cases(dtype: str, dims: list[int]) -> list[tuple[Any, dict[str, Any]]]:
    both = [
        (kernel, LORA | width | {"BLOCK_T": tokens})
        for kernel, width in ((lora_kernels.shrink, {"BLOCK_K": 128}), (lora_kernels.expand, {"BLOCK_N": 128}))
        for tokens in (16, 64)
    ]
    for dim in dims:
        both += [
            (attention_kernels.decode, heads(dim, dtype) | {"SPLITS": 4, "BLOCK_M": 16}),
            (attention_kernels.prefill, heads(dim, dtype) | {"BLOCK_T": 64}),
        ]
    both.append((attention_kernels.combine, {"HEADS": 32, "SPLITS": 4, "VALUE_DIM": 128, "BLOCK_V": 128}))
    both.append((attention_kernels.store, {"ELEMENTS": 2048, "BLOCK": 1024}))
    return both


def compile_for(kernel: Any, constants: dict[str, Any], dtype: str, capability: int) -> dict[str, Any]:
    constants = {name: value for name, value in constants.items() if name in kernel.arg_names}
    if "DOT" in kernel.arg_names:
        constants["DOT"] = DTYPES[dtype]
    signature = {}
    for name in kernel.arg_names:
        number = "fp32" if name == "scale" else "i32"
        pointer = f"*{dtype}" if name in ELEMENTS else POINTERS.get(name)
        signature[name] = "constexpr" if name in constants else pointer or number
    aligned = {
        (i,): [["tt.divisibility", 16]]
        for i, (name, kind) in enumerate(signature.items())
        if kind not in ("constexpr", "fp32") and name not in NOT_ALIGNED
    }
    source = ASTSource(kernel, signature, constants, aligned)
    built = triton.compile(source, target=GPUTarget("cuda", capability, 32))
    return {
        "kernel": kernel.__name__,
        "dtype": dtype,
        "capability": capability,
        "dim": constants.get("KEY_DIM"),
        "shared_bytes": built.metadata.shared,
        "copies_16_bytes": "cp.async.cg" in built.asm["ptx"],
        "matrix_units": "mma" in built.asm["ptx"],
    }


if __name__ == "__main__":
    capability, dtype, *dims = sys.argv[1:]
    for kernel, constants in cases(dtype, list(map(int, dims))):
        print(json.dumps(compile_for(kernel, constants, dtype, int(capability))), flush=True)
