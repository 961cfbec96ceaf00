"""The compiled kernels, for both dtypes."""

import pytest
import torch

from serving.base.cpu_kernels import kernels_for
from serving.config import KERNELS_HOME
from serving.native.library import Library

TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2e-2}


@pytest.fixture(params=[torch.float32, torch.bfloat16], ids=["fp32", "bf16"], scope="session")
def kernels(request: pytest.FixtureRequest) -> Library:
    found = kernels_for(request.param, torch.device("cpu"), KERNELS_HOME.expanduser())
    assert found is not None, "the kernels need a C compiler (Debian: apt-get install gcc)"
    return found
