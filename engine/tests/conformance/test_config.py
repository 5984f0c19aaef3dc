"""What any engine does with a container's configuration."""

import dagger
import pytest
from dagger import dag

pytestmark = pytest.mark.engine


async def env_of(container: dagger.Container) -> dict[str, str]:
    """Return the persistent environment."""
    return {await one.name(): await one.value() for one in await container.env_variables()}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$A", "one"),
        ("${A}b", "oneb"),
        ("$A_$A", "one"),
        ("$A/$B", "one/two"),
        ("$1x", "x"),
        ("$MISSING.", "."),
        ("a$ b", "a$ b"),
        ("cost: $", "cost: $"),
        ("$$A", "A"),
        ("\\$A", "\\one"),
    ],
)
@pytest.mark.usefixtures("client")
async def test_expand_replaces_names_as_go_does(text: str, expanded: str) -> None:
    """`$NAME`, `${NAME}`, one digit or sign; what is not set is empty, and there is no escape."""
    held = dag.container().with_env_variable("A", "one").with_env_variable("B", "two")

    assert await held.with_env_variable("C", text, expand=True).env_variable("C") == expanded
    assert await held.with_env_variable("C", text).env_variable("C") == text


@pytest.mark.usefixtures("client")
async def test_expand_refuses_secret_and_volatile_variables() -> None:
    """What must not be kept cannot be expanded into what is kept."""
    secret = dag.container().with_secret_variable("S", dag.set_secret("expand", "value"))
    volatile = dag.container().with_volatile_variable("V", "now")

    for held, name in ((secret, "S"), (volatile, "V")):
        with pytest.raises(dagger.QueryError, match="expand cannot be used with"):
            await held.with_workdir(f"/${name}", expand=True).workdir()


@pytest.mark.usefixtures("client")
async def test_variables_keep_their_order_and_their_last_value() -> None:
    """Setting a variable again changes it in place; removing one that is not set is fine."""
    held = dag.container().with_env_variable("A", "1").with_env_variable("B", "2").with_env_variable("A", "3")

    assert list((await env_of(held)).items()) == [("A", "3"), ("B", "2")]
    assert await env_of(held.without_env_variable("A").without_env_variable("NONE")) == {"B": "2"}
    assert "V" not in await env_of(held.with_volatile_variable("V", "1"))


@pytest.mark.usefixtures("client")
async def test_entrypoint_and_default_args_drop_each_other_unless_kept() -> None:
    """Both ways of changing the entrypoint drop the default arguments, unless they are to be kept."""
    held = dag.container().with_entrypoint(["e"]).with_default_args(["d"])

    assert await held.default_args() == ["d"]
    assert await held.with_entrypoint(["f"]).default_args() == []
    assert await held.with_entrypoint(["f"], keep_default_args=True).default_args() == ["d"]
    assert await held.without_entrypoint().default_args() == []
    assert await held.without_entrypoint(keep_default_args=True).default_args() == ["d"]
    assert await held.without_default_args().entrypoint() == ["e"]


@pytest.mark.usefixtures("client")
async def test_workdir_is_joined_and_user_is_as_given() -> None:
    """A relative workdir starts at the one before; both can be unset."""
    held = dag.container().with_workdir("/a/b").with_workdir("../c").with_user("me:us")

    assert await held.workdir() == "/a/c"
    assert await held.user() == "me:us"
    assert [await held.without_workdir().workdir(), await held.without_user().user()] == ["", ""]


@pytest.mark.usefixtures("client")
async def test_ports_are_told_apart_by_protocol() -> None:
    """One number may be exposed over TCP and over UDP; the same one twice is changed."""
    held = dag.container().with_exposed_port(53).with_exposed_port(53, protocol=dagger.NetworkProtocol.UDP)
    held = held.with_exposed_port(53, description="names")
    found = {
        (await p.port(), (await p.protocol()).value, await p.description())
        for p in await held.exposed_ports()
    }

    assert found == {(53, "TCP", "names"), (53, "UDP", None)}
    assert len(await held.without_exposed_port(53).exposed_ports()) == 1


@pytest.mark.usefixtures("client")
async def test_health_check_is_given_back_in_go_durations() -> None:
    """Times are written as Go writes them; what was not set is `0s` and 0."""
    held = dag.container()
    check = held.with_docker_healthcheck(["curl x || exit 1"], shell=True, interval="90s")  # noqa: S604 - the API's word

    assert await check.docker_healthcheck().shell()
    assert await check.docker_healthcheck().args() == ["curl x || exit 1"]
    assert await check.docker_healthcheck().interval() == "1m30s"
    assert await check.docker_healthcheck().timeout() == "0s"
    assert await check.docker_healthcheck().retries() == 0


@pytest.mark.parametrize(
    ("args", "options"), [([], {}), (["a", "b"], {"shell": True}), (["a"], {"interval": "soon"})]
)
@pytest.mark.usefixtures("client")
async def test_impossible_health_check_is_refused(args: list[str], options: dict[str, object]) -> None:
    """No command, a shell command of several words, and a time that is none are errors."""
    with pytest.raises(dagger.QueryError):
        await dag.container().with_docker_healthcheck(args, **options).platform()  # type: ignore[arg-type]


@pytest.mark.usefixtures("client")
async def test_mounts_are_listed_without_secrets() -> None:
    """Targets in the order they were made; a secret is no mount that is listed."""
    held = dag.container().with_mounted_temp("/t").with_mounted_directory("/d", dag.directory())
    held = held.with_mounted_secret("/s", dag.set_secret("listed", "x"))

    assert await held.mounts() == ["/t", "/d"]
    assert await held.without_mount("/t").mounts() == ["/d"]


async def test_outputs_stay_until_the_next_exec(fresh: dagger.Container) -> None:
    """Files and settings changed after an exec leave what it wrote to be asked for."""
    ran = fresh.with_exec(["echo", "said"]).with_new_file("/f", "x").with_label("a", "b").with_user("1")

    assert await ran.stdout() == "said\n"
    assert await ran.without_file("/f").exit_code() == 0


async def test_image_reference_is_known_until_something_changes(base: dagger.Container) -> None:
    """It names the digest directly after `from`, and is an error later."""
    assert "@sha256:" in await base.image_ref()
    with pytest.raises(dagger.QueryError, match="immediately after"):
        await base.with_label("a", "b").image_ref()
