"""Container: configuration. Nothing here starts a process; `from` values are known by then."""

import posixpath
import re
from dataclasses import replace
from typing import Final

from wheelhouse_engine.engine import Engine
from wheelhouse_engine.errors import EngineError
from wheelhouse_engine.graph import Op
from wheelhouse_engine.handlers import operation
from wheelhouse_engine.states import ContainerState

VARIABLE: Final = re.compile(r"\$(?:\{([^}]*)\}|([*#$@!?\-0-9])|([A-Za-z_][A-Za-z0-9_]*))")
"""What Go's os.Expand replaces: names, names in braces, and one special sign or digit."""


def expand(state: ContainerState, text: str, *, wanted: bool) -> str:
    """Replace `$NAME` and `${NAME}` from the container's environment when asked.

    EngineError: the name is a secret's or a volatile variable's; those are no part of what is kept.
    """
    if not wanted:
        return text
    env = state.env()
    secret = {name for name, _ in state.secret_env}
    volatile = {entry.split("=", 1)[0] for entry in state.volatile_env}

    def value(found: re.Match[str]) -> str:
        name = next(group for group in found.groups() if group is not None)
        for kind, names in (("secret", secret), ("volatile", volatile)):
            if name in names:
                raise EngineError(f'expand cannot be used with {kind} env variable "{name}"')
        return env.get(name, "")

    return VARIABLE.sub(value, text)


def path_arg(state: ContainerState, op: Op, name: str = "path") -> str:
    """Return a path argument, expanded and absolute; a trailing slash stays."""
    text = expand(state, op.args[name], wanted=op.args.get("expand", False))
    resolved = state.resolve(text)
    return resolved + "/" if text.endswith("/") and resolved != "/" else resolved


def with_env(entries: tuple[str, ...], name: str, value: str | None) -> tuple[str, ...]:
    """Return an environment with one variable set in place, added, or removed (None)."""
    if value is None:
        return tuple(entry for entry in entries if entry.split("=", 1)[0] != name)
    if any(entry.split("=", 1)[0] == name for entry in entries):
        return tuple(f"{name}={value}" if entry.split("=", 1)[0] == name else entry for entry in entries)
    return (*entries, f"{name}={value}")


@operation("Container.withEnvVariable")
async def with_env_variable(engine: Engine, op: Op) -> ContainerState:
    """Set a variable for execs and for the image."""
    state = await engine.container(op)
    value = expand(state, op.args["value"], wanted=op.args.get("expand", False))
    return state.configured(env=with_env(state.config.env, op.args["name"], value))


@operation("Container.withoutEnvVariable")
async def without_env_variable(engine: Engine, op: Op) -> ContainerState:
    """Remove a variable."""
    state = await engine.container(op)
    return state.configured(env=with_env(state.config.env, op.args["name"], None))


@operation("Container.withVolatileVariable")
async def with_volatile_variable(engine: Engine, op: Op) -> ContainerState:
    """Set a variable that execs see and that is no part of their cache key."""
    state = await engine.container(op)
    return replace(state, volatile_env=with_env(state.volatile_env, op.args["name"], op.args["value"]))


@operation("Container.withoutVolatileVariable")
async def without_volatile_variable(engine: Engine, op: Op) -> ContainerState:
    """Remove a volatile variable."""
    state = await engine.container(op)
    return replace(state, volatile_env=with_env(state.volatile_env, op.args["name"], None))


@operation("Container.envVariable")
async def env_variable(engine: Engine, op: Op) -> str | None:
    """Return a variable of the configuration; secrets are none."""
    return (await engine.container(op)).env().get(op.args["name"])


@operation("Container.withSecretVariable")
async def with_secret_variable(engine: Engine, op: Op) -> ContainerState:
    """Give execs a secret in a variable; the image never has it."""
    state = await engine.container(op)
    others = tuple(entry for entry in state.secret_env if entry[0] != op.args["name"])
    secret = await engine.evaluate(op.args["secret"])
    return replace(state, secret_env=(*others, (op.args["name"], secret)), image_ref="")


@operation("Container.withoutSecretVariable")
async def without_secret_variable(engine: Engine, op: Op) -> ContainerState:
    """Take a secret variable away again."""
    state = await engine.container(op)
    return replace(state, secret_env=tuple(e for e in state.secret_env if e[0] != op.args["name"]))


@operation("Container.withWorkdir")
async def with_workdir(engine: Engine, op: Op) -> ContainerState:
    """Set the directory in which execs start; a relative one is joined."""
    state = await engine.container(op)
    text = expand(state, op.args["path"], wanted=op.args.get("expand", False))
    return state.configured(workdir=posixpath.normpath(posixpath.join(state.config.workdir or "/", text)))


@operation("Container.withoutWorkdir")
async def without_workdir(engine: Engine, op: Op) -> ContainerState:
    """Unset the working directory."""
    return (await engine.container(op)).configured(workdir="")


@operation("Container.workdir")
async def workdir(engine: Engine, op: Op) -> str:
    """Return the working directory; empty when unset."""
    return (await engine.container(op)).config.workdir


@operation("Container.withUser")
async def with_user(engine: Engine, op: Op) -> ContainerState:
    """Set the user of execs, by name or number."""
    return (await engine.container(op)).configured(user=op.args["name"])


@operation("Container.withoutUser")
async def without_user(engine: Engine, op: Op) -> ContainerState:
    """Unset the user."""
    return (await engine.container(op)).configured(user="")


@operation("Container.user")
async def user(engine: Engine, op: Op) -> str:
    """Return the user; empty when unset."""
    return (await engine.container(op)).config.user


@operation("Container.withEntrypoint")
async def with_entrypoint(engine: Engine, op: Op) -> ContainerState:
    """Set the entrypoint; default arguments go unless they are to be kept."""
    state = (await engine.container(op)).configured(entrypoint=tuple(op.args["args"]))
    return state if op.args.get("keepDefaultArgs") else state.configured(cmd=None)


@operation("Container.withoutEntrypoint")
async def without_entrypoint(engine: Engine, op: Op) -> ContainerState:
    """Unset the entrypoint; default arguments go unless they are to be kept."""
    state = (await engine.container(op)).configured(entrypoint=None)
    return state if op.args.get("keepDefaultArgs") else state.configured(cmd=None)


@operation("Container.entrypoint")
async def entrypoint(engine: Engine, op: Op) -> list[str]:
    """Return the entrypoint; empty when unset."""
    return list((await engine.container(op)).config.entrypoint or ())


@operation("Container.withDefaultArgs")
async def with_default_args(engine: Engine, op: Op) -> ContainerState:
    """Set the default arguments; a service then takes them without the entrypoint."""
    state = (await engine.container(op)).configured(cmd=tuple(op.args["args"]))
    return replace(state, own_default_args=True)


@operation("Container.withoutDefaultArgs")
async def without_default_args(engine: Engine, op: Op) -> ContainerState:
    """Unset the default arguments."""
    return replace((await engine.container(op)).configured(cmd=None), own_default_args=False)


@operation("Container.defaultArgs")
async def default_args(engine: Engine, op: Op) -> list[str]:
    """Return the default arguments; empty when unset."""
    return list((await engine.container(op)).config.cmd or ())


@operation("Container.platform")
async def platform(engine: Engine, op: Op) -> str:
    """Return the container's platform."""
    return (await engine.container(op)).config.platform


@operation("Container.imageRef")
async def image_ref(engine: Engine, op: Op) -> str:
    """Return the image that the container was made from, with its digest."""
    state = await engine.container(op)
    if not state.image_ref:
        raise EngineError(
            "Image reference can only be retrieved immediately after the 'Container.From' call."
        )
    return state.image_ref


@operation("Container.experimentalWithAllGPUs", "Container.experimentalWithGPU")
async def with_all_gpus(engine: Engine, op: Op) -> ContainerState:
    """Ask for the machine's GPUs; refused at the exec where there is none."""
    return replace(await engine.container(op), gpus=True)


@operation("Container.withDefaultTerminalCmd")
async def with_default_terminal_cmd(engine: Engine, op: Op) -> ContainerState:
    """Set what a terminal in this container runs."""
    return replace(await engine.container(op), terminal=tuple(op.args["args"]))


@operation("Container.withError")
async def with_error(engine: Engine, op: Op) -> ContainerState:
    """Fail with the caller's own message when this container is needed."""
    state = await engine.container(op)
    if op.args["err"]:
        raise EngineError(op.args["err"])
    return state


@operation("Container.withServiceBinding")
async def with_service_binding(engine: Engine, op: Op) -> ContainerState:
    """Make a service reachable under a name; it is started when an exec needs it."""
    state = await engine.container(op)
    service = await engine.evaluate(op.args["service"])
    others = tuple(b for b in state.bindings if b[0] != op.args["alias"])
    return replace(state, bindings=(*others, (op.args["alias"], service)))


@operation("Container.sync")
async def sync(engine: Engine, op: Op) -> str:
    """Run everything that the container needs."""
    state = await engine.container(op)
    await engine.rootfs_image(state.rootfs)
    assert op.parent is not None  # noqa: S101 - `container` found it
    return op.parent.digest
