"""Carry out a parsed chain: own functions in this process, core functions through the session."""

import asyncio
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wheelhouse_engine.cli.command_line import Chain, ModuleTypes, Step
from wheelhouse_engine.cli.environment import ModuleConfig, default_path
from wheelhouse_engine.cli.failures import FunctionError, UsageError, describe
from wheelhouse_engine.cli.names import kebab
from wheelhouse_engine.cli.queries import (
    CoreRef,
    Querier,
    Selection,
    address_selections,
    ask,
    export_selection,
    graphql_value,
    leaf_selection,
)
from wheelhouse_engine.cli.signatures import FLAG_OBJECTS, Argument, Function, TypeRef
from wheelhouse_engine.cli.values import Address, InputValue


@dataclass(frozen=True, slots=True)
class Result:
    """Hold what a chain gave."""

    type: TypeRef
    value: Any
    """Plain value, own object, CoreRef, or lists of these."""
    saved: str = ""
    """Where `-o` made the engine save a core object."""


class ChainRunner:
    """Run chains of one module on one session."""

    def __init__(self, session: Querier, types: ModuleTypes, module: ModuleConfig) -> None:
        self._session = session
        self._types = types
        self._module = module

    async def run(self, chain: Chain, save_to: str = "") -> Result:
        """Run all steps; a core object at the end is evaluated, or saved when `save_to` is a path.

        Raises:
            UsageError: an argument's address leads to nothing usable.
            FunctionError: an own function raised.
            Exception: what a core operation failed with, as the session gives it.

        """
        value = await self.construct(chain.steps[0])
        for index, step in enumerate(chain.steps[1:], 1):
            before = chain.steps[index - 1].function.returns.leaf
            if before.own is None:
                start = await _references(value, before.name)
                return await self._core(start, chain.steps[index:], save_to)
            value = await self.call(value, step)
        last = chain.last.function.returns
        if last.leaf.kind == "object" and last.leaf.own is None:
            return await self._core(await _references(value, last.leaf.name), [], save_to, last)
        return Result(last, value)

    async def construct(self, step: Step) -> Any:
        """Make the main object."""
        keywords = await self._keywords(step)
        return await _invoke(step.function, step.function.build, keywords)

    async def call(self, value: Any, step: Step) -> Any:
        """Call an own function on an own object, or on each of a list of them."""
        if isinstance(value, list):
            return [await self.call(one, step) for one in value]
        if step.function.is_field:
            return getattr(value, step.function.python)
        keywords = await self._keywords(step)
        target = step.function.build or getattr(value, step.function.python)
        return await _invoke(step.function, target, keywords)

    async def _core(
        self, start: Any, steps: Sequence[Step], save_to: str, given: TypeRef | None = None
    ) -> Result:
        """Run core steps as one query; `start` is a CoreRef or a list of them."""
        last = steps[-1].function.returns if steps else given
        assert last is not None  # noqa: S101 - one of the two is always there
        selections = [
            Selection(step.function.name, await self._graphql_arguments(step))
            for step in steps
            if step.function.name != "sync"  # evaluates, and answers with the same object
        ]
        held = self._types.object(last)
        if held is None:
            return Result(last, await self._ask(start, selections))
        many = last.kind == "list" or isinstance(start, list)
        if save_to and not many and (export := export_selection(held, save_to)):
            return Result(last, None, saved=await self._ask(start, [*selections, export]))
        leaf = leaf_selection(held, is_list=many)
        answer = await self._ask(start, [*selections, leaf])
        return Result(last, _core_refs(answer, held.name))

    async def _ask(self, start: Any, selections: Sequence[Selection]) -> Any:
        if isinstance(start, list):
            return [await self._ask(one, selections) for one in start]
        if start is None:
            return None
        return await ask(self._session, start, selections)

    async def _graphql_arguments(self, step: Step) -> Mapping[str, Any]:
        async def one(argument: Argument) -> tuple[str, Any]:
            value = await self._resolve(argument, step.values[argument.name], step)
            return argument.name, graphql_value(argument.type, value)

        given = [argument for argument in step.function.arguments if argument.name in step.values]
        return dict(await asyncio.gather(*(one(argument) for argument in given)))

    async def _keywords(self, step: Step) -> dict[str, Any]:
        """Give the Python arguments of an own function; a missing one is left to its default."""

        async def one(argument: Argument) -> tuple[str, Any]:
            if argument.name in step.values:
                value = step.values[argument.name]
                await self._resolve(argument, value, step)
                return argument.python, _python_value(argument.type, value, argument.ignore)
            return argument.python, self._default(argument)

        wanted = [a for a in step.function.arguments if a.name in step.values or self._has_default(a)]
        return dict(await asyncio.gather(*(one(argument) for argument in wanted)))

    def _has_default(self, argument: Argument) -> bool:
        """Say whether the default is ours to make: a path, an address, or None for an optional one."""
        if argument.default_path or argument.default_address:
            return True
        return not argument.required and not argument.has_python_default

    def _default(self, argument: Argument) -> Any:
        text = argument.default_address
        if argument.default_path:
            text = str(default_path(self._module, argument.default_path))
        return core_object(Address(argument.type.name, text, argument.ignore)) if text else None

    async def _resolve(self, argument: Argument, value: Any, step: Step) -> Any:
        """Turn addresses into ids, evaluated now so that a mistake is told with the flag's name."""
        if isinstance(value, list):
            return [await self._resolve(argument, item, step) for item in value]
        if not isinstance(value, Address):
            return value
        address = Address(value.type, value.text, argument.ignore)
        try:
            found = await ask(self._session, None, address_selections(address))
        except Exception as error:
            message = f'failed to get value for argument "{kebab(argument.name)}": {describe(error)}'
            raise UsageError(message, step.path, flag_for_files(step.function, argument)) from error
        return CoreRef(value.type, found)


def flag_for_files(function: Function, argument: Argument) -> str:
    """Return the flag that takes a file where this one takes a directory, `--NAME-file`; "" for none."""
    name = f"{kebab(argument.name)}-file"
    takes = argument.type.name == "Directory" and any(kebab(one.name) == name for one in function.arguments)
    return f"--{name}" if takes else ""


async def _invoke(function: Function, target: Any, keywords: Mapping[str, Any]) -> Any:
    """Call module code; its own exceptions become FunctionError, the API's pass through."""
    import dagger  # noqa: PLC0415 - 1 s; the module has imported it by now

    try:
        result = target(**keywords)
        if inspect.iscoroutinefunction(target):
            result = await result
    except dagger.QueryError:
        raise
    except Exception as error:
        raise FunctionError(str(error)) from error
    if inspect.iscoroutine(result):
        result.close()
        raise FunctionError(f"{function.name} returned a coroutine. Make it `async def` or await its result.")
    return result


def _python_value(ref: TypeRef, value: Any, ignore: tuple[str, ...]) -> Any:
    """Turn a parsed value into what a Python function takes."""
    if ref.kind == "list" and ref.element is not None:
        return [_python_value(ref.element, item, ignore) for item in value]
    if isinstance(value, Address):
        return core_object(Address(value.type, value.text, ignore))
    if isinstance(value, InputValue) and ref.own is not None:
        return ref.own(**value.fields)
    if ref.kind == "enum" and ref.own is not None:
        return ref.own[value]  # type: ignore[index]  # an Enum class, looked up by member name
    return ref.own(value) if ref.kind == "scalar" and ref.own is not None else value


def core_object(address: Address) -> Any:
    """Make the client's lazy object for an address."""
    from dagger import dag  # noqa: PLC0415 - see above

    if address.type == "CacheVolume":
        return dag.cache_volume(address.text)
    held = dag.address(address.text)
    if address.ignore and address.type in ("Directory", "File"):
        exclude = list(address.ignore)
        return held.directory(exclude=exclude) if address.type == "Directory" else held.file(exclude=exclude)
    return getattr(held, _PYTHON_FIELDS[address.type])()


async def _references(value: Any, type_name: str) -> Any:
    """Name the client's objects by their ids."""
    if isinstance(value, list | tuple):
        return [await _references(one, type_name) for one in value]
    if value is None:
        return None
    if not hasattr(value, "id"):
        raise FunctionError(f"expected a {type_name} as declared, found {type(value).__name__}")
    return CoreRef(type_name, await value.id())


def _core_refs(answer: Any, type_name: str) -> Any:
    if isinstance(answer, list):
        return [_core_refs(one, type_name) for one in answer]
    return None if answer is None else CoreRef(type_name, answer)


_PYTHON_FIELDS = {
    name: "git_ref" if field == "gitRef" else "git_repository" if field == "gitRepository" else field
    for name, field in FLAG_OBJECTS.items()
}
