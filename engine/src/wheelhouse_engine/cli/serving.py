"""Run one function of a module in this process: what `module_process` starts.

The function runs through the module object that the SDK's decorators leave on the main class, as it does in a
Dagger engine: the same conversions, the same errors.
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wheelhouse_engine.cli.chain import core_object
from wheelhouse_engine.cli.description import DescribedArgument, Description, describe
from wheelhouse_engine.cli.environment import (
    ModuleConfig,
    default_path,
    enter_module_environment,
    module_environment,
    read_config,
)
from wheelhouse_engine.cli.failures import ModuleLoadError, failed_exec
from wheelhouse_engine.cli.introspect import OwnTypes
from wheelhouse_engine.cli.module_process import ANSWER, REQUEST, ModuleCall
from wheelhouse_engine.cli.modules import load_main_object
from wheelhouse_engine.cli.requirements import environment_of
from wheelhouse_engine.cli.values import Address
from wheelhouse_engine.store import Store


def main(folder: Path) -> None:
    """Answer the request in a folder."""
    request = json.loads((folder / REQUEST).read_text())
    try:
        answer = {"value": _answer(request)}
    except ModuleLoadError as error:
        answer = {"load_error": str(error)}
    except Exception as error:  # noqa: BLE001 - the session outside raises it again
        answer = _failure(error)
    (folder / ANSWER).write_text(json.dumps(answer))


def _answer(request: Mapping[str, Any]) -> Any:
    config = read_config(Path(request["root"]))
    bytecode = Store.open(os.environ).root / "bytecode"
    packages = environment_of(config, os.environ)
    enter_module_environment(module_environment(os.environ))
    if packages is not None:
        sys.path.insert(0, str(packages))
    main_class = load_main_object(
        config, bytecode, hide=True, bindings=request["bindings"], missing=request["missing"]
    )
    description = describe(OwnTypes(main_class, config.name), request["name"])
    if request["call"] is None:
        return description.write()
    call = ModuleCall(**request["call"])
    return asyncio.run(_call(main_class, config, description, call))


async def _call(main_class: Any, config: ModuleConfig, description: Description, call: ModuleCall) -> Any:
    import dagger  # noqa: PLC0415 - the module has imported it

    held = description.objects[call.type]
    function = held.functions[call.function] if call.function else description.constructor
    async with await dagger.connect():
        inputs = dict(call.inputs)
        for one in function.arguments.values():
            if one.name not in inputs and (text := _default(one, config)):
                kind = one.type.rstrip("!").removesuffix("ID")
                inputs[one.name] = await core_object(Address(kind, text, one.ignore)).id()
        name = function.name
        return await main_class.__dagger_module__.get_result(held.class_name, call.state, name, inputs)


def _default(argument: DescribedArgument, config: ModuleConfig) -> str:
    """Return the address of an argument that is not given; "" where the function knows what to do."""
    path = argument.default_path
    return str(default_path(config, path)) if path else argument.default_address


def _failure(error: Exception) -> dict[str, Any]:
    import dagger  # noqa: PLC0415 - see above

    failed: Any = failed_exec(error)
    if failed is None:
        is_passed_on = isinstance(error, dagger.QueryError)
        return {"error": str(error) if is_passed_on else f"{type(error).__name__}: {error}"}
    return {
        "exec_error": {
            "command": list(failed.command),
            "exit_code": failed.exit_code,
            "stdout": failed.stdout,
            "stderr": failed.stderr,
            "message": str(error),
        }
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
