"""`--engine` chooses the engine, as in the tests of the embedded one."""

pytest_plugins = ["engines"]
