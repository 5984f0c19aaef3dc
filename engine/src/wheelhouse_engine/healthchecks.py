"""Know whether a service is healthy, as Dagger does: a container's HEALTHCHECK counts, not its ports."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from wheelhouse_engine.attaching import Laid
from wheelhouse_engine.errors import EngineError, ExecError
from wheelhouse_engine.imageconfig import ImageConfig
from wheelhouse_engine.masking import text_of
from wheelhouse_engine.runner import Completed

if TYPE_CHECKING:
    from wheelhouse_engine.engine import Engine

SHELL: Final = ("/bin/sh", "-c")
INTERVAL_S: Final = 5.0
"""Pause between two checks where the image says none. Source: Dagger's healthcheck.go."""
RETRIES: Final = 3
"""Failures after the start period that end it, where the image says none. Source: the same."""
STARTED_S: Final = 0.02
"""Pause between two looks whether the container's process is there."""
NANO: Final = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """A command that ends well once the service is healthy, and how long it is asked again."""

    args: tuple[str, ...]
    pause_s: float
    start_period_s: float
    """Failures count after it only."""
    retries: int

    @classmethod
    def of(cls, config: ImageConfig) -> Self | None:
        """Return the check of a container, None without one.

        Raises:
            EngineError: it has no command; Dagger starts no such service.

        """
        if config.healthcheck is None:
            return None
        told: Mapping[str, Any] = config.healthcheck
        seconds = {key: value / NANO for key, value in told.items() if isinstance(value, int)}
        return cls(
            args=_command(told.get("Test") or [], config.shell or SHELL),
            pause_s=seconds.get("StartInterval") or seconds.get("Interval") or INTERVAL_S,
            start_period_s=seconds.get("StartPeriod", 0),
            retries=told.get("Retries") or RETRIES,
        )

    async def until_healthy(self, engine: "Engine", laid: Laid, process: "asyncio.Future[Any]") -> None:
        """Ask until the answer is yes or the service's process ends.

        Raises:
            ExecError: it failed too often; carries the last check's output.

        """
        while not (laid.bundle / "pid").exists() and not process.done():
            await asyncio.wait({process}, timeout=STARTED_S)
        begun, failures = time.monotonic(), 0
        while not process.done():
            ended = await engine.containers.beside(laid.bundle, self.args)
            if ended.returncode == 0:
                return
            failures += time.monotonic() - begun > self.start_period_s
            if failures >= self.retries and not process.done():
                raise self._refusal(laid, ended)
            await asyncio.wait({process}, timeout=self.pause_s)

    def _refusal(self, laid: Laid, ended: Completed) -> ExecError:
        stdout, stderr = (text_of(laid.mask.apply(data)) for data in (ended.stdout, ended.stderr))
        message = f"health check errored: exit code: {ended.returncode}"
        return ExecError(list(self.args), ended.returncode, stdout, stderr, message)


def _command(test: list[str], shell: tuple[str, ...]) -> tuple[str, ...]:
    """Return the command of `["CMD", …]` or `["CMD-SHELL", text]`."""
    kind, *words = test or ["NONE"]
    if kind == "CMD" and words:
        return tuple(words)
    if kind == "CMD-SHELL" and len(words) == 1:
        return (*shell, *words)
    raise EngineError(
        f"failed to setup docker healthcheck: {test} is no command; `withoutDockerHealthcheck` takes it away"
    )
