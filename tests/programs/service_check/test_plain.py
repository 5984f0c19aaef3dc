"""Services without HTTP: a good one passes every check, and each fault fails its own."""

import pytest

pytestmark = pytest.mark.integration

WORKER = """
import signal, sys, threading
ended = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: ended.set())
ended.wait()
"""
SERVER = """
import os, signal, socketserver, sys, threading
class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        line = self.rfile.readline(); FAULT
        self.wfile.write(line)
server = socketserver.ThreadingTCPServer(("", int(os.environ["PORT"])), Echo, bind_and_activate=False)
server.allow_reuse_address = server.daemon_threads = True
server.request_queue_size = 128
server.server_bind(); server.server_activate()
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
"""
HTTP2 = SERVER.replace("readline()", "read(33)").replace("write(line)", "write(bytes([0,0,0,4,0,0,0,0,0]))")


def test_a_worker_runs_is_well_ends_and_starts_again(judge_plain):
    """Nothing is asked over the network; its health check is its own program."""
    verdict = judge_plain("none", WORKER, "print('well')")

    assert (verdict.exit_code, verdict.failures) == (0, {})
    assert verdict.passed == ["start", "ready", "SIGTERM ends it", "restart"]


@pytest.mark.parametrize(("protocol", "program"), [("tcp", SERVER), ("grpc", HTTP2)])
def test_a_server_is_asked_in_its_own_protocol(judge_plain, protocol, program):
    """A TCP server accepts connections; a gRPC server sends the settings of HTTP/2."""
    verdict = judge_plain(protocol, program.replace("FAULT", ""))

    assert (verdict.exit_code, verdict.failures) == (0, {})
    assert verdict.passed[1:3] == ["answers", "concurrent connections"]


FAULTS = {
    "ends": ("none", "raise SystemExit('no broker')", "", "start", "ended with exit code 1: no broker"),
    "is not well": ("none", WORKER, "raise SystemExit('stale')", "ready", "ends with 1, 0 expected: stale"),
    "stays": ("none", WORKER.replace("ended.set()", "None"), "", "SIGTERM ends it", "s after SIGTERM"),
    "dies": ("tcp", SERVER.replace("FAULT", "os._exit(3)"), "", "malformed requests", "exit code 3"),
    "speaks another protocol": ("grpc", SERVER.replace("FAULT", ""), "", "answers", "settings expected"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_each_fault_fails_its_own_check(judge_plain, fault):
    """A worker that ends, is not well or stays; a server that dies, and one of another protocol."""
    protocol, program, probe, check, words = fault
    verdict = judge_plain(protocol, program, probe, seconds=12)

    assert verdict.exit_code == 1
    assert words in verdict.failures[check]
