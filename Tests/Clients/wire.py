"""HTTP/1.1 on raw sockets, so that tests say and see every byte: a client, and an upstream that tolerates nothing malformed."""

import re
import socket
import struct
import threading
from dataclasses import dataclass, field

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


class Malformed(Exception):
    """What came breaks RFC 9112."""


@dataclass
class Message:
    """A request or an answer as it came."""

    start: bytes
    fields: list
    body: bytes = b""
    raw_head: bytes = b""
    trailers: list = field(default_factory=list)
    interim: list = field(default_factory=list)
    # How the body ended: length, chunked, close, none; or cut, when the connection ended before the body did.
    framing: str = "none"

    def values(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def value(self, name):
        values = self.values(name)
        assert len(values) <= 1, f"{name} stands {len(values)} times"
        return values[0] if values else None

    @property
    def method(self):
        return self.start.split(b" ")[0].decode()

    @property
    def target(self):
        return self.start.split(b" ")[1].decode()

    @property
    def status(self):
        return int(self.start.split(b" ")[1])

    @property
    def is_cut(self):
        return self.framing == "cut"


class Wire:
    """A connected socket with a strict reader of HTTP/1.1 messages."""

    def __init__(self, connection, limit=10.0):
        self.socket = connection
        self.socket.settimeout(limit)
        self.buffer = b""
        self.is_reset = False

    def send(self, data):
        self.socket.sendall(data)

    def finish(self):
        """No more bytes from this side."""
        self.socket.shutdown(socket.SHUT_WR)

    def close(self, reset=False):
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def fill(self):
        """Reads more; False at the end."""
        try:
            data = self.socket.recv(262144)
        except ConnectionResetError:
            self.is_reset = True
            return False
        self.buffer += data
        return bool(data)

    def take(self, count):
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def rest(self):
        """Everything until the other side ends."""
        while self.fill():
            pass
        return self.take(len(self.buffer))

    def line(self):
        while b"\r\n" not in self.buffer:
            if not self.fill():
                raise EOFError("the connection ended in a line")
        line = self.take(self.buffer.index(b"\r\n") + 2)[:-2]
        if b"\r" in line or b"\n" in line:
            raise Malformed(f"bare CR or LF in {line!r}")
        return line

    def fields(self):
        fields = []
        while line := self.line():
            name, colon, value = line.partition(b":")
            if not colon or not TOKEN.fullmatch(name):
                raise Malformed(f"field {line!r}")
            value = value.strip(b" \t")
            if re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", value):
                raise Malformed(f"control byte in {line!r}")
            fields.append((name.decode(), value.decode("latin-1")))
        return fields

    def head(self):
        """A start line and fields; None when the connection ends before the first byte."""
        while not self.buffer:
            if not self.fill():
                return None
        start = self.line()
        return Message(start, self.fields())

    def chunks(self, message):
        data = bytearray()
        try:
            while True:
                size = self.line()
                if not re.fullmatch(rb"[0-9A-Fa-f]{1,16}", size):
                    raise Malformed(f"chunk size {size!r}")
                size = int(size, 16)
                if size == 0:
                    message.trailers = self.fields()
                    return
                self.exactly(size, data)
                if self.exactly(2) != b"\r\n":
                    raise Malformed("a chunk does not end with CRLF")
        finally:
            message.body = bytes(data)

    def exactly(self, count, data=None):
        """So many bytes, put behind `data`, where those stay that come before an end too early."""
        data = bytearray() if data is None else data
        begin = len(data)
        while count:
            if not self.buffer and not self.fill():
                raise EOFError("the connection ended in a body")
            piece = self.take(min(count, len(self.buffer)))
            data += piece
            count -= len(piece)
        return bytes(data[begin:])

    def body(self, message, count):
        data = bytearray()
        try:
            self.exactly(count, data)
        finally:
            message.body = bytes(data)

    def request(self):
        """A whole request, or None; raises Malformed for anything that a strict server would refuse."""
        message = self.request_head()
        return message and self.request_body(message)

    def request_head(self):
        message = self.head()
        if message is None:
            return None
        if not re.fullmatch(rb"[A-Z-]+ \S+ HTTP/1\.1", message.start):
            raise Malformed(f"request line {message.start!r}")
        if len(message.values("Host")) != 1:
            raise Malformed(f"{len(message.values('Host'))} Host fields")
        lengths, codings = message.values("Content-Length"), message.values("Transfer-Encoding")
        if len(lengths) > 1 or len(codings) > 1 or (lengths and codings):
            raise Malformed(f"framing by {lengths} and {codings}")
        if lengths and not lengths[0].isdigit() or codings and codings[0] != "chunked":
            raise Malformed(f"framing by {lengths} and {codings}")
        message.framing = "chunked" if codings else "length" if lengths else "none"
        return message

    def request_body(self, message):
        if message.framing == "chunked":
            self.chunks(message)
        elif message.framing == "length":
            self.body(message, int(message.value("Content-Length")))
        return message

    def answer(self, method="GET"):
        """A whole answer behind its interim ones; an end too early shows as `is_cut`, no answer as None."""
        interim = []
        while True:
            try:
                message = self.head()
            except EOFError:
                return Message(b"", [], framing="cut", interim=interim)
            if message is None:
                return None
            if not re.fullmatch(rb"HTTP/1\.1 [1-5][0-9][0-9] [^\r\n]*", message.start):
                raise Malformed(f"status line {message.start!r}")
            if message.status // 100 != 1 or message.status == 101:
                break
            interim.append(message)
        message.interim = interim
        if method == "HEAD" or message.status in (101, 204, 304):
            return message
        lengths, codings = message.values("Content-Length"), message.values("Transfer-Encoding")
        if len(lengths) + len(codings) > 1:
            raise Malformed(f"framing by {lengths} and {codings}")
        try:
            if codings:
                message.framing = "chunked"
                self.chunks(message)
            elif lengths:
                message.framing = "length"
                self.body(message, int(lengths[0]))
            else:
                message.framing = "close"
                message.body = self.rest()
                if self.is_reset:
                    message.framing = "cut"
        except EOFError:
            message.framing = "cut"
        return message

    def ends(self, limit=5.0):
        """Whether the other side ends the connection, without another byte."""
        self.socket.settimeout(limit)
        try:
            return not self.buffer and not self.fill()
        except TimeoutError:
            return False


def connect(port, limit=10.0, host="127.0.0.1", receive_buffer=None):
    connection = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(limit)
    connection.connect((host, port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Wire(connection, limit)


def exchange(port, request, method=None, limit=10.0):
    """One request on a connection of its own."""
    wire = connect(port, limit)
    try:
        wire.send(request)
        return wire.answer(method or request.split(b" ", 1)[0].decode("latin-1"))
    finally:
        wire.close()


OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


class Upstream:
    """A server whose every byte the test says. `answer` is bytes, or a function of (wire, request) that says them; each request
    that came is kept, each breach of the protocol too."""

    def __init__(self, answer=OK):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.open = []
        self.reset()
        self.answer = answer
        threading.Thread(target=self._accept, daemon=True).start()

    def reset(self):
        self.requests = []
        self.violations = []
        self.connections = 0
        self.answer = OK
        # Answers heads before bodies: `answer` reads the body itself.
        self.early = False

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            self.open.append(connection)
            threading.Thread(target=self._serve, args=(Wire(connection, 30),), daemon=True).start()

    def _serve(self, wire):
        try:
            while True:
                request = wire.request_head()
                if request is None:
                    break
                if not self.early:
                    wire.request_body(request)
                self.requests.append(request)
                answer = self.answer
                if callable(answer):
                    if answer(wire, request) is False:
                        break
                else:
                    wire.send(answer)
        except Malformed as error:
            self.violations.append(str(error))
        except (OSError, EOFError):
            pass
        finally:
            try:
                wire.close()
            except OSError:
                pass

    def close(self):
        self.listener.close()
        for connection in self.open:
            connection.close()


# Answers of an upstream


def echo(wire, request):
    """The request's body."""
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(request.body), request.body))


def flood(sent, size=100 << 20):
    """`size` bytes; `sent[0]` says how many have been taken."""

    def answer(wire, request):
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        while sent[0] < size:
            wire.send(b"x" * 65536)
            sent[0] += 65536

    return answer


def events(go, count=5):
    """Events in chunks of their own, each after the first when `go` is released."""

    def answer(wire, request):
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(count):
            wire.send(b"9\r\ndata: %d\n\n\r\n" % number)
            assert go.acquire(timeout=5)
        wire.send(b"0\r\n\r\n")

    return answer


def read_events(client, go, count=5):
    """What `events` sends, one by one: the next is asked for when the last has come."""
    client.head()
    for number in range(count):
        assert int(client.line(), 16) == 9
        assert client.exactly(11) == b"data: %d\n\n\r\n" % number
        go.release()
    assert client.line() == b"0"


def refuse_early(wire, request):
    """413 and the end, whatever of the request still comes."""
    wire.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
    return False


def early_answers(port, chunked, rounds=40):
    """What clients get that send 20 MB to an upstream that answers early: the different statuses, None for no answer."""
    piece = b"x" * 200_000
    block = b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % (100 * len(piece))
    statuses = set()
    for _ in range(rounds):
        client = connect(port)

        def send():
            try:
                client.send(b"POST /up HTTP/1.1\r\nHost: localhost\r\n%s\r\n\r\n" % framing)
                for _ in range(100):
                    client.send(block)
            except OSError:
                pass

        sender = threading.Thread(target=send)
        sender.start()
        answer = client.answer("POST")
        statuses.add(answer and answer.status)
        client.close(reset=True)
        sender.join()
    return statuses
