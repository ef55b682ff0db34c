"""A gRPC client that is not ours: grpcio with hand-encoded messages, so that no generated code is needed.

    foreign_client.py ADDRESS [NAME=VALUE metadata]...

Calls Echo over each of the four kinds of call and prints one JSON line: what came back.
"""

import json
import sys

import grpc

# As PATIENCE_MS of until.ts.
PATIENCE_S = 90


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def request(data=b"", **numbers):
    """An EchoRequest: data = 1, count = 2, size = 3, delay_ms = 4, fail_code = 5, hang = 8."""
    fields = {"count": 2, "size": 3, "delay_ms": 4, "fail_code": 5, "hang": 8}
    out = b"\x0a" + varint(len(data)) + data if data else b""
    for name, value in numbers.items():
        if name == "fail_message":
            out += b"\x32" + varint(len(value)) + value
        else:
            out += varint(fields[name] << 3) + varint(value)
    return out


def data_of(response):
    """The field `data` of an EchoResponse, which comes first if it is there."""
    if not response.startswith(b"\x0a"):
        return b""
    length, shift, at = 0, 0, 1
    while True:
        byte = response[at]
        length |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return response[at:at + length]


def main():
    address, *pairs = sys.argv[1:]
    metadata = [tuple(pair.split("=", 1)) for pair in pairs]
    channel = grpc.insecure_channel(address, options=[
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
    ])
    path = "/echo.v1.Echo/"
    unary = channel.unary_unary(path + "Unary")
    server_stream = channel.unary_stream(path + "ServerStream")
    client_stream = channel.stream_unary(path + "ClientStream")
    bidi = channel.stream_stream(path + "Bidi")
    common = dict(timeout=PATIENCE_S, metadata=metadata)
    out = {}

    response, call = unary.with_call(request(b"hello"), timeout=PATIENCE_S, metadata=metadata + [
        ("echo-text", "there and back"), ("trail-some-bin", bytes([0, 1, 255])),
    ])
    out["unary"] = data_of(response).decode()
    out["initial"] = dict(call.initial_metadata()).get("echo-text")
    out["trailer"] = list(dict(call.trailing_metadata()).get("trail-some-bin", b""))
    out["hop"] = dict(call.trailing_metadata()).get("x-hub-hop")

    out["server_stream"] = [data_of(r).decode() for r in server_stream(request(b"x", count=5), **common)]

    sent = (request(b"%d" % i) for i in range(100))
    out["client_stream"] = data_of(client_stream(sent, **common)).decode()

    sent = (request(b"%d" % i) for i in range(1000))
    received = [data_of(r).decode() for r in bidi(sent, **common)]
    out["bidi_in_order"] = received == [str(i) for i in range(1000)]

    big = bytes(range(256)) * 32768
    out["8_mib"] = data_of(unary(request(big), **common)) == big

    squeezed = unary(request(b"squeeze " * 10000), compression=grpc.Compression.Gzip, **common)
    out["gzip"] = len(data_of(squeezed))

    for name, args in {
        "error": dict(fail_code=9, fail_message="größer".encode()),
        "deadline": dict(hang=1),
    }.items():
        try:
            unary(request(**args), timeout=0.5 if name == "deadline" else PATIENCE_S, metadata=metadata)
        except grpc.RpcError as error:
            out[name] = [error.code().name, error.details() if name == "error" else ""]

    endless = server_stream(request(b"x" * 1000, count=100000), **common)
    next(endless)
    endless.cancel()
    out["cancel"] = endless.code().name

    try:
        channel.unary_unary("/echo.v1.Echo/Nope")(b"", **common)
    except grpc.RpcError as error:
        out["unknown"] = error.code().name

    print(json.dumps(out))


main()
