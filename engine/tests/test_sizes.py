"""Amounts of disk space as people write them."""

import pytest

from wheelhouse_engine.sizes import parse_size, spell_size


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("10GB", 10**10), ("1.5 GiB", 3 * 2**29), ("500mb", 5 * 10**8), ("7K", 7000)]
)
def test_sizes_are_read(text: str, size: int) -> None:
    """Decimal and binary units are told apart."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "-1GB", "10XB", "GB", "1 0"])
def test_wrong_size_is_refused(text: str) -> None:
    """A text that is no size says what one looks like."""
    with pytest.raises(ValueError, match="expected one such as 10GB"):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (1234, "1.2 kB"), (3 * 10**9, "3.0 GB"), (5 * 10**12, "5.0 TB")]
)
def test_sizes_are_spelt_for_people(size: int, text: str) -> None:
    """Bytes are printed in units of 1000."""
    assert text == spell_size(size)
