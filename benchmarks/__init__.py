"""Speed of trainings on one thread (`make bench`) and of sweeps (`make bench-sweep`)."""

import os

# Libraries read these when they are loaded.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ["XLA_FLAGS"] = (
    "--xla_cpu_multi_thread_eigen=false --xla_force_host_platform_device_count=1"
)
os.environ["JAX_PLATFORMS"] = "cpu"
