"""Write what starts an image elsewhere: compose.yaml and Kubernetes YAML, from the configuration alone."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import dagger
from dagger import dag

from pipeline.build.image import health_probe
from pipeline.config import Config, ServiceConfig
from pipeline.errors import ConfigError
from pipeline.variants import VARIANTS, Variant

REFERENCE: Final = re.compile(r"^[a-z0-9][\w.:/-]*(?:@sha256:[0-9a-f]{64})?$", re.ASCII)
TEMPORARY: Final = "/tmp"  # noqa: S108 - the path inside the image
GPU_RESOURCE: Final = "nvidia.com/gpu"
STARTUP_S: Final = 300
"""Time until the service must be ready: models are loaded, on a busy machine."""


def deployment_files(config: Config, variant: Variant, image: str) -> dagger.Directory:
    """Return compose.yaml and kubernetes.yaml of an image.

    Both start it as `verify` does: read-only, without capabilities, with /tmp to write to.

    Args:
        config: what the service declares.
        variant: which of its images.
        image: reference in a registry, best `REPOSITORY@sha256:…`.

    Raises:
        ConfigError: the service does not declare the variant, or `image` is not a reference.

    """
    config.variant(variant)
    if not REFERENCE.match(image):
        raise ConfigError.of(
            f"--image={image!r} is not a reference of an image",
            expected="REGISTRY/REPOSITORY@sha256:… or REGISTRY/REPOSITORY:TAG",
            do="Pass what `publish` prints.",
        )
    kubernetes = "---\n".join(yaml_text(one) for one in kubernetes_objects(config, variant, image))
    return (
        dag.directory()
        .with_new_file("compose.yaml", yaml_text(compose(config, variant, image)))
        .with_new_file("kubernetes.yaml", kubernetes)
    )


def compose(config: Config, variant: Variant, image: str) -> dict[str, Any]:
    """Return the Compose project of one service; the image brings command, environment, health check."""
    service: dict[str, Any] = {
        "image": image,
        "read_only": True,
        "tmpfs": [TEMPORARY],
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "restart": "unless-stopped",
    }
    if config.service.port:
        service["ports"] = [f"{config.service.port}:{config.service.port}"]
    if VARIANTS[variant].cuda:
        device = {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
        service["deploy"] = {"resources": {"reservations": {"devices": [device]}}}
    return {"services": {object_name(config): service}}


def kubernetes_objects(config: Config, variant: Variant, image: str) -> list[dict[str, Any]]:
    """Return a Deployment and, for a service with a port, a Service."""
    name, port = object_name(config), config.service.port
    selector = {"app.kubernetes.io/name": name}
    template = {"metadata": {"labels": selector}, "spec": _pod(config, variant, image)}
    spec = {"replicas": 1, "selector": {"matchLabels": selector}, "template": template}
    metadata = {"name": name, "labels": selector}
    objects = [{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}]
    if port:
        ports = [{"name": "main", "port": port, "targetPort": "main"}]
        exposed = {"selector": selector, "ports": ports}
        objects.append({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": exposed})
    return objects


def object_name(config: Config) -> str:
    """Return the project's name as DNS allows it (RFC 1123): at most 63 of a-z, 0-9 and `-`."""
    name = re.sub(r"[^a-z0-9]+", "-", config.project.name.lower()).strip("-")[:63].rstrip("-")
    # A Service has to start with a letter.
    return name if name[:1].isalpha() else f"service-{name}"[:63].rstrip("-")


def yaml_text(value: Any) -> str:
    """Return a value as YAML in block style; every text is quoted as JSON has it."""
    return "".join(f"{line}\n" for line in _lines(value))


def _pod(config: Config, variant: Variant, image: str) -> dict[str, Any]:
    service = config.service
    container: dict[str, Any] = {
        "name": object_name(config),
        "image": image,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": TEMPORARY}],
        **_probes(service),
    }
    if service.port:
        container["ports"] = [{"name": "main", "containerPort": service.port}]
    if VARIANTS[variant].cuda:
        container["resources"] = {"limits": {GPU_RESOURCE: 1}}
    return {
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }


def _probes(service: ServiceConfig) -> dict[str, Any]:
    """Return start-up, readiness and liveness probes; none for a worker that declares no health check."""
    if service.health_command:
        alive: dict[str, Any] = {"exec": {"command": health_probe(service)}, "timeoutSeconds": 30}
    elif service.protocol == "http":
        alive = {"httpGet": {"path": service.health, "port": "main"}}
    elif service.port:
        alive = {"tcpSocket": {"port": "main"}}
    else:
        return {}
    ready = alive
    if service.protocol == "http":
        ready = {"httpGet": {"path": service.ready_path, "port": "main"}}
    return {
        "startupProbe": {**ready, "periodSeconds": 2, "failureThreshold": STARTUP_S // 2},
        "readinessProbe": {**ready, "periodSeconds": 10},
        "livenessProbe": {**alive, "periodSeconds": 30 if service.health_command else 10},
    }


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _entry(f"{key}:", inner, "  ")
    elif isinstance(value, list) and value:
        for inner in value:
            first, *rest = _lines(inner)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)
    else:
        yield json.dumps(value, ensure_ascii=False)


def _entry(start: str, value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, dict | list) and value:
        yield start
        yield from (f"{indent}{line}" for line in _lines(value))
    else:
        yield f"{start} {json.dumps(value, ensure_ascii=False)}"
