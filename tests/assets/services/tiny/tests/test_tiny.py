"""What the service promises."""

from tiny.__main__ import Answer


def test_it_answers():
    """There is a handler."""
    assert Answer.do_POST is Answer.do_GET
