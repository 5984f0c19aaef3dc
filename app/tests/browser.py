"""Browser: headless Chromium, driven through a pipe by the DevTools protocol."""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
"""Path of the browser; None where there is none."""

PATIENCE_MS = 60_000
"""Longest wait for an event that comes at once on a quiet machine."""

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
# The browser reads file descriptor 3 and writes 4; a shell cannot set these for numbers over 9.
LAUNCH = """\
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Page:
    """One tab."""

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read = write, read
        self._numbers = count(1)
        self._rest = b""
        self._session = ""
        self.failures: list[str] = []
        """Exceptions of scripts and errors of the console."""
        self.requested: list[str] = []
        """Addresses that the page asked for."""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: object) -> dict:
        """Send one command and return its result."""
        number = next(self._numbers)
        command = {"id": number, "method": method, "params": parameters}
        command |= {"sessionId": self._session} if self._session else {}
        os.write(self._write, json.dumps(command).encode() + b"\0")
        while (message := self._message()).get("id") != number:
            self._note(message)
        if "error" in message:
            raise AssertionError(f"{method}: {message['error']}")
        return message["result"]

    def open(self, url: str) -> None:
        """Load a page, and wait until its script has run."""
        self.send("Page.navigate", url=url)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def look(self, *, width: int = 1000, height: int = 800, scheme: str = "light") -> None:
        """Set the size of the screen and the preferred colours."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.send("Emulation.setEmulatedMedia", features=features)

    def value(self, expression: str) -> object:
        """Return the value of an expression of JavaScript, awaited."""
        result = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise AssertionError(result["exceptionDetails"])
        return result["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait until a condition of JavaScript holds."""
        self.value(
            "new Promise((done, fail) => {"
            f"setTimeout(() => fail('never: ' + document.body.innerText), {PATIENCE_MS});"
            f"const look = () => ({condition}) ? done() : setTimeout(look, 10); look(); }})"
        )

    def type(self, text: str, *, enter: bool = False) -> None:
        """Type into what has the focus, as a keyboard does."""
        self.send("Input.insertText", text=text)
        if enter:
            key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
            self.send("Input.dispatchKeyEvent", type="keyDown", **key)
            self.send("Input.dispatchKeyEvent", type="keyUp", **key)

    def picture(self, path: Path) -> None:
        """Save what is seen."""
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"]))

    def _message(self) -> dict:
        while b"\0" not in self._rest:
            chunk = os.read(self._read, 1 << 20)
            if not chunk:
                raise AssertionError("the browser has ended")
            self._rest += chunk
        text, _, self._rest = self._rest.partition(b"\0")
        return json.loads(text)

    def _note(self, message: dict) -> None:
        method, parameters = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.failures.append(parameters["exceptionDetails"]["exception"].get("description", "exception"))
        if method == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.failures.append(parameters["entry"]["text"])
        if method == "Network.requestWillBeSent":
            self.requested.append(parameters["request"]["url"])


@contextmanager
def browsing(home: Path) -> Iterator[Page]:
    """Start a browser with an empty profile, and end it."""
    (from_us, write), (read, to_us) = os.pipe(), os.pipe()
    words = [str(CHROMIUM), *FLAGS, "--remote-debugging-pipe", f"--user-data-dir={home}/profile"]
    launch = [sys.executable, "-c", LAUNCH, str(from_us), str(to_us), *words]
    log = (home / "chromium.log").open("wb")
    env = {**os.environ, "HOME": str(home)}
    with (
        log,
        subprocess.Popen(
            launch, env=env, pass_fds=(from_us, to_us), stdout=log, stderr=log, start_new_session=True
        ) as process,
    ):
        os.close(from_us)
        os.close(to_us)
        try:
            yield Page(write, read)
        finally:
            os.close(write)
            process.wait()
            os.close(read)
