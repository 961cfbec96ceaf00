"""Where these tests run their kernels: interpreted on the CPU, or compiled for the GPU by `make test-gpu`."""

import pytest
import torch
from triton import knobs

INTERPRETED = bool(knobs.runtime.interpret)
DEVICE = torch.device("cpu" if INTERPRETED else "cuda")

needs_gpu = pytest.mark.skipif(INTERPRETED or not torch.cuda.is_available(), reason="needs a CUDA GPU")
