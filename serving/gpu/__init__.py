"""What a CUDA device computes with kernels of its own: the LoRA operator, paged attention, decode steps as CUDA graphs.

Triton is imported by `lora_kernels` and `attention_kernels` alone, and these by what runs on a GPU or tests it; a node
on a CPU loads neither. The kernels are tested against the float32 references with Triton's interpreter.
"""
