"""Passing faults of a registry are survived, refusals are final, and nothing is left half done."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from oci.errors import RefusedError, RegistryError, TransientError

from tests.programs.oci.publishing import Make, Open, image_of, publish, sbom, skopeo
from tests.programs.oci.registry_server import Fault, Proxy

pytestmark = pytest.mark.integration


def random_faults(dice: random.Random) -> Callable[[str, str], Fault | None]:
    """Return faults that hit a tenth, two fifths or four fifths of all requests."""
    kinds = [Fault(503), Fault(429), Fault(cut="before"), Fault(cut="body"), Fault(cut="answer")]
    share = dice.choice([0.1, 0.4, 0.8])

    def fault(_method: str, _path: str) -> Fault | None:
        return dice.choice(kinds) if dice.random() < share else None

    return fault


@pytest.mark.parametrize(
    "fault",
    [
        Fault(503),
        Fault(429),
        Fault(500),
        Fault(408),
        Fault(cut="before"),
        Fault(cut="body"),
        Fault(cut="answer"),
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT"])
def test_three_faults_in_a_row_are_survived(
    proxy: Proxy, open_repository: Open, make_layout: Make, method: str, fault: Fault
) -> None:
    """Three failures in a row of any verb are tried again, and the publish is complete."""
    layout = make_layout(repr((method, fault)).encode())
    proxy.spoil(method, "/v2/", fault, fault, fault)
    repository = open_repository(f"{proxy.address}/faults")
    publish(repository, image_of(layout, immutable=(f"sha-{layout.root().digest[7:19]}",)))
    assert repository.digest("latest") == layout.root().digest


def test_sixth_failure_ends_it(proxy: Proxy, open_repository: Open, make_layout: Make) -> None:
    """Six failures of one request end the publish, with the number of tries."""
    proxy.spoil("PUT", "/manifests/", *[Fault(502)] * 6)
    with pytest.raises(TransientError, match=r"502 \(try 6 of 6\)"):
        publish(open_repository(f"{proxy.address}/six"), image_of(make_layout(b"six")))
    assert open_repository(f"{proxy.address}/six").tags() == []


def test_retry_after_is_waited_for(proxy: Proxy, open_repository: Open, make_layout: Make) -> None:
    """After 429 with Retry-After the next try does not come sooner than asked."""
    proxy.spoil("PUT", "/manifests/", Fault(429, retry_after="1"))
    publish(open_repository(f"{proxy.address}/later"), image_of(make_layout(b"later")))
    puts = [
        at
        for line, at in zip(proxy.seen, proxy.times, strict=True)
        if line.startswith("PUT /v2/later/manifests")
    ]
    assert puts[1] - puts[0] >= 1.0


def test_long_retry_after_is_not_waited_for(proxy: Proxy, open_repository: Open, make_layout: Make) -> None:
    """A registry that asks for an hour ends the publish at once."""
    proxy.spoil("PUT", "/manifests/", Fault(429, retry_after="3600"))
    with pytest.raises(TransientError, match="try 1 of 6"):
        publish(open_repository(f"{proxy.address}/hour"), image_of(make_layout(b"hour")))


@pytest.mark.parametrize(
    ("status", "error"), [(401, RefusedError), (403, RefusedError), (400, RegistryError)]
)
def test_refusals_are_not_tried_again(
    proxy: Proxy, open_repository: Open, make_layout: Make, status: int, error: type[RegistryError]
) -> None:
    """A refused write is one request, whatever the reason."""
    proxy.spoil("PUT", "/manifests/", *[Fault(status)] * 6)
    with pytest.raises(error):
        publish(open_repository(f"{proxy.address}/refused"), image_of(make_layout(b"refused")))
    assert len([line for line in proxy.seen if line.startswith("PUT /v2/refused/manifests")]) == 1


@pytest.mark.slow
def test_fifty_publishes_with_random_faults(
    proxy: Proxy, registry: str, open_repository: Open, make_layout: Make, tmp_path: Path
) -> None:
    """Of 50 publishes through random faults each is complete, or leaves the moving tag where it was."""
    dice = random.Random(20261121)  # noqa: S311 - the same faults at every run
    plain, spoiled = open_repository(f"{registry}/fifty"), open_repository(f"{proxy.address}/fifty")
    complete = 0
    for number in range(50):
        before = plain.digest("latest")
        proxy.fault = random_faults(dice)
        layout = make_layout(b"base", dice.randbytes(20_000))
        image = image_of(layout, sbom(tmp_path / "sbom"), immutable=(f"sha-{number}",))
        try:
            publish(spoiled, image)
        except RegistryError:
            assert plain.digest("latest") in (before, layout.root().digest)
        else:
            complete += 1
            assert plain.digest("latest") == layout.root().digest
        if now := plain.digest("latest"):
            folder = tmp_path / f"read-{number}"
            skopeo(
                "copy",
                "--quiet",
                "--src-tls-verify=false",
                f"docker://{registry}/fifty@{now}",
                f"dir:{folder}",
            )
            assert plain.referrers(now)
    assert 10 < complete < 50
