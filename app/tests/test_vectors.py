"""Vectors: float32 rows without numpy."""

import base64
import math
import struct
from array import array

import pytest
from rag.vectors import as_base64, dot, normalised, shortened


def test_a_row_is_scaled_to_norm_1():
    """3, 4 becomes 0.6, 0.8."""
    assert normalised([3, 4]).tolist() == pytest.approx([0.6, 0.8])


def test_a_row_of_zeros_stays():
    """Nothing is divided by zero."""
    assert normalised([0, 0]).tolist() == [0, 0]


def test_a_shortened_row_has_norm_1_again():
    """Dimensions are cut from the end, then the row is scaled."""
    row = shortened(normalised([3, 4, 12]), 2)

    assert row.tolist() == pytest.approx([0.6, 0.8])


def test_base64_is_little_endian_float32():
    """The bytes are those that OpenAI's client unpacks."""
    packed = base64.b64decode(as_base64(array("f", [0.5, -1.25])))

    assert struct.unpack("<2f", packed) == (0.5, -1.25)


def test_the_dot_product_of_unit_rows_is_their_cosine():
    """45 degrees apart."""
    assert dot(normalised([1, 0]), normalised([1, 1])) == pytest.approx(math.sqrt(0.5))
