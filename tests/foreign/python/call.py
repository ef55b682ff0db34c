"""A gRPC client that is not ours: grpcio, which calls as a test says.

    call.py ADDRESS

Prints "ready 127.0.0.1:PORT". Orders come and events go there, one JSON object a line, as
tests/support/foreign_channel.ts has them.
"""

import asyncio
import base64
import json
import signal
import sys

import grpc

MAX_LINE_BYTES = 64 << 20
OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_metadata_size", 64 << 10),
    # A window that grows with the speed of loopback would hold more than a test can send.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.primary_user_agent", "foreign"),
    # Each channel has a connection of its own.
    ("grpc.use_local_subchannel_pool", 1),
]


def text(value):
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode()


def pairs(metadata):
    return [[text(name), text(value)] for name, value in metadata or ()]


def metadata_of(given):
    out = []
    for name, value in given:
        name, value = base64.b64decode(name).decode(), base64.b64decode(value)
        out.append((name, value if name.endswith("-bin") else value.decode()))
    return tuple(out)


class Steered:
    """Whoever steers, and the channels and calls that it has opened."""

    def __init__(self, address, reader, writer):
        self.address, self.reader, self.writer = address, reader, writer
        self.channels, self.calls, self.tasks = {}, {}, set()

    async def obey(self):
        while line := await self.reader.readline():
            order = json.loads(line)
            do, number = order["do"], order.get("call")
            if do == "start":
                self.calls[number] = Call(self, order)
                self.spawn(self.calls[number].run())
            elif do == "close":
                channel = self.channels.pop(order["channel"], None)
                if channel is not None:
                    self.spawn(channel.close())
            elif do == "cancel":
                self.calls[number].cancel()
            elif do == "read":
                self.calls[number].reads.release()
            else:
                self.calls[number].sends.put_nowait(order)

    def spawn(self, coroutine):
        task = asyncio.ensure_future(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def channel(self, number):
        if number not in self.channels:
            self.channels[number] = grpc.aio.insecure_channel(self.address, options=OPTIONS)
        return self.channels[number]

    def tell(self, **event):
        self.writer.write(json.dumps(event).encode() + b"\n")


class Call:
    def __init__(self, steered, order):
        self.steered, self.order = steered, order
        self.sends, self.reads = asyncio.Queue(), asyncio.Semaphore(0)
        self.call, self.cancelled = None, False

    def tell(self, **event):
        self.steered.tell(call=self.order["call"], **event)

    def cancel(self):
        self.cancelled = True
        if self.call is not None:
            self.call.cancel()

    async def run(self):
        order = self.order
        channel = self.steered.channel(order["channel"])
        kind = order["path"].rsplit("/")[-1]
        start = {
            "ServerStream": channel.unary_stream,
            "ClientStream": channel.stream_unary,
            "Bidi": channel.stream_stream,
        }.get(kind, channel.unary_unary)(order["path"])
        options = dict(timeout=order["timeoutMs"] / 1000, metadata=metadata_of(order["metadata"]))
        if order["gzip"]:
            options["compression"] = grpc.Compression.Gzip
        streams_up = kind in ("ClientStream", "Bidi")
        if streams_up:
            self.call = start(**options)
        else:
            first = base64.b64decode((await self.sends.get()).get("bytes") or "")
            self.call = start(first, **options)
            self.tell(**{"is": "sent"})
        if self.cancelled:
            self.call.cancel()
        self.steered.spawn(self.send(streams_up))
        await self.receive(kind in ("ServerStream", "Bidi"))
        code, trailers = await self.call.code(), await self.call.trailing_metadata()
        self.tell(**{"is": "ended"}, code=code.value[0], metadata=pairs(trailers),
                  message=text(await self.call.details() or ""))

    async def send(self, streams_up):
        """Sends what is asked; once the call is over, says that it did."""
        while True:
            order = await self.sends.get()
            try:
                if streams_up and order["do"] == "end":
                    await self.call.done_writing()
                elif streams_up:
                    await self.call.write(base64.b64decode(order["bytes"]))
            except (grpc.RpcError, asyncio.InvalidStateError, asyncio.CancelledError):
                pass  # What is wrong, reading tells.
            self.tell(**{"is": "sent"})

    async def receive(self, streams_down):
        try:
            headers = await self.call.initial_metadata()
            if headers or not self.call.done():
                self.tell(**{"is": "headers"}, metadata=pairs(headers))
            if not streams_down:
                return self.tell(**{"is": "message"}, bytes=text(await self.call))
            while True:
                await self.reads.acquire()
                message = await self.call.read()
                if message is grpc.aio.EOF:
                    return
                self.tell(**{"is": "message"}, bytes=text(message))
        except (grpc.RpcError, asyncio.CancelledError):
            pass  # The code says it.


async def main():
    async def serve(reader, writer):
        await Steered(sys.argv[1], reader, writer).obey()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=MAX_LINE_BYTES)
    host, port = server.sockets[0].getsockname()
    print(f"ready {host}:{port}", flush=True)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()


asyncio.run(main())
