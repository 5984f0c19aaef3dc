"""Vectors: rows of float32 without numpy, so that every variant has them.

A vector is `array("f")`: 4 bytes a number, readable by numpy without a copy.
"""

import base64
import math
import operator
import sys
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Vector: TypeAlias = "array[float]"
"""One row: array("f")."""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Result of embedding a batch of n inputs."""

    vectors: Sequence[Vector]
    """n rows of float32, each of L2 norm 1."""
    tokens: int
    """Tokens that were read, special tokens included, padding not."""
    truncated: tuple[int, ...] = ()
    """Places of the inputs that are longer than the model reads; their ends were not read."""


def normalised(numbers: Iterable[float]) -> Vector:
    """Scale to L2 norm 1; a row of zeros stays as it is."""
    row = array("f", numbers)
    norm = math.sqrt(sum(map(operator.mul, row, row)))
    return array("f", [number / norm for number in row]) if norm else row


def shortened(row: Vector, dimensions: int) -> Vector:
    """Keep the first numbers and scale again to L2 norm 1."""
    return row if dimensions == len(row) else normalised(row[:dimensions])


def dot(left: Vector, right: Vector) -> float:
    """Multiply two rows; with norms of 1 this is the cosine, -1 to 1."""
    return float(sum(map(operator.mul, left, right)))


def as_base64(row: Vector) -> str:
    """Write a row as little-endian float32 in base64, as OpenAI does."""
    if sys.byteorder == "big":
        row = row[:]
        row.byteswap()
    return base64.b64encode(row.tobytes()).decode("ascii")
