"""One function per kind of argument, result and failure."""

import asyncio
import enum
import os
import sys
from typing import Annotated, Self

import dagger
from dagger import DefaultAddress, DefaultPath, Doc, Ignore, Name, check, dag, field, function, object_type


BASE = "python:3.11-slim"


@dagger.enum_type
class Season(enum.Enum):
    """A part of the year."""

    SPRING = "spring"
    HIGH_SUMMER = "summer"


@object_type
class Plant:
    """Something that grows."""

    name: str = field()
    height_cm: int = field(default=10)

    @function
    def grow(self, by_cm: int = 5) -> Self:
        """A taller plant."""
        return Plant(name=self.name, height_cm=self.height_cm + by_cm)

    @function
    def measure(self) -> float:
        """The height in metres."""
        return self.height_cm / 100


@object_type
class Rules:
    """Checks that belong together."""

    @function
    @check
    def dry(self) -> None:
        """Nothing is watered."""
        raise RuntimeError("the soil is dry")

    @function
    def again(self) -> "Rules":
        """The same rules."""
        return self


@object_type
class Garden:
    """A garden."""

    greeting: Annotated[str, Doc("What to say")] = "hello"
    beds: Annotated[dagger.Directory, DefaultPath("/beds"), Ignore(["*.log"])] = field(init=True)

    @function
    def greet(self, name: str = "world") -> str:
        """Greet someone.

        A second paragraph.
        """
        return f"{self.greeting} {name}"

    @function
    def shout(self) -> str:
        """Print to stdout, which must not reach the result."""
        print("a note of the module")
        return "quiet"

    @function
    def sow_sha256(self, seeds: list[str]) -> list[str]:
        """Seeds back."""
        return seeds

    @function
    def season(self, season: Annotated[Season, Doc("When")] = Season.SPRING) -> Season:
        """A season back."""
        return season

    @function
    def seasons(self, seasons: list[Season]) -> list[Season]:
        """Seasons back."""
        return seasons

    @function
    def number(self, a_value: int, ratio: float = 0.5) -> float:
        """A product."""
        return a_value * ratio

    @function
    def big(self) -> int:
        """A large integer."""
        return 1_048_576

    @function
    def maybe(self, word: str | None = None) -> str:
        """An optional word."""
        return repr(word)

    @function
    def nothing(self) -> None:
        """No result."""

    @function
    def path(self, from_: Annotated[str, Name("from")]) -> str:
        """A keyword as a name."""
        return from_

    @function
    def plant(self, name: str) -> Plant:
        """A plant."""
        return Plant(name=name)

    @function
    def plants(self) -> list[Plant]:
        """Two plants."""
        return [Plant(name="rose"), Plant(name="oak", height_cm=900)]

    @function
    def rules(self) -> Rules:
        """The rules."""
        return Rules()

    @function
    def graft(self, onto: Plant) -> str:
        """An argument that no flag can carry."""
        return onto.name

    @function
    @check
    def weeded(self) -> str:
        """No weeds."""
        return "no weeds"

    @function
    async def entries(self, dir: dagger.Directory) -> list[str]:
        """Entries of a directory."""
        return await dir.entries()

    @function
    async def north(self) -> list[str]:
        """Entries of the default directory."""
        return await self.beds.entries()

    @function
    def box(self, base: Annotated[dagger.Container, DefaultAddress("scratch:latest")]) -> dagger.Container:
        """A container."""
        return base.with_label("a", "b")

    @function
    def tree(self) -> dagger.Directory:
        """A directory."""
        return dag.directory().with_new_file("a.txt", "A")

    @function
    def wither(self) -> str:
        """A Python error."""
        raise ValueError("my value is wrong")

    @function
    async def wait(self) -> str:
        """Say so on stderr, then take a minute."""
        print("waiting", file=sys.stderr, flush=True)
        await asyncio.sleep(60)
        return "waited"

    @function
    def shed(self) -> dagger.Container:
        """A container with a base."""
        return dag.container().from_(BASE).with_new_file("/srv/x", "x")

    @function
    async def fail(self, code: int = 3) -> str:
        """An exec that fails."""
        script = f"echo some out; echo some err >&2; exit {code}"
        return await self.shed().with_exec(["sh", "-c", script]).stdout()

    @function
    def forgot(self) -> str:
        """A coroutine by mistake."""
        return self.entries(dag.directory())

    @function
    def sees(self, name: str) -> bool:
        """Whether the module sees a variable of the caller."""
        return name in os.environ
