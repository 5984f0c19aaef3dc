"""Let one option choose the engine: `--engine=dagger` asks the Dagger that answers, or skips."""

import os

import pytest

from tests.engines import VARIABLE, engine, silence


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--engine`."""
    parser.addoption(
        "--engine", choices=["embedded", "dagger"], default="embedded", help="which engine is asked"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Pass the choice on to every helper and process."""
    os.environ[VARIABLE] = config.getoption("--engine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip everything with the reason where Dagger is asked and none answers."""
    if engine() == "dagger" and (reason := silence()):
        for item in items:
            item.add_marker(pytest.mark.skip(reason=reason))
