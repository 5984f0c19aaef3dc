"""Files that start an image elsewhere are valid by others' schemas and say what the service declares."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.publish.manifests import compose, deployment_files, kubernetes_objects, object_name, yaml_text
from pipeline.variants import Variant
from tests.programs.interpreters import interpreter

IMAGE = "registry.test/demo@sha256:" + "ab" * 32
HEAD = '[project]\nname = "My_Demo.service"\n[tool.wheelhouse]\npackages = ["demo"]\ncommand = ["demo"]\n'
TAIL = "[tool.wheelhouse.variants.cpu]\n[tool.wheelhouse.variants.gpu]\n"
SERVICES = {
    "http": 'port = 9000\nready = "/ready"\n',
    "grpc": 'protocol = "grpc"\n',
    "worker": 'protocol = "none"\n',
    "checked worker": 'protocol = "none"\nhealth_command = ["demo", "ping", "a: b # c"]\n',
}
VALIDATE = """
import json, sys
import compose_spec, kubernetes_validate, yaml
compose_text, kubernetes_text = map(json.loads, sys.stdin)
compose_spec.PyCompose.from_yaml(compose_text).validate()
objects = list(yaml.safe_load_all(kubernetes_text))
for one in objects:
    kubernetes_validate.validate(one, kubernetes_validate.latest_version(), strict=True)
print(json.dumps([yaml.safe_load(compose_text), objects]))
"""


@pytest.fixture(scope="module")
def validator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give an interpreter with the schemas of Compose and Kubernetes."""
    requirements = Path(__file__).with_name("manifest_validators.txt")
    return interpreter(tmp_path_factory.mktemp("schemas"), requirements)


def configured(service: str) -> Config:
    """Return the configuration of a service."""
    return Config.parse(HEAD + service + TAIL)


@pytest.mark.integration
@pytest.mark.parametrize("variant", [Variant.CPU, Variant.GPU])
@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES.keys())
def test_manifests_are_valid_and_read_back_as_they_were_meant(validator, service, variant):
    """Other people's schemas accept both files; a YAML parser reads the very values."""
    config = configured(service)
    wanted = [compose(config, variant, IMAGE), kubernetes_objects(config, variant, IMAGE)]
    texts = [yaml_text(wanted[0]), "---\n".join(yaml_text(one) for one in wanted[1])]
    given = "".join(f"{json.dumps(text)}\n" for text in texts)

    done = subprocess.run(
        [validator, "-c", VALIDATE], input=given, check=False, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == wanted


def container(config: Config, variant: Variant) -> dict[str, Any]:
    """Return the container of the Deployment."""
    deployment = kubernetes_objects(config, variant, IMAGE)[0]
    [only] = deployment["spec"]["template"]["spec"]["containers"]
    return dict(only)


def test_probes_are_those_that_the_service_declares():
    """Readiness asks `ready`, liveness `health`; a worker without health check has no probe."""
    web = container(configured(SERVICES["http"]), Variant.CPU)
    checked = container(configured(SERVICES["checked worker"]), Variant.CPU)

    assert web["readinessProbe"]["httpGet"] == {"path": "/ready", "port": "main"}
    assert web["livenessProbe"]["httpGet"] == {"path": "/health", "port": "main"}
    assert checked["livenessProbe"]["exec"] == {"command": ["demo", "ping", "a: b # c"]}
    assert not {name for name in container(configured(SERVICES["worker"]), Variant.CPU) if "Probe" in name}


def test_only_the_gpu_image_asks_for_a_gpu():
    """A pod that asks for a GPU without using it blocks one."""
    config = configured(SERVICES["http"])

    assert container(config, Variant.GPU)["resources"] == {"limits": {"nvidia.com/gpu": 1}}
    assert "resources" not in container(config, Variant.CPU)
    assert "deploy" not in compose(config, Variant.CPU, IMAGE)["services"]["my-demo-service"]


@pytest.mark.parametrize(
    ("name", "expected"), [("My_Demo", "my-demo"), ("7-up", "service-7-up"), ("a" * 70, "a" * 63)]
)
def test_names_are_those_that_dns_allows(name, expected):
    """Kubernetes refuses capitals, dots, digits at the start of a Service and more than 63 characters."""
    assert object_name(Config.parse(HEAD.replace("My_Demo.service", name) + TAIL)) == expected


def test_what_is_not_a_reference_is_refused():
    """A file name in the manifest would be found out by a cluster only."""
    with pytest.raises(ConfigError, match="is not a reference of an image"):
        deployment_files(configured(""), Variant.CPU, "My Image.tar")
