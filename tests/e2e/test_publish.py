"""The whole way: a commit in, a tested image in a registry out; the same again sends nothing."""

import base64
import gzip
import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.e2e.conftest import LOGIN, Checkout, inspect, key_pair, pulled
from tests.programs.oci.registry_server import PASSWORD, USERNAME, Proxy

pytestmark = [pytest.mark.engine, pytest.mark.slow]

EDIT_BYTES = 150_000
"""Most bytes of blobs that an edited line may send. Source: 131.7 kB measured, 119.0 of it its layer."""
VULNERABLE = "e6b01673c0fa6a13e374b50871808eb3bf7046c4b125b216f6bf1cc604cff0dc"
"""The wheel of urllib3 2.5.0."""
EDIT_BLOBS = 5
"""Layer, configuration, three signed statements: SBOMs and findings are there already."""
FORMS = tuple(
    form.encode()
    for form in (
        PASSWORD,
        base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode(),
        base64.b64encode(PASSWORD.encode()).decode(),
        PASSWORD.encode().hex(),
        PASSWORD[::-1],
    )
)
"""How the password may be written down: as it is, for basic auth, as base64, in hexadecimal, reversed."""


class Listener(threading.Thread):
    """Looks for a text in the argument list of every process, as other users of the machine can."""

    def __init__(self, text: str) -> None:
        super().__init__(daemon=True)
        self.text, self.seen, self.over = text.encode(), set[str](), threading.Event()

    def run(self) -> None:
        """Look until told that it is over."""
        while not self.over.wait(0.05):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    words = path.read_bytes()
                except OSError:
                    continue
                # skopeo of this very test takes it as an argument.
                if self.text in words and not words.startswith(b"skopeo"):
                    self.seen.add(words.decode(errors="replace"))


@dataclass(frozen=True)
class Published:
    """The first publish of the module's clone."""

    words: list[str]
    """Of `wheelhouse call`."""
    done: "subprocess.CompletedProcess[str]"
    overheard: set[str]
    """Argument lists that showed the password."""
    started: float
    head: str
    key: Path

    @property
    def lines(self) -> list[str]:
        """Return what was printed: `REPOSITORY@sha256:… TAG…` of cpu, then of api."""
        return self.done.stdout.splitlines()

    @property
    def line(self) -> str:
        """Return the line of the api image."""
        return self.lines[-1]

    @property
    def reference(self) -> str:
        """Return `REPOSITORY@sha256:…`."""
        return self.line.split()[0]

    @property
    def fallback(self) -> str:
        """Return the tag of the index of what refers to it."""
        return self.reference.replace("@sha256:", ":sha256-")


@pytest.fixture(scope="module")
def published(one_proxy: Proxy, clone: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Published:
    """Publish two images of the clone, signed, while somebody watches the process list."""
    key = key_pair(tmp_path_factory.mktemp("keys"), "ours")
    words = ["publish", f"--address={one_proxy.address}/app", "--variants=cpu,api", *LOGIN]
    words.append(f"--signing-key=file://{key}")
    listener, started = Listener(PASSWORD), time.time()
    listener.start()
    done = clone.call(*words)
    listener.over.set()
    assert done.returncode == 0, done.stderr[-3000:]
    return Published(words, done, listener.seen, started, clone.head, key)


def test_one_digest_under_the_commits_tag(published: Published, one_proxy: Proxy) -> None:
    """The line names repository, digest and tag; the image names its commit and keeps its HEALTHCHECK."""
    tag = f"sha-{published.head[:12]}-api"
    assert re.fullmatch(rf"{one_proxy.address}/app@sha256:[0-9a-f]{{64}} {tag}", published.line)
    config = inspect(published.reference, "--config")["config"]
    assert config["Labels"]["org.opencontainers.image.revision"] == published.head
    assert config["Healthcheck"]["Test"]
    by_tag, by_digest = (inspect(name) for name in (f"{one_proxy.address}/app:{tag}", published.reference))
    assert by_tag == by_digest


def test_every_tag_of_every_variant_is_one_digest(published: Published, one_proxy: Proxy) -> None:
    """Skopeo lists the tags of both images, and each names the digest that was printed beside it."""
    app, sha = f"{one_proxy.address}/app", f"sha-{published.head[:12]}"
    listing = [
        "skopeo",
        "list-tags",
        "--tls-verify=false",
        f"--creds={USERNAME}:{PASSWORD}",
        f"docker://{app}",
    ]
    tags = json.loads(subprocess.run(listing, check=True, capture_output=True).stdout)["Tags"]
    printed = {tag: line.split()[0] for line in published.lines for tag in line.split()[1:]}

    assert set(printed) == {sha, f"{sha}-cpu", f"{sha}-api"} == {tag for tag in tags if tag[:4] == "sha-"}
    assert printed[sha] == printed[f"{sha}-cpu"] != printed[f"{sha}-api"]
    for tag, reference in printed.items():
        assert inspect(f"{app}:{tag}") == inspect(reference)


def test_what_speaks_for_an_image_is_found_from_it(published: Published) -> None:
    """SBOMs, findings, and signed provenance, test results and secrets scan refer to the image."""
    attached = inspect(published.fallback)["manifests"]

    assert sorted(one["artifactType"] for one in attached) == [
        "application/spdx+json",
        "application/vnd.cyclonedx+json",
        *["application/vnd.dev.sigstore.bundle.v0.3+json"] * 3,
        "application/vnd.wheelhouse.findings.v1+json",
    ]


def test_the_password_is_nowhere(published: Published, home: Path) -> None:
    """Not in logs, argument lists, the image, what speaks for it, or the engine's store."""
    said = (published.done.stdout + published.done.stderr).encode()

    assert not [form for form in FORMS if form in said]
    assert not published.overheard
    blobs = [path for path in (home / "data").rglob("data") if path.is_file()]
    assert len(blobs) > 10
    assert not [path for path in blobs for text in readings(path) if any(form in text for form in FORMS)]
    assert not holders(published.started)


def test_the_image_runs_where_it_is_pulled(published: Published) -> None:
    """Podman pulls it by digest and starts it; the probe of its own HEALTHCHECK is answered."""
    probe = inspect(published.reference, "--config")["config"]["Healthcheck"]["Test"][1:]
    with pulled(published.reference) as (podman, name):
        end = time.monotonic() + 300
        while subprocess.run([*podman, "exec", name, *probe], check=False, capture_output=True).returncode:
            assert time.monotonic() < end, "no answer after 300 s"
            time.sleep(0.5)


def test_a_second_publish_sends_no_byte(published: Published, clone: Checkout, one_proxy: Proxy) -> None:
    """The same commit again gives the same lines, and the registry gets only questions; JSON says so."""
    one_proxy.clear()
    again = clone.call(*published.words)

    assert again.stdout == published.done.stdout, again.stderr[-3000:]
    assert sum(one_proxy.sent) == 0
    [told] = re.findall(r'^{"images".*', again.stderr, re.MULTILINE)
    report = json.loads(told)
    assert [image["reference"] for image in report["images"]] == [line.split()[0] for line in published.lines]
    assert (report["pushed_bytes"], report["written_manifests"], report["written_tags"]) == (0, 0, [])


def test_signatures_hold_for_their_key_alone(published: Published, clone: Checkout, tmp_path: Path) -> None:
    """The signer's public key verifies the statement about this digest; another key does not."""
    verify = ["verify-signature", f"--reference={published.reference}", *LOGIN]
    checked = clone.call(*verify, f"--public-key={published.key.with_suffix('.pub')}")
    digest = published.reference.partition("@")[2]
    # WARNED: tests that need a database, and a check for credentials that this build was not given.
    assert sorted(checked.stdout.splitlines()) == [
        f"{digest} https://in-toto.io/attestation/test-result/v0.1 verified: secrets WARNED",
        f"{digest} https://in-toto.io/attestation/test-result/v0.1 verified: tests WARNED",
        f"{digest} https://slsa.dev/provenance/v1 verified",
    ]
    other = key_pair(tmp_path, "theirs").with_suffix(".pub")
    refused = clone.call(*verify, f"--public-key={other}")
    assert (refused.returncode, "no signature of the bundle is by this key" in refused.stderr) == (1, True)


def test_a_published_image_is_scanned_again_by_its_list(published: Published, clone: Checkout) -> None:
    """`rescan` takes the attached list; a scan that could judge nothing fails."""
    blind = clone.call("rescan", f"--reference={published.reference}", "--offline", *LOGIN)

    assert (blind.returncode, "debian: not scanned" in blind.stderr) == (1, True)


def test_promotion_takes_along_what_refers_to_the_image(
    published: Published, clone: Checkout, one_proxy: Proxy
) -> None:
    """Another repository gets the same digest, the new tag and every referrer."""
    prod = f"{one_proxy.address}/prod"
    words = ["promote", f"--image={published.reference}", f"--address={prod}", "--tags=stable", *LOGIN]
    promoted = clone.call(*words)

    digest = published.reference.partition("@")[2]
    assert promoted.stdout.strip() == f"{prod}@{digest} stable"
    assert len(inspect(f"{prod}:{digest.replace(':', '-')}")["manifests"]) == 6


def test_an_edited_line_sends_little(published: Published, clone: Checkout, one_proxy: Proxy) -> None:
    """One layer, the configuration and the signed statements: at most 150 kB, and manifests."""
    before = {layer["digest"]: layer["size"] for layer in inspect(published.lines[0].split()[0])["layers"]}
    clone.edit("app/rag/routes.py", "# edited")
    one_proxy.clear()
    done = clone.call(*(word.replace("cpu,api", "cpu") for word in published.words))
    assert done.returncode == 0, done.stderr[-3000:]
    sent = zip(one_proxy.seen, one_proxy.sent, strict=True)
    blobs = [size for asked, size in sent if "/blobs/" in asked and size]

    image = inspect(done.stdout.split()[0])
    new = [layer["size"] for layer in image["layers"] if layer["digest"] not in before]
    assert len(new) == 1
    assert len(blobs) == EDIT_BLOBS
    assert new[0] + image["config"]["size"] < sum(blobs) <= EDIT_BYTES


def test_a_dirty_tree_is_refused_before_anything_is_built(clone: Checkout, one_proxy: Proxy) -> None:
    """Uncommitted changes stop the publish with what to do; the registry is asked nothing."""
    one_proxy.clear()
    (clone.folder / "app/rag/__init__.py").write_text("# edited\n")
    done = clone.call("publish", f"--address={one_proxy.address}/app", "--variants=api", *LOGIN)
    clone.git("checkout", "--quiet", "--", "app")

    assert done.returncode == 1
    assert "the working tree has uncommitted changes" in done.stderr
    assert "--allow-dirty" in done.stderr
    assert one_proxy.seen == []


def test_a_platform_that_cannot_run_here_is_refused(clone: Checkout, one_proxy: Proxy) -> None:
    """The engine is asked before anything is built; the message names found, expected and what to do."""
    one_proxy.clear()
    words = [f"--address={one_proxy.address}/app", "--variants=api", "--platforms=linux/s390x", *LOGIN]
    done = clone.call("publish", *words)

    assert done.returncode == 1
    assert "platform linux/s390x cannot run here" in done.stderr
    assert "expected one that the engine runs; its own is linux/" in done.stderr
    assert one_proxy.seen == []


def test_an_image_that_no_scan_vouches_for_is_not_pushed(clone: Checkout, one_proxy: Proxy) -> None:
    """Offline wheels and Debian packages go unjudged: the gate says so, the registry is asked nothing."""
    one_proxy.clear()
    words = ["publish", f"--address={one_proxy.address}/app", "--variants=api", "--offline", *LOGIN]
    done = clone.call(*words)

    assert done.returncode == 1
    assert "debian: not scanned: " in done.stderr
    assert "python: not scanned: no advisories were passed" in done.stderr
    assert one_proxy.seen == []


def test_a_vulnerable_pin_is_not_published(clone: Checkout, one_proxy: Proxy, tmp_path: Path) -> None:
    """A copy of the service with a known-bad wheel is refused by name; so is one that nothing can judge."""
    service = Path(shutil.copytree(clone.folder / "app", tmp_path / "app"))
    lock = service / "requirements/api.txt"
    lock.write_text(f"{lock.read_text()}urllib3==2.5.0 --hash=sha256:{VULNERABLE}\n")
    one_proxy.clear()
    words = ["publish", f"--address={one_proxy.address}/app", "--variants=api", *LOGIN]
    done = clone.call(f"--source={service}", *words)
    blind = replace(clone, bucket="http://127.0.0.1:9").call(*words)

    assert done.returncode == blind.returncode == 1
    assert "urllib3 2.5.0: CVE-2026-21441 (high), fixed in 2.6.3" in done.stderr
    assert "python: not scanned: the advisories cannot be fetched: http://127.0.0.1:9/" in blind.stderr
    assert one_proxy.seen == []


def readings(path: Path) -> Iterator[bytes]:
    """Give a blob as it is, unpacked, and what is written in it as base64: a signed statement is."""
    content = path.read_bytes()
    yield content
    if content[:2] == b"\x1f\x8b":
        yield gzip.decompress(content)
    elif content[:1] in b"{[":
        for word in re.findall(rb'"([A-Za-z0-9+/]{40,}={0,2})"', content):
            yield base64.b64decode(word + b"==")


def holders(started: float) -> list[Path]:
    """Return files of the engine's store that are new and hold the password in some form."""
    store = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wheelhouse"
    new = ["find", str(store), "-type", "f", "-newermt", f"@{int(started)}", "-size", "-64M", "-print0"]
    listed = subprocess.run(new, check=False, capture_output=True).stdout
    search = ["xargs", "-0", "-r", "grep", "-laF", *(f"-e{form.decode()}" for form in FORMS)]
    found = subprocess.run(search, check=False, capture_output=True, input=listed).stdout.decode().split()
    # The repository's own checkout holds the word, where this test has it from.
    return [path for path in map(Path, found) if path.name != "registry_server.py"]
