"""CPUs: threads follow what the container was granted."""

import os

import pytest
from rag.cpus import granted_cpus

HERE = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("100000 100000", 1),
        ("50000 100000", 1),
        ("900000000 100000", HERE),
        ("max 100000", HERE),
        ("junk", HERE),
    ],
)
def test_a_cgroup_2_quota_caps_the_count(tmp_path, text, count):
    """A quota under one CPU still gives one; no quota gives the affinity."""
    (tmp_path / "cpu.max").write_text(f"{text}\n")

    assert granted_cpus(tmp_path) == count


@pytest.mark.parametrize(("limit_us", "count"), [(100_000, 1), (-1, HERE)])
def test_a_cgroup_1_quota_caps_the_count(tmp_path, limit_us, count):
    """The older cgroup layout is read too; -1 is no quota."""
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(str(limit_us))
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000")

    assert granted_cpus(tmp_path) == count


def test_without_a_cgroup_the_affinity_counts(tmp_path):
    """A plain machine uses its CPUs."""
    assert granted_cpus(tmp_path) == HERE
