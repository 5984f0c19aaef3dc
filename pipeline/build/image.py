"""Stage 5 of 8: wheels, models and application in, a slim runtime image out, one layer each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import dagger
from dagger import dag

from pipeline.build.archives import packed_archive
from pipeline.build.models import HUB_LAYOUT
from pipeline.config import Config, ServiceConfig
from pipeline.containers import Builder, program_files
from pipeline.variants import VARIANTS, Variant

VENV: Final = "/opt/venv"
APP: Final = "/srv/app"
MODELS: Final = "/models"
TEST_PACKAGES: Final = "/opt/test"
ARCHIVE: Final = "image.tar"
INSTALLER: Final = (
    "blame.py",
    "bytecode.py",
    "elf.py",
    "elf_symbols.py",
    "import_modules.py",
    "imports.py",
    "install_wheels.py",
    "layer_trees.py",
    "prune.py",
    "prune_needs.py",
    "prune_rules.py",
    "rootfs_rules.py",
    "site_files.py",
    "strip_symbols.py",
    "tree_times.py",
    "unused_libraries.py",
)
PLACER: Final = ("bytecode.py", "place_app.py", "tree_times.py", "writable_places.py")
PROOFS: Final = (
    "blame.py",
    "elf.py",
    "elf_symbols.py",
    "prove_imports.py",
    "prove_symbols.py",
    "rootfs_rules.py",
    "site_files.py",
)
USER: Final = "1001:1001"
INIT: Final = ("/usr/bin/tini", "--")
"""Process 1: reaps what the service's own children leave behind, and hands signals on."""
ENVIRONMENT: Final = {
    "PATH": f"{VENV}/bin:{APP}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "PYTHONPATH": APP,
    "PYTHONUNBUFFERED": "1",
    # The image's files belong to root and are compiled already.
    "PYTHONDONTWRITEBYTECODE": "1",
    "LANG": "C.UTF-8",
    # Libraries keep caches below it; with a read-only root, as any user, only /tmp can be written.
    "HOME": "/tmp",  # noqa: S108 - the path inside the image
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    # Read when the library is loaded. Without it ONNX Runtime writes a device id below HOME and sends.
    "ORT_DISABLE_TELEMETRY": "1",
}
"""Environment of every image; the variant and the service add theirs."""
CONNECT: Final = "import socket,sys;s=socket.create_connection(('127.0.0.1',{port}),2);"
PROBES: Final = {
    "tcp": CONNECT,
    "http": CONNECT + "s.sendall(b'GET {path} HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n');"
    "sys.exit(b' 200 ' not in s.recv(64))",
    # A client's preface and empty settings; a server's first frame has type 4 (RFC 9113, 3.4).
    "grpc": CONNECT + "s.sendall(b'PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n'+bytes([0,0,0,4,0,0,0,0,0]));"
    "sys.exit(s.recv(9)[3:4]!=b'\\4')",
}
"""Health probe of each protocol, without curl.

Source: 18 ms with `-I -S` and a raw socket, 42 ms with urllib (measured).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The virtual environment that holds the wheels, and what was left out of it."""

    tree: dagger.Directory
    """As it will be at VENV."""
    layers: dagger.Directory
    """The same files as layers: one folder each, rooted at "/", sorted from the bottom up."""
    cuda: dagger.Directory | None = None
    """Layer of the CUDA libraries that NVIDIA's image gave instead of wheels."""
    pruned: dagger.File
    """JSON report of the prune rules: reason, bytes and paths of each."""


def environment(builder: Builder, wheels: dagger.Directory, config: Config, variant: Variant) -> Environment:
    """Install the wheels and drop what no running service opens.

    The wheels are mounted into a container that is thrown away, and installed with --no-index.
    """
    declared = config.variant(variant)
    keep = declared.keep
    install = ["python3", "/programs/install_wheels.py", "--wheels", "/wheels", "--venv", VENV]
    install += ["--layers", "/out/layers", "--prune", "/out/pruned.json"]
    install += [word for rule in keep for word in ("--keep", rule)]
    install += [word for rule in declared.drop for word in ("--drop", rule)]
    stripper = () if "symbols" in keep else ("binutils",)
    installed = (
        builder.tools(*INSTALLER, packages=stripper)
        .with_mounted_directory("/wheels", wheels)
        .with_exec(install)
    )
    return Environment(
        tree=installed.directory(VENV),
        layers=installed.directory("/out/layers"),
        pruned=installed.file("/out/pruned.json"),
    )


async def prove(
    builder: Builder, base: dagger.Container, venv: dagger.Directory, pruned: dagger.File
) -> None:
    """Import every module and find every symbol of every distribution on the base that will run them.

    Raises:
        dagger.ExecError: a module cannot be imported, or a library wants a symbol that nothing gives;
            stderr names it, and the prune rule to blame.

    """
    python = f"{VENV}/bin/python"
    imported = (
        base.with_mounted_directory(VENV, venv)
        .with_mounted_directory("/programs", program_files(*PROOFS))
        .with_mounted_file("/in/pruned.json", pruned)
        .with_exec([python, "/programs/prove_imports.py", "--pruned", "/in/pruned.json"])
    )
    symbols = [python, "/programs/prove_symbols.py", "--site", f"{VENV}/lib"]
    await builder.with_tools(imported).with_exec(symbols).sync()


async def environment_layers(venv: Environment) -> tuple[dagger.Directory, ...]:
    """Return the layers of an environment: CUDA libraries, each large wheel, all other wheels."""
    names = sorted(name.strip("/") for name in await venv.layers.entries())
    layers = tuple(venv.layers.directory(name) for name in names)
    return (venv.cuda, *layers) if venv.cuda else layers


def app_layer(
    builder: Builder, application: dagger.Directory, writable: Sequence[str] = ()
) -> dagger.Directory:
    """Return the layer of the service's own packages: modes normalised, bytecode compiled."""
    place = ["python3", "/programs/place_app.py", "--source", "/in", "--out", "/out", "--at", APP]
    place += [word for path in writable for word in ("--writable", path)]
    return (
        builder.base()
        .with_env_variable("PYTHONHASHSEED", "0")
        .with_mounted_directory("/programs", program_files(*PLACER))
        .with_mounted_directory("/in", application)
        .with_exec(place)
        .directory("/out")
    )


def with_layers(image: dagger.Container, layers: Sequence[dagger.Directory]) -> dagger.Container:
    """Return the image with these layers above it, each rooted at "/"."""
    for part in layers:
        image = image.with_directory("/", part)
    return image


def runtime_image(
    base: dagger.Container,
    layers: Sequence[dagger.Directory],
    config: Config,
    variant: Variant,
    labels: Mapping[str, str],
) -> dagger.Container:
    """Return the image: the layers on the base, and the configuration of a service that is not root.

    Args:
        base: interpreter, OS libraries and the environment.
        layers: models, application, each rooted at "/"; rarest change first.
        config: what the service declares.
        variant: which of its images.
        labels: those of the image.

    """
    image = with_layers(base, layers)
    declared = config.variant(variant)
    hub = {"HF_HUB_CACHE": MODELS} if HUB_LAYOUT in config.exports(variant).values() else {}
    assets = {name: value for one in config.service.assets.values() for name, value in one.env.items()}
    implied = {**ENVIRONMENT, **hub, **assets, **VARIANTS[variant].env}
    variables = {**implied, **config.service.env, **declared.env}
    for name, value in variables.items():
        image = image.with_env_variable(name, value)
    for name, value in labels.items():
        image = image.with_label(name, value)
    service = config.service
    image = (
        image.with_user(USER)
        .with_workdir(APP)
        .with_entrypoint(list(INIT))
        .with_default_args(list(service.command))
    )
    image = image.with_exposed_port(service.port) if service.port else image
    if not (probe := health_probe(service)):
        return image
    # A program of the service's own imports more than a socket does.
    interval, timeout = ("30s", "30s") if service.health_command else ("10s", "3s")
    return image.with_docker_healthcheck(
        probe,
        interval=interval,
        timeout=timeout,
        start_period="30s",
        # Else nobody knows for 10 s that it is up: Dagger's `as-service` and Docker wait for the probe.
        start_interval="1s",
        retries=3,
    )


def health_probe(service: ServiceConfig) -> list[str]:
    """Return the command that ends with 0 while the service is well; empty where it declares none."""
    if service.health_command:
        return list(service.health_command)
    if service.protocol == "none":
        return []
    code = PROBES[service.protocol].format(port=service.port, path=service.health)
    return ["python", "-I", "-S", "-c", code]


def image_labels(config: Config, variant: Variant) -> dict[str, str]:
    """Return the OCI annotations that do not depend on the commit; publishing adds those that do."""
    project = config.project
    values = {
        "title": project.name,
        "description": project.description,
        "version": project.version,
        "licenses": project.license if isinstance(project.license, str) else "",
        "source": project.urls.get("Source") or project.urls.get("Repository") or "",
    }
    labels = {f"org.opencontainers.image.{key}": value for key, value in values.items() if value}
    return {**labels, "io.wheelhouse.variant": variant.value}


def base_labels(reference: str) -> dict[str, str]:
    """Return the OCI annotations that name the base image `NAME@sha256:…` by its digest."""
    name, _, digest = reference.partition("@")
    prefix = "org.opencontainers.image.base"
    return {f"{prefix}.name": name, **({f"{prefix}.digest": digest} if digest else {})}


async def archived(image: dagger.Container) -> dagger.Directory:
    """Return the layers of an image as a directory that machines share."""
    return dag.directory().with_file(ARCHIVE, await packed_archive(image))


def unarchived(builder: Builder, found: dagger.Directory) -> dagger.Container:
    """Return the image of an archive: its layers are those that were packed, byte for byte."""
    return builder.empty().import_(found.file(ARCHIVE))


def installed_packages(builder: Builder, wheels: dagger.Directory) -> dagger.Directory:
    """Return wheels installed into one folder that is mounted next to an image, never into it."""
    install = ["python3", "/programs/install_wheels.py", "--wheels", "/wheels", "--venv", VENV]
    return (
        builder.tools(*INSTALLER)
        .with_mounted_directory("/wheels", wheels)
        .with_exec([*install, "--target", TEST_PACKAGES])
        .directory(TEST_PACKAGES)
    )
