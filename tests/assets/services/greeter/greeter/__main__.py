"""Answer /greeter.Greeter/Greet until SIGTERM."""

import signal
from concurrent import futures

import grpc

METHODS = {"Greet": grpc.unary_unary_rpc_method_handler(lambda request, _: b"hello " + request)}
server = grpc.server(futures.ThreadPoolExecutor(4))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("greeter.Greeter", METHODS),))
server.add_insecure_port("0.0.0.0:50051")
server.start()
signal.signal(signal.SIGTERM, lambda *_: server.stop(5))
server.wait_for_termination()
