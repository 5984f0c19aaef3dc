"""A service that embeds a text as the counts of its letters, or does it wrong on request.

It has one model, "letters", and refuses requests for another one.
FAULT names what it does wrong; PORT where it listens.
"""

import json
import math
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FAULT = os.environ.get("FAULT", "")
PORT = int(os.environ.get("PORT", "8080"))
refused = []


def embed(text):
    """Return the counts of a, e, i, scaled to norm 1."""
    counts = [1.0 + text.count(letter) for letter in "aei"]
    norm = math.sqrt(sum(count * count for count in counts))
    return [count / norm for count in counts]


class Handler(BaseHTTPRequestHandler):
    """Serve /health and /v1/embeddings."""

    def do_GET(self):
        """Answer 200 on /health."""
        if FAULT == "hangs":
            time.sleep(3600)
        ready = FAULT != "never ready"
        if self.path == "/v1/models":
            return self.answer(200, {"data": [{"id": "letters"}]})
        known = self.path == "/health" or FAULT == "knows every path"
        self.answer((200 if ready else 503) if known else 404, {})

    def do_POST(self):
        """Embed."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if FAULT == "says ready too early" and not refused:
            refused.append(self.path)
            return self.answer(503, {"error": "the model is not loaded"})
        try:
            asked = json.loads(body)
            if asked.get("model", "letters") != "letters":
                return self.answer(404, {"error": "no such model"})
            texts = asked["input"]
            rows = [embed(text) for text in texts] if isinstance(texts, list) else texts.upper()
        except (ValueError, KeyError, AttributeError):
            if FAULT == "dies of nonsense":
                os._exit(3)
            return self.answer(400, {})
        if FAULT == "mixes up answers":
            time.sleep(0.1)
            if threading.active_count() > 4:
                rows = [row[::-1] for row in rows]
        if FAULT == "half norm":
            rows = [[value / 2 for value in row] for row in rows]
        self.answer(200, {"data": [{"embedding": row} for row in rows]})

    def answer(self, status, content):
        """Send JSON."""
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, *_):
        """Write nothing."""


class Server(ThreadingHTTPServer):
    """Wait for the requests that were accepted before it ends."""

    daemon_threads = False
    request_queue_size = 64


def serve():
    """Serve until SIGTERM."""
    if FAULT == "starts once only":
        marker = f"/tmp/embedder-{PORT}"
        if os.path.exists(marker):
            sys.exit("embedder: it was here before")
        open(marker, "w").close()
    if FAULT == "writes to the root":
        open("/written", "w").close()
    address = "127.0.0.1" if FAULT == "listens on loopback" else ""
    server = Server((address, PORT), Handler)

    def leave(*_):
        if FAULT == "ignores SIGTERM":
            return
        if FAULT == "drops requests":
            os._exit(0)
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, leave)
    print(f"embedder: serving on {PORT}", flush=True)
    server.serve_forever()
    server.server_close()


if FAULT == "crashes at import":
    import no_such_module
serve()
