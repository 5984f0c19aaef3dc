"""Skipped parts of `test` and `verify`: the engine is asked, and the configuration must allow the skip."""

from typing import Final

import dagger

from pipeline.containers import Builder
from pipeline.verify_config import Part, VerifyConfig

NOTHING: Final = ("python3", "-c", "")
"""A command that every base image of Python can run."""


async def gpu_refusal(builder: Builder) -> str:
    """Return why the engine gives a container no GPU; "" where it does.

    Raises:
        dagger.QueryError: the engine cannot run anything at all.

    """
    return await _refusal(builder, builder.base().experimental_with_all_gp_us().with_exec([*NOTHING]))


async def privileges_refusal(builder: Builder) -> str:
    """Return why the engine grants no insecure root capabilities; "" where it does.

    Raises:
        dagger.QueryError: the engine cannot run anything at all.

    """
    return await _refusal(builder, builder.base().with_exec([*NOTHING], insecure_root_capabilities=True))


async def _refusal(builder: Builder, special: dagger.Container) -> str:
    """Return what the engine says to a command that does nothing but ask for something special.

    The same command without it must run: else the engine refuses everything, and that is not an answer.
    """
    await builder.base().with_exec([*NOTHING]).sync()
    try:
        await special.sync()
    except dagger.ExecError:
        # It was started: nothing was refused.
        return ""
    except dagger.QueryError as error:
        return str(error)
    return ""


def unallowed(part: Part, reason: str, accepted: VerifyConfig) -> tuple[str, str, str]:
    """Return found, expected and what to do about a skipped part; three times "" where it is allowed."""
    if part in accepted.allow_skipped:
        return "", "", ""
    return (
        f"not run: {reason}",
        "it runs, or the configuration allows the skip",
        f"Run it where it can run, or allow it: [tool.wheelhouse.verify.allow_skipped] {part} = REASON.",
    )


def allowed(part: Part, reason: str, accepted: VerifyConfig) -> str:
    """Return the reason of a skip that the configuration allows, with the configuration's own."""
    return f"{reason} (allowed: {accepted.allow_skipped[part]})"
