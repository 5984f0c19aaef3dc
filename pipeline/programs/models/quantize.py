"""Turn float weights into int8 with one scale per channel."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

LARGEST: Final = 127  # int8, symmetric: no zero point to subtract
PAIR_LIMIT: Final = 127.5
"""Largest sum of two neighbouring weights of one sign, before rounding.

Source: x86 without VNNI multiplies u8 by s8 in pairs and saturates the sum at 32767 (vpmaddubsw);
255 * 128 = 32640 fits. It leaves 97 to 113 of 127 steps in MiniLM, a 7-bit range would leave 63.
"""
SMOOTH_POWER: Final = 0.5
"""Share of the range moved from activations to weights. Source: measured, 0.5 and 0.7 alike."""


@dataclass(frozen=True, slots=True)
class Quantized:
    """Int8 values and the scales that restore them."""

    values: Any
    """int8, the shape of the weight."""
    scales: Any
    """float32, one per column (columns,) or per row (rows, 1)."""


def quantize_rows(table: Any) -> Quantized:
    """Quantise a look-up table (rows, width) with one scale per row."""
    scales = np.maximum(np.abs(table).max(axis=1, keepdims=True) / LARGEST, np.finfo(np.float32).tiny)
    return Quantized(np.round(table / scales).astype(np.int8), scales.astype(np.float32))


def quantize_columns(weight: Any) -> Quantized:
    """Quantise a weight (in, out) per output, safe from 16-bit saturation."""
    scales = np.abs(weight).max(axis=0) / LARGEST
    scales = np.maximum(scales, _pair_sums(weight).max(axis=0, initial=0) / PAIR_LIMIT)
    scales = np.maximum(scales, np.finfo(np.float32).tiny)
    values = np.clip(np.round(weight / scales), -LARGEST, LARGEST).astype(np.int8)
    return Quantized(values, scales.astype(np.float32))


def smoothing(reach: Any, weight: Any) -> Any:
    """Return a factor per input channel that levels an activation.

    The activation, of magnitude `reach` (in,), is divided by it and the weight (in, out) multiplied, so
    the product is unchanged while the widest channels no longer decide the step size of all others.
    Factors are powers of two: exact in floating point, and the same on processors that round the
    measured reach differently. float32 (in,).
    """
    widest = np.maximum(np.abs(weight).max(axis=1), 1e-6)
    exponents = SMOOTH_POWER * np.log2(np.maximum(reach, 1e-6)) - (1 - SMOOTH_POWER) * np.log2(widest)
    return np.exp2(np.round(exponents - np.round(exponents.mean()))).astype(np.float32)


def _pair_sums(weight: Any) -> Any:
    even, odd = weight[0::2], weight[1::2]
    even = even[: len(odd)]
    return np.where(np.sign(even) == np.sign(odd), np.abs(even + odd), 0.0)
