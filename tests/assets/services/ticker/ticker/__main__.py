"""Do the work once a second until SIGTERM."""

import pathlib
import signal
import threading

ended = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: ended.set())
while not ended.wait(1):
    pathlib.Path("/tmp/beat").write_text("done\n")
    print("ticker: done", flush=True)
