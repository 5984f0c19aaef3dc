"""Make one variant and show what came of it: the main job of `make build`.

    wheelhouse run python -m pipeline.making cpu out/

A plain dagger-io program: it runs the same against any engine that a session is open with.
"""

import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import anyio
import dagger
from dagger import dag

from pipeline.errors import PipelineError
from pipeline.main import Wheelhouse
from pipeline.variants import Variant

ROOT: Final = Path(__file__).parents[1]
T = TypeVar("T")
USAGE: Final = "usage: wheelhouse run python -m pipeline.making VARIANT OUTPUT_FOLDER"


async def make(variant: Variant, out: Path) -> str:
    """Write `<variant>.tar` into a folder; return the table of what was made.

    Raises PipelineError for a service that is not as it should be, and
    dagger.ExecError when a step fails.
    """
    # The SDK's decorators hide the class's own types from mypy.
    wheelhouse = cast("Any", Wheelhouse)(source=dag.host().directory(str(ROOT / "app"), gitignore=True))
    seconds: dict[str, float] = {}
    archive = out / f"{variant.value}.tar"
    wheels = await _timed(seconds, "wheels", lambda: _entries(wheelhouse, variant, "wheels"))
    models = await _timed(seconds, "models", lambda: _entries(wheelhouse, variant, "models"))
    image = await wheelhouse.build(variant)
    await _timed(seconds, "image", image.sync)
    await _timed(seconds, "archive", lambda: image.export(str(archive)))
    table = await _timed(seconds, "layers", lambda: wheelhouse.layers(variant))
    return "\n".join(
        [
            table.rstrip(),
            "",
            f"wheels   {len(wheels)}: {', '.join(_name(wheel) for wheel in wheels)}",
            f"models   {', '.join(name.rstrip('/') for name in models) or 'none'}",
            "seconds  " + ", ".join(f"{stage} {spent:.1f}" for stage, spent in seconds.items()),
            f"archive  {archive} (OCI)",
        ]
    )


async def _entries(wheelhouse: Any, variant: Variant, function: str) -> list[str]:
    directory: dagger.Directory = await getattr(wheelhouse, function)(variant)
    return await directory.entries()


async def _timed(seconds: dict[str, float], stage: str, work: Callable[[], Awaitable[T]]) -> T:
    started = time.monotonic()
    result = await work()
    seconds[stage] = time.monotonic() - started
    return result


def _name(wheel: str) -> str:
    """Return `numpy 2.5.5` of a wheel's file name."""
    return " ".join(wheel.split("-")[:2])


async def main() -> int:
    """Make what the command line names; return the exit code."""
    names = {variant.value: variant for variant in Variant}
    if len(sys.argv) != 3 or sys.argv[1] not in names:  # noqa: PLR2004 - variant and folder
        print(f"{USAGE}\nVARIANT is one of {', '.join(names)}", file=sys.stderr)  # noqa: T201
        return 2
    out = Path(sys.argv[2]).absolute()
    async with dagger.connection(dagger.Config(log_output=sys.stderr)):
        try:
            print(await make(names[sys.argv[1]], out))  # noqa: T201
        except dagger.ExecError as error:
            print(f"Error: {error.message}\n{error.stdout}\n{error.stderr}", file=sys.stderr)  # noqa: T201
            return error.exit_code if error.exit_code > 0 else 1
        except (PipelineError, dagger.QueryError) as error:
            print(f"Error: {error}", file=sys.stderr)  # noqa: T201
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(anyio.run(main))
