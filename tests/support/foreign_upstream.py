"""A gRPC server that is not ours: grpcio, which ends old and idle connections in good order (GOAWAY,
PING, GOAWAY), as grpc-go does.

    foreign_upstream.py PORT [OPTION=NUMBER]...

Answers /echo.v1.Echo/Unary with the request's own bytes, and says "upstream ready port=…". In the
trailers stand `authorization`, `x-hub-operator` as it got them, and the peer of the connection.
"""

import sys
from concurrent import futures

import grpc


def unary(request, context):
    got = dict(context.invocation_metadata())
    context.set_trailing_metadata((
        ("x-got-authorization", got.get("authorization", "none")),
        ("x-got-operator", got.get("x-hub-operator", "none")),
        ("x-got-peer", context.peer()),
    ))
    return request


def main():
    port, *pairs = sys.argv[1:]
    options = [(name, int(value)) for name, value in (pair.split("=") for pair in pairs)]
    options.append(("grpc.so_reuseport", 0))
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16), options=options)
    handler = grpc.unary_unary_rpc_method_handler(unary)
    server.add_generic_rpc_handlers((
        grpc.method_handlers_generic_handler("echo.v1.Echo", {"Unary": handler}),
    ))
    bound = server.add_insecure_port(port if port.startswith("unix:") else f"127.0.0.1:{port}")
    server.start()
    print(f"upstream ready port={bound}", flush=True)
    server.wait_for_termination()


main()
