"""Spec of the engine's own image configuration."""

import pytest

from wheelhouse_engine.imageconfig import ExposedPort, ImageConfig, ImageError

CONFIG = ImageConfig(
    env=("PATH=/bin", "A=b=c"),
    user="1001:1001",
    workdir="/srv",
    entrypoint=("/e",),
    cmd=("d",),
    labels={"b": "2", "a": "1"},
    exposed_ports=(ExposedPort(53, "udp"), ExposedPort(8000)),
    healthcheck={"Test": ["CMD", "true"], "Interval": 10_000_000_000},
    volumes=("/data",),
    stop_signal="SIGINT",
    architecture="arm64",
    variant="v8",
)


def test_a_configuration_survives_writing_and_reading():
    """What is written is read again, healthcheck included."""
    written = {"config": CONFIG.document(), "architecture": "arm64", "os": "linux", "variant": "v8"}

    assert ImageConfig.parse(written) == CONFIG


def test_what_is_not_set_is_not_written():
    """An empty configuration writes no key."""
    assert ImageConfig().document() == {}


def test_a_platform_has_its_variant():
    """The platform is os, architecture and variant."""
    assert CONFIG.platform == "linux/arm64/v8"


@pytest.mark.parametrize("port", ["x/tcp", "80/sctp", "-1", ""])
def test_a_malformed_port_is_named(port):
    """A port that is not NUMBER/tcp or NUMBER/udp is refused with its text."""
    with pytest.raises(ImageError, match="exposed port"):
        ExposedPort.parse(port)


@pytest.mark.parametrize("config", [{"Env": "A=1"}, {"Cmd": [1]}, {"Entrypoint": {"a": 1}}])
def test_a_malformed_list_is_named(config):
    """A list that is none is refused with its key."""
    with pytest.raises(ImageError, match=next(iter(config))):
        ImageConfig.parse({"config": config})


def test_a_configuration_that_is_no_object_is_refused():
    """`config` must be an object."""
    with pytest.raises(ImageError, match="expected an object"):
        ImageConfig.parse({"config": ["x"]})
