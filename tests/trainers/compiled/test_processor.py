"""The second pass of the tests that train, `make test-haswell`, really is another processor's."""

import os

import pytest
from numba.core.dispatcher import Dispatcher

from trainers import compile_kernels
from trainers.compiled.patches import add_patch_products, multiply_patches
from trainers.compiled.registers import VECTOR_BYTES
from trainers.kernels.sgd import run_sgd


@pytest.mark.skipif(
    os.environ.get("NUMBA_CPU_NAME") != "haswell", reason="compiled for the processor that is here"
)
def test_no_kernel_uses_registers_of_avx_512():
    compile_kernels("float32")
    assert VECTOR_BYTES == 32
    for kernel in (run_sgd, multiply_patches, add_patch_products):
        assert isinstance(kernel, Dispatcher)
        for assembly in kernel.inspect_asm().values():
            assert "zmm" not in assembly
    texts = run_sgd.inspect_asm().values()
    assert texts
    assert all("ymm" in text for text in texts)
