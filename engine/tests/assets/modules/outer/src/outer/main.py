"""A module that calls another one."""

import asyncio

import dagger
from dagger import dag, function, object_type


@object_type
class Outer:
    """Calls a greeter in every way a module can be called."""

    @function
    async def hello(self, times: int = 1) -> str:
        """A text, with the other constructor's default."""
        return await dag.greeter().hello(times=times)

    @function
    async def moody(self) -> str:
        """An argument of the constructor, and an enum of the other module."""
        return await dag.greeter(name="moon").hello(mood=dagger.GreeterMood.SAD)

    @function
    def files(self) -> dagger.Directory:
        """A core object of the other module, returned as it is."""
        return dag.greeter().files("text")

    @function
    async def read(self) -> list[str]:
        """A core object given to the other module, which ignores part of it."""
        held = dag.directory().with_new_file("keep.txt", "1").with_new_file("drop.log", "2")
        return await dag.greeter().read(held)

    @function
    async def shout(self) -> str:
        """A function of an object of the other module."""
        return await dag.greeter().item("plum", size=2).shout()

    @function
    async def labels(self) -> list[str]:
        """A list of objects of the other module, and a field of each."""
        return [await one.label() for one in await dag.greeter().items(["a", "b"])]

    @function
    async def weight(self) -> int:
        """Objects of the other module given back to it."""
        first = dag.greeter().item("a", size=2)
        return await dag.greeter().weight([first, dag.greeter().item("b", size=3)])

    @function
    async def own(self) -> list[str]:
        """The other module's default path and its own source."""
        return [*await dag.greeter().here(), *await dag.greeter().source()]

    @function
    async def through(self) -> str:
        """A module that only the other one depends on."""
        return await dag.greeter().through()

    @function
    async def hidden(self) -> bool:
        """Whether this module sees what only the other one depends on."""
        return hasattr(dag, "bottom")

    @function
    async def maybe(self) -> list[str]:
        """Nothing and something, as an optional argument and result."""
        return [str(await dag.greeter().maybe()), str(await dag.greeter().maybe(word="yes"))]

    @function
    async def everything(self) -> list[str]:
        """All of these at once."""
        calls = [self.hello(), self.hello(2), self.moody(), self.files().entries(), self.read(), self.shout()]
        calls += [self.labels(), self.weight(), self.own(), self.through(), self.hidden(), self.maybe()]
        return [str(one) for one in await asyncio.gather(*calls, self.unpacked())]

    @function
    async def fail(self) -> str:
        """An exception of the other module."""
        return await dag.greeter().fail()

    @function
    async def unpacked(self) -> str:
        """The name under which this module's client has the other's classes."""
        return ",".join(sorted(name for name in vars(dagger) if name.startswith("Greeter")))
