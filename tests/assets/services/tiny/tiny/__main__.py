"""Answer 200 at /health and /ready, 404 elsewhere; refuse what is not a request."""

import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Answer(BaseHTTPRequestHandler):
    """One request."""

    def do_GET(self):
        """Answer by path."""
        self.send_response(200 if self.path in {"/health", "/ready"} else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET


def main():
    """Serve until SIGTERM; answer what was accepted before."""
    server = ThreadingHTTPServer(("", 8000), Answer)
    server.daemon_threads = False
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
    server.server_close()


if __name__ == "__main__":
    sys.exit(main())
