"""A gRPC server that is not ours: grpcio, whose C core ends a connection for more than 8 KiB of metadata.

    foreign_server.py

Answers every unary call of /test.Any/ with the bytes that it got; /test.Any/Hold waits for /test.Any/Go first,
/test.Any/Gzip answers compressed, /test.Any/Fail fails, /test.Any/Hang never answers. ServerStream gives the
request five times, ClientStream all requests in one, Bidi each one as it comes.
Prints "ready 127.0.0.1:PORT" when it listens.
"""

import threading
from concurrent import futures

import grpc

GO = threading.Event()


class Any(grpc.GenericRpcHandler):
    def service(self, details):
        def answer(request, context):
            if details.method == "/test.Any/Go":
                GO.set()
            if details.method == "/test.Any/Hold":
                GO.wait()
            if details.method == "/test.Any/Gzip":
                context.set_compression(grpc.Compression.Gzip)
            if details.method == "/test.Any/Hang":
                GO.wait()
            if details.method == "/test.Any/Fail":
                context.set_trailing_metadata([("trail-some-bin", bytes([0, 1, 255]))])
                context.abort(grpc.StatusCode.FAILED_PRECONDITION, "größer")
            context.send_initial_metadata([("echo-text", "there and back")])
            return request

        if details.method == "/test.Any/ServerStream":
            return grpc.unary_stream_rpc_method_handler(lambda request, _: iter([request] * 5))
        if details.method == "/test.Any/ClientStream":
            return grpc.stream_unary_rpc_method_handler(lambda requests, _: b"".join(requests))
        if details.method == "/test.Any/Bidi":
            return grpc.stream_stream_rpc_method_handler(lambda requests, _: requests)
        return grpc.unary_unary_rpc_method_handler(answer)


def main():
    server = grpc.server(futures.ThreadPoolExecutor(8), options=[("grpc.max_metadata_size", 8192)])
    server.add_generic_rpc_handlers((Any(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"ready 127.0.0.1:{port}", flush=True)
    server.wait_for_termination()


main()
