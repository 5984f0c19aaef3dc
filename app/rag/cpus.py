"""CPUs: how many the container was granted."""

import os
from pathlib import Path


def granted_cpus(root: Path = Path("/sys/fs/cgroup")) -> int:
    """Count the CPUs this process may use: affinity, capped by the cgroup quota.

    A quota of 1.5 CPUs counts as 2; the result is at least 1. Without this a pod
    limited to 1 CPU on a 64-core node would start 64 threads and throttle itself.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(root)
    return affinity if quota is None else max(1, min(affinity, quota))


def _quota(root: Path) -> int | None:
    for read in (_quota_v2, _quota_v1):
        try:
            limit_us, period_us = read(root)
        except (OSError, ValueError):
            continue
        if limit_us > 0 and period_us > 0:
            return -(-limit_us // period_us)
    return None


def _quota_v2(root: Path) -> tuple[int, int]:
    limit, period = (root / "cpu.max").read_text().split()
    return int(limit), int(period)


def _quota_v1(root: Path) -> tuple[int, int]:
    folder = root / "cpu"
    return int((folder / "cpu.cfs_quota_us").read_text()), int((folder / "cpu.cfs_period_us").read_text())
