"""Modules that a module calls: find them, and learn what they offer."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from wheelhouse_engine.api import load_api
from wheelhouse_engine.apitable import ApiTable
from wheelhouse_engine.cli.bindings import client_text, extended
from wheelhouse_engine.cli.description import Description, describe
from wheelhouse_engine.cli.environment import Declared, ModuleConfig, read_config
from wheelhouse_engine.cli.failures import ModuleLoadError
from wheelhouse_engine.cli.introspect import OwnTypes
from wheelhouse_engine.cli.module_process import Place, run_alone
from wheelhouse_engine.cli.names import camel
from wheelhouse_engine.cli.remote import REMOTE, local_copy
from wheelhouse_engine.cli.requirements import stamp
from wheelhouse_engine.graph import digest_of
from wheelhouse_engine.store import Store, write_atomically

if TYPE_CHECKING:
    from wheelhouse_engine.cli.project import Settings

FORMAT: Final = 1
"""Raised when a description changes shape."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """One module that another one calls."""

    name: str
    """Name that the other one gives it."""
    place: Place
    needs: "Dependencies"
    description: Description


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What one module calls."""

    found: tuple[Dependency, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    """Modules that cannot be loaded here, and why."""

    def all(self) -> Iterator[Dependency]:
        """Yield these and what they call themselves."""
        for one in self.found:
            yield one
            yield from one.needs.all()

    def table(self, core: ApiTable) -> ApiTable:
        """Return the API with what they offer, and what they call themselves.

        Raises:
            ModuleLoadError: two different modules have one name.

        """
        modules: dict[str, Dependency] = {}
        for one in self.all():
            other = modules.setdefault(camel(one.name), one)
            if other.place.config.root != one.place.config.root:
                raise ModuleLoadError(
                    f"two modules are called {one.name}: {other.place.config.root} and "
                    f"{one.place.config.root}. The embedded engine needs one name for each."
                )
        described = {name: one.description for name, one in modules.items()}
        digest = digest_of({name: one.write() for name, one in described.items()})
        return extended(core, described, digest) if described else core

    def bindings(self, core: ApiTable) -> str:
        """Return what a client has of them, as Python; "" for nothing."""
        described = {camel(one.name): one.description for one in self.found}
        return client_text(described, self.table(core)) if described else ""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a command needs of the modules that its module calls."""

    bindings: str = ""
    """What the module's client has of them, as Python."""
    missing: Mapping[str, str] = field(default_factory=dict)
    owners: Mapping[str, str] = field(default_factory=dict)
    """Names of their types, and the module of each."""
    table: ApiTable | None = None
    """The API of a session that serves them; None for the installed client's."""
    dependencies: Dependencies = field(default_factory=Dependencies)

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read what `write` wrote."""
        return cls(**json.loads(path.read_text()))

    def write(self, path: Path) -> None:
        """Write what a client needs, for a command in a container."""
        kept = {"bindings": self.bindings, "missing": self.missing, "owners": self.owners}
        path.write_text(json.dumps(kept))

    def refuse_foreign(self, own: OwnTypes) -> None:
        """Refuse a function that passes on a type of a dependency, as Dagger does.

        Raises:
            ModuleLoadError: a function takes or returns one.

        """
        for name, held in describe(own, own.module_name).objects.items():
            for function in held.functions.values():
                what = f'object "{name}" function "{function.name}"'
                if module := self.owners.get(function.type.strip("[]!")):
                    raise ModuleLoadError(
                        f'{what} cannot return external type from dependency module "{module}"'
                    )
                for one in function.arguments.values():
                    if module := self.owners.get(one.type.strip("[]!").removesuffix("ID")):
                        raise ModuleLoadError(
                            f'{what} arg "{one.name}" cannot reference external type '
                            f'from dependency module "{module}"'
                        )


def load(config: ModuleConfig, settings: "Settings") -> Loaded:
    """Load what a module calls; what cannot be loaded is an error when it is called.

    Raises:
        ModuleLoadError: one does not import, depends on itself, or has the name of another.

    """
    core = load_api(Store.open(settings.environ).root / "api")
    found = _found(config, settings, core)
    owners = {
        name: one.name for one in found.found for name in (*one.description.objects, *one.description.enums)
    }
    return Loaded(found.bindings(core), found.missing, owners, found.table(core), found)


def _found(
    config: ModuleConfig, settings: "Settings", core: ApiTable, above: tuple[Path, ...] = ()
) -> Dependencies:
    found: list[Dependency] = []
    missing: dict[str, str] = {}
    for declared in config.dependencies:
        try:
            root = _root(declared, config)
            loaded = read_config(root)
        except ModuleLoadError as error:
            missing[declared.name] = str(error)
            continue
        if root in (config.root, *above):
            raise ModuleLoadError(f"module {config.name} has a circular dependency on {declared.name}.")
        needs = _found(loaded, settings, core, (config.root, *above))
        modules = Store.open(settings.environ).modules
        is_fetched = root.is_relative_to(modules)
        place = Place(loaded, declared.name, needs.bindings(core), needs.missing, is_fetched)
        found.append(Dependency(declared.name, place, needs, _description(place, settings, core)))
    return Dependencies(tuple(found), missing)


def _root(declared: Declared, config: ModuleConfig) -> Path:
    """Return the folder of a dependency's dagger.json; one of elsewhere is fetched."""
    if not REMOTE.match(declared.source):
        return (config.root / declared.source).resolve()
    source, _, ref = declared.source.rpartition("@") if "@" in declared.source else (declared.source, "", "")
    reference = f"{source}@{declared.pin or ref}" if declared.pin or ref else source
    return local_copy(reference, config.root).resolve()


def _description(place: Place, settings: "Settings", core: ApiTable) -> Description:
    """Return what a module offers, which the store keeps as long as its files stay as they are."""
    digest = digest_of(
        FORMAT,
        place.name,
        str(place.config.root),
        core.fingerprint,
        place.bindings,
        stamp(place.config.source),
    )
    kept = Store.open(settings.environ).root / "api" / f"module-{digest}.json"
    if kept.is_file():
        return Description.read(json.loads(kept.read_text()))
    data = asyncio.run(run_alone(place, settings))
    description = Description.read(data)
    kept.parent.mkdir(exist_ok=True)
    write_atomically(kept, json.dumps(data).encode())
    return description
