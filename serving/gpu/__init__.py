"""Triton kernels for a CUDA device: the LoRA operator, paged attention, and decode steps as CUDA graphs.

Only `lora_kernels` and `attention_kernels` define kernels, and only code for GPUs imports them: a node on a CPU does
not load Triton. The kernels are tested against the float32 references with Triton's interpreter. The engine thread runs
the steps; the loader's threads copy adapters to the device (`staging`).
"""
