"""Clusters: workers that do not share a thread or a GPU, and where blocks may run."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

GPU = "GPU"  # the resource of workers that have one, as dask-cuda's documentation calls it
THREADS = (  # what the libraries that have threads of their own read when they are loaded
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "GDAL_NUM_THREADS",
)


def local(
    workers: int | None = None,
    gpus: int | str | Sequence[int | str] | None = None,
    *,
    threads: int = 1,
    memory_limit: str | float = "auto",
    dashboard_address: str | None = ":0",
    **options: Any,
) -> Any:
    """Start workers on this machine: one process a CPU worker, one process and thread a GPU.

    Use it in a script below ``if __name__ == "__main__":``, for workers are processes.

    Parameters
    ----------
    workers
        Processes without a GPU. None: with GPUs 1, which reads and writes beside them; without,
        one for every `threads` cores.
    gpus
        How many GPUs to use, or ``"all"``, or which: ``[0, 2]``. None: none.
    threads
        Threads of a worker without a GPU. Blocks release the GIL, so threads of one process share
        what they read; more processes survive more.
    memory_limit
        Of a worker, such as ``"4GB"``. "auto": a fair share of the memory.
    dashboard_address
        Of the dashboard; None: none.
    **options
        Further options of `distributed.SpecCluster`.

    Returns
    -------
    distributed.SpecCluster
        Give it to a client: ``client = distributed.Client(xstf.cluster.local(workers=4))``.

    Raises
    ------
    ValueError
        For nonsense.
    RuntimeError
        If there are fewer GPUs than asked for.

    Notes
    -----
    Every library's own threads are set to one in the workers, for dask owns the threads: two owners
    would fight for the cores.
    """
    from distributed import Nanny, Scheduler, SpecCluster

    devices = devices_of(gpus)
    count = _count(workers, devices, threads)
    limit = _share(count + len(devices)) if memory_limit == "auto" else memory_limit
    common = {"memory_limit": limit, "dashboard_address": None}
    spec = {
        f"cpu-{n}": {
            "cls": Nanny,
            "options": common | {"nthreads": threads, "env": one_thread_each()},
        }
        for n in range(count)
    }
    for device in devices:
        env = one_thread_each() | {"CUDA_VISIBLE_DEVICES": str(device)}
        options_of = common | {"nthreads": 1, "env": env, "resources": {GPU: 1}}
        spec[f"gpu-{device}"] = {"cls": Nanny, "options": options_of}
    scheduler = {
        "cls": Scheduler,
        "options": {
            "dashboard": dashboard_address is not None,
            "dashboard_address": dashboard_address,
            "host": "127.0.0.1",
            "port": 0,
        },
    }
    return SpecCluster(workers=spec, scheduler=scheduler, **options)


def one_thread_each() -> dict[str, str]:
    """Return the environment in which libraries leave the threads to dask."""
    return dict.fromkeys(THREADS, "1") | {"OMP_WAIT_POLICY": "PASSIVE"}


def current() -> Any:
    """Return the client that dask computes with now; None where there is none."""
    if "distributed" not in sys.modules:
        return None
    from distributed import default_client

    try:
        found = default_client()
    except ValueError:
        return None
    return found if found.status == "running" else None


def await_workers(client: Any) -> None:
    """Wait for the first worker of a cluster, and say so where there is none yet."""
    if not client.scheduler_info(n_workers=-1)["workers"]:
        warnings.warn(
            f"the cluster of {client.scheduler.address} has no workers yet, and the run waits for "
            "the first; start some: cluster.scale(4), or dask worker with that address",
            UserWarning,
            stacklevel=3,
        )
        client.wait_for_workers(1)


def lacking(client: Any) -> str | None:
    """Return what keeps blocks from GPUs on a cluster, and the cure; None if nothing does.

    dask would wait for ever for a resource that no worker has.
    """
    workers = _workers(client)
    if any(_has_gpu(worker) for worker in workers.values()):
        return None
    return (
        f"none of the {len(workers)} workers of {client.scheduler.address} says that it has a GPU; "
        f"start workers that do: xstf.cluster.local(gpus=1), dask-cuda's LocalCUDACluster("
        f'resources={{"{GPU}": 1}}), or dask worker --resources "{GPU}=1" --nthreads 1'
    )


def resources(client: Any, device: str) -> dict[str, float] | None:
    """Return what a worker must have to run a block on a device; None if any worker will do.

    Parameters
    ----------
    client
        A `distributed.Client`, or None.
    device
        ``"cpu"`` or ``"cuda"``.
    """
    if client is None or device != "cuda" or all(map(_has_gpu, _workers(client).values())):
        return None
    return {GPU: 1}


def _has_gpu(worker: Mapping[str, Any]) -> bool:
    return worker["resources"].get(GPU, 0) >= 1


def devices_of(gpus: Any) -> list[str]:
    """Return the GPUs that are meant, by their numbers or names.

    Raises
    ------
    RuntimeError
        If there are fewer.
    ValueError
        For nonsense.
    """
    if gpus is None or (isinstance(gpus, int) and not isinstance(gpus, bool) and gpus == 0):
        return []
    known = visible()
    if isinstance(gpus, str):
        if gpus != "all":
            raise ValueError(f"gpus={gpus!r} must be a number, 'all', or a list such as [0, 1]")
        wanted = known
    elif isinstance(gpus, int):
        if isinstance(gpus, bool) or gpus < 0:
            raise ValueError(f"gpus={gpus!r} must be a number, 'all', or a list such as [0, 1]")
        wanted = known[:gpus] if gpus <= len(known) else [*known, *["?"] * (gpus - len(known))]
    else:
        wanted = [str(device) for device in gpus]
        if len(set(wanted)) != len(wanted):
            raise ValueError(f"gpus={list(gpus)} names one twice; a GPU has one worker")
    lost = [device for device in wanted if device not in known]
    if lost or not wanted:
        found = f"only {', '.join(known)}" if known else "none that nvidia-smi can see"
        raise RuntimeError(
            f"gpus={gpus!r}, but there is {found} on this machine; install the driver, look at "
            "CUDA_VISIBLE_DEVICES, or leave gpus out"
        )
    return wanted


def visible() -> list[str]:
    """Return the GPUs of this machine that this process may use, as CUDA_VISIBLE_DEVICES does."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    try:
        done = subprocess.run(
            ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"],
            capture_output=True, text=True, timeout=30, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return []
    present = done.stdout.split()
    if chosen is None:
        return present
    named = [device.strip() for device in chosen.split(",") if device.strip()]
    return [device for device in named if device in present or not device.isdigit()]


def _count(workers: Any, devices: list[str], threads: Any) -> int:
    """Return how many workers have no GPU."""
    for name, value, least in (("workers", workers, 0), ("threads", threads, 1)):
        whole = isinstance(value, int) and not isinstance(value, bool)
        if value is None and name == "workers":
            continue
        if not whole or value < least:
            raise ValueError(f"{name}={value!r} is no whole number, {least} or more")
    if workers is None:
        return 1 if devices else max(1, _cores() // threads)
    if workers == 0 and not devices:
        raise ValueError("workers=0 and no GPU: nobody would work")
    return int(workers)


def _cores() -> int:
    from dask.system import CPU_COUNT

    return int(CPU_COUNT)


def _share(processes: int) -> int:
    from distributed.system import MEMORY_LIMIT

    return int(MEMORY_LIMIT / max(1, processes))


def _workers(client: Any) -> Mapping[str, Mapping[str, Any]]:
    """Return what the scheduler knows of its workers; waits for the first one."""
    client.wait_for_workers(1)
    return client.scheduler_info(n_workers=-1)["workers"]
