"""A gRPC server that is not ours: grpcio, whose C core ends a connection for more than 8 KiB of metadata.

    foreign_server.py

Answers every unary call of /test.Any/ with the bytes that it got; /test.Any/Hold waits for /test.Any/Go first.
Prints "ready 127.0.0.1:PORT" when it listens.
"""

import threading
from concurrent import futures

import grpc

GO = threading.Event()


class Any(grpc.GenericRpcHandler):
    def service(self, details):
        def answer(request, _context):
            if details.method == "/test.Any/Go":
                GO.set()
            if details.method == "/test.Any/Hold":
                GO.wait()
            return request

        return grpc.unary_unary_rpc_method_handler(answer)


def main():
    server = grpc.server(futures.ThreadPoolExecutor(8), options=[("grpc.max_metadata_size", 8192)])
    server.add_generic_rpc_handlers((Any(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"ready 127.0.0.1:{port}", flush=True)
    server.wait_for_termination()


main()
