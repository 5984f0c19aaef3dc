"""A module that others call."""

import enum
from typing import Annotated

import dagger
from dagger import DefaultPath, Doc, Ignore, dag, enum_type, field, function, object_type


@enum_type
class Mood(enum.Enum):
    """How somebody is greeted."""

    HAPPY = "happy"
    """With an exclamation mark."""
    SAD = "sad"


@object_type
class Item:
    """Something with a label."""

    label: str = field()
    size: int = 0

    @function
    def shout(self) -> str:
        """Say the label loudly, once for each of its size."""
        return self.label.upper() * self.size


@object_type
class Greeter:
    """Greets people."""

    name: Annotated[str, Doc("whom to greet")] = field(default="world")

    @function
    def hello(self, mood: Mood = Mood.HAPPY, times: Annotated[int, Doc("how often")] = 1) -> str:
        """Greet."""
        return f"hello {self.name}{'!' if mood is Mood.HAPPY else '.'}" * times

    @function
    def files(self, text: str) -> dagger.Directory:
        """A folder with one file."""
        return dag.directory().with_new_file("a.txt", text)

    @function
    async def read(self, source: Annotated[dagger.Directory, Ignore(["*.log"])]) -> list[str]:
        """Names in a folder."""
        return await source.entries()

    @function
    def item(self, label: str, size: int = 1) -> Item:
        """One object."""
        return Item(label=label, size=size)

    @function
    def items(self, labels: list[str]) -> list[Item]:
        """Several objects."""
        return [Item(label=label) for label in labels]

    @function
    def weight(self, things: list[Item]) -> int:
        """The sizes of objects, added."""
        return sum(thing.size for thing in things)

    @function
    async def here(self, folder: Annotated[dagger.Directory, DefaultPath("deep")]) -> list[str]:
        """Names in a folder of this module."""
        return await folder.entries()

    @function
    async def source(self) -> list[str]:
        """Names in this module's source."""
        return await dag.current_module().source().directory("src/greeter").entries()

    @function
    async def through(self) -> str:
        """What a module says that has another name where it is."""
        return await dag.bottom().word(sound_level=3)

    @function
    def maybe(self, word: str | None = None) -> str | None:
        """The word, if there is one."""
        return word

    @function
    def fail(self) -> str:
        """Fail."""
        msg = "nobody is here"
        raise ValueError(msg)
