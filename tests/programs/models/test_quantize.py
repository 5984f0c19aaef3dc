"""Quantised weights: small, close, and never saturated on any processor."""

from tests.programs.models.interpreter import Programs

SCRIPT = """
import numpy as np
from models.quantize import quantize_columns, quantize_rows, smoothing

random = np.random.default_rng(3)
for shape in ((384, 1152), (1536, 384), (7, 5), (1, 3)):
    weight = random.normal(0, 1, shape).astype(np.float32) * random.gamma(0.3, 1, shape).astype(np.float32)
    weight[:, 0] = 0
    weight[:, -1] = 5
    q = quantize_columns(weight)
    pairs = q.values.astype(int)
    sums = np.abs(pairs[0::2][: len(pairs) // 2] + pairs[1::2]) * 255
    assert sums.max(initial=0) <= 32767, sums.max()
    assert np.abs(q.values * q.scales - weight).max() <= q.scales.max() / 2 + 1e-6
    rows = quantize_rows(weight)
    assert (np.abs(rows.values * rows.scales - weight) <= rows.scales / 2 + 1e-6).all()
    factors = smoothing(np.abs(random.normal(0, 3, shape[0])), weight)
    assert set(np.log2(factors) % 1) == {0.0}
"""


def test_neighbouring_weights_never_saturate(programs: Programs) -> None:
    """255 times any two neighbours of a column fits 16 bits, so AVX2 computes what VNNI computes.

    Errors stay within half a step, and smoothing factors are exact powers of two.
    """
    done = programs.run("-c", SCRIPT)

    assert done.returncode == 0, done.stderr
