"""A gRPC server that is not ours: grpcio, without reflection.

    serve.py [OPTION=NUMBER]...

Prints "ready 127.0.0.1:PORT" and serves the Echo of proto/echo/v1/echo.proto, which does what the request
says (tests/support/echo.ts tells what steers it). The options are those of grpcio, such as
grpc.max_metadata_size: if a call has more, its C core ends the connection.
"""

import asyncio
import base64
import json
import signal
import sys

import grpc

from messages import Request, response

MAX_MESSAGE_BYTES = 64 << 20

records = {}


class EchoCall:
    """One call in Echo's hands."""

    def __init__(self, method, context):
        self.context = context
        self.metadata = [(name, value) for name, value in context.invocation_metadata()]
        self.headers_sent = False
        left = context.time_remaining()
        self.record = dict(
            method="/echo.v1.Echo/" + method, metadata={}, authority="", peer=context.peer(),
            # Without a deadline, grpcio gives one of hundreds of years.
            deadlineMs=None if left is None or left > 1e9 else left * 1000,
            received=0, receivedBytes=0, sent=0, halfClosed=False, state="open")
        for name, value in self.metadata:
            text = value if isinstance(value, str) else base64.b64encode(value).decode()
            self.record["metadata"].setdefault(name, []).append(text)
        for call_id in self.values("x-echo-id"):
            records[call_id] = self.record
        context.set_trailing_metadata(self.picked("trail-"))
        if self.values("x-echo-gzip"):
            context.set_compression(grpc.Compression.Gzip)

    def values(self, name):
        return [value for key, value in self.metadata if key == name]

    def picked(self, prefix):
        return tuple(pair for pair in self.metadata if pair[0].startswith(prefix))

    async def send_headers(self):
        if not self.headers_sent:
            self.headers_sent = True
            await self.context.send_initial_metadata(self.picked("echo-"))

    async def receive(self, request):
        self.record["received"] += 1
        self.record["receivedBytes"] += len(request.data)
        if request.headers_first:
            await self.send_headers()

    async def wait(self, request):
        if request.hang:
            await asyncio.Event().wait()
        if request.delay_ms:
            await asyncio.sleep(request.delay_ms / 1000)

    def response(self, request, index=0):
        self.record["sent"] += 1
        data = bytes(request.size) if request.size else request.data
        return response(data, index, self.record["received"], self.record["receivedBytes"])

    async def finish(self, request):
        """Ends the call as the request says."""
        self.record["state"] = "ended"
        if not request.fail_code:
            return await self.send_headers()
        trailers = self.picked("trail-")
        for details in self.values("x-echo-details-bin"):
            trailers += (("grpc-status-details-bin", details),)
        code = next(code for code in grpc.StatusCode if code.value[0] == request.fail_code)
        await self.context.abort(code, request.fail_message.decode(), trailers)


def recorded(method, handle):
    """Whatever ends a call before Echo does has cancelled it."""
    async def run(request, context):
        call = EchoCall(method, context)
        try:
            return await handle(call, request)
        finally:
            if call.record["state"] == "open":
                call.record["state"] = "cancelled"
    return run


async def unary(call, data):
    for asked in call.values("x-echo-report"):
        return response(json.dumps(records.get(asked)).encode())
    request = Request(data)
    call.record["halfClosed"] = True
    await call.receive(request)
    await call.wait(request)
    await call.finish(request)
    return call.response(request)


async def server_stream(call, data):
    request = Request(data)
    call.record["halfClosed"] = True
    await call.receive(request)
    for index in range(request.count):
        await asyncio.sleep(request.delay_ms / 1000)
        await call.send_headers()
        await call.context.write(call.response(request, index))
    if request.hang:
        await call.wait(request)
    await call.finish(request)


async def client_stream(call, requests):
    request = Request()
    async for data in requests:
        request = Request(data)
        await call.receive(request)
        await call.wait(request)
        if request.fail_code:
            await call.finish(request)
    call.record["halfClosed"] = True
    await call.finish(Request())
    return call.response(request)


async def bidi(call, requests):
    index = 0
    async for data in requests:
        request = Request(data)
        await call.receive(request)
        await call.wait(request)
        await call.send_headers()
        await call.context.write(call.response(request, index))
        index += 1
        if request.fail_code:
            await call.finish(request)
    call.record["halfClosed"] = True
    await call.finish(Request())


async def main():
    options = [(name, int(value)) for name, value in (pair.split("=") for pair in sys.argv[1:])]
    names = {name for name, _ in options}
    defaults = [
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_metadata_size", 64 << 10),
        # A window that grows with the speed of loopback would hold more than a test can send.
        ("grpc.http2.bdp_probe", 0),
    ]
    server = grpc.aio.server(options=options + [pair for pair in defaults if pair[0] not in names])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("echo.v1.Echo", {
        "Unary": grpc.unary_unary_rpc_method_handler(recorded("Unary", unary)),
        "ServerStream": grpc.unary_stream_rpc_method_handler(recorded("ServerStream", server_stream)),
        "ClientStream": grpc.stream_unary_rpc_method_handler(recorded("ClientStream", client_stream)),
        "Bidi": grpc.stream_stream_rpc_method_handler(recorded("Bidi", bidi)),
    }),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"ready 127.0.0.1:{port}", flush=True)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()
    await server.stop(0)


asyncio.run(main())
