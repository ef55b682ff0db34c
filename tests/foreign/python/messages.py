"""Messages of proto/echo/v1/echo.proto by hand, so that no generated code is needed."""


def _varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def _read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


class Request:
    """An EchoRequest."""

    NUMBERS = {2: "count", 3: "size", 4: "delay_ms", 5: "fail_code", 7: "headers_first", 8: "hang"}
    BYTES = {1: "data", 6: "fail_message"}

    def __init__(self, encoded=b""):
        self.data = self.fail_message = b""
        self.count = self.size = self.delay_ms = self.fail_code = self.headers_first = self.hang = 0
        at = 0
        while at < len(encoded):
            tag, at = _read_varint(encoded, at)
            value, at = _read_varint(encoded, at)
            if tag & 7 == 2:
                setattr(self, self.BYTES[tag >> 3], encoded[at:at + value])
                at += value
            else:
                setattr(self, self.NUMBERS[tag >> 3], value)


def response(data=b"", index=0, received=0, received_bytes=0):
    """An EchoResponse, encoded."""
    out = b"\x0a" + _varint(len(data)) + data if data else b""
    for field, value in ((2, index), (3, received), (4, received_bytes)):
        if value:
            out += _varint(field << 3) + _varint(value)
    return out
