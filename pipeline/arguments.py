"""The arguments that several functions take, each with the words of its help."""

from typing import Annotated

import dagger
from dagger import Doc

from pipeline.registry import Registry
from pipeline.scan_config import Scanner
from pipeline.variants import Base, Variant

VariantOption = Annotated[Variant, Doc("Which image")]
BaseOption = Annotated[Base, Doc("What the image stands on")]
Records = Annotated[dagger.Directory | None, Doc("Folder of OSV records (JSON, zips), not fetched ones")]
RecordsFile = Annotated[dagger.File | None, Doc("One zip or JSON file of OSV records")]
Scanners = Annotated[Scanner, Doc("Whose image judges wheels if the configuration pins it; else OSV's data")]
Offline = Annotated[bool, Doc("Ask no network: neither OSV's bucket nor the Debian mirror")]
User = Annotated[str, Doc("User at the registry")]
Password = Annotated[dagger.Secret | None, Doc("env://NAME, file://PATH, cmd://PROGRAM")]
Login = Annotated[dagger.Secret | None, Doc("file://~/.docker/config.json")]
RegistryService = Annotated[
    dagger.Service | None, Doc("A registry that only this machine reaches: tcp://HOST:PORT")
]
AllowHttp = Annotated[bool, Doc("Plain HTTP beyond loopback")]


def registry_at(  # noqa: PLR0913, PLR0917 - arguments of the command line, gathered
    address: str,
    username: str,
    password: dagger.Secret | None,
    docker_config: dagger.Secret | None,
    service: dagger.Service | None,
    insecure: bool,
) -> Registry:
    """Return what the arguments of a function say about a registry."""
    return Registry(
        address=address,
        username=username,
        password=password,
        docker_config=docker_config,
        service=service,
        insecure=insecure,
    )
