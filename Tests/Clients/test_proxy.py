"""What reaches the upstream and what comes back, byte by byte (FEATURES P1-P9). Cases are data: who says what, what must arrive."""

import json
import os
import re
import signal
import socket
import threading
import time
from dataclasses import dataclass, field

import pytest

from product import Mock, Product, memory_bytes, memory_holds, settled, stays, wait_until
from wire import OK, Upstream, Wire, connect, exchange

BIG = 20 << 20


@pytest.fixture(scope="module")
def far():
    """The upstream of this file's product."""
    upstream = Upstream()
    yield upstream
    upstream.close()


@pytest.fixture
def upstream(far):
    far.reset()
    yield far
    assert far.violations == [], "the edge sent what no strict server takes"


@pytest.fixture(scope="module")
def product(far):
    product = Product(far.url, upstream_timeout="1s", max_request_body="64MiB", log_level="debug", breaker_faults=0)  # upstreams fail here on purpose
    yield product
    product.end()


@pytest.fixture
def port(product):
    return product.port


# Requests out: what the client says, what the upstream must see.


@dataclass
class Outward:
    name: str
    says: bytes
    start: bytes = b"GET /v1/models HTTP/1.1"
    # Fields that must stand exactly once with this value; None: must be absent.
    fields: dict = field(default_factory=dict)
    body: bytes = b""
    answers: int = 1


def get(*lines, target="/v1/models", version="1.1"):
    return f"GET {target} HTTP/{version}\r\nHost: client.example\r\n{''.join(line + chr(13) + chr(10) for line in lines)}\r\n".encode()


def post(body, *lines, target="/v1/chat/completions"):
    head = f"POST {target} HTTP/1.1\r\nHost: client.example\r\nContent-Length: {len(body)}\r\n" + "".join(f"{line}\r\n" for line in lines)
    return head.encode() + b"\r\n" + body


OUTWARD = [
    Outward("method and path", b"DELETE /v1/files/a%2Fb HTTP/1.1\r\nHost: x\r\n\r\n", start=b"DELETE /v1/files/a%2Fb HTTP/1.1"),
    Outward("an unknown method", b"PURGE /x HTTP/1.1\r\nHost: x\r\n\r\n", start=b"PURGE /x HTTP/1.1"),
    Outward("query as it is", get(target="/s?q=a%20b&c=%26&empty=&&x=1?y"), start=b"GET /s?q=a%20b&c=%26&empty=&&x=1?y HTTP/1.1"),
    Outward("an empty query", get(target="/s?"), start=b"GET /s? HTTP/1.1"),
    Outward("dots in a path", get(target="/a/../b/./c"), start=b"GET /a/../b/./c HTTP/1.1"),
    Outward("double slashes", get(target="//a//b"), start=b"GET //a//b HTTP/1.1"),
    Outward("the absolute form", get(target="http://elsewhere.example/v1/x?y=1"), start=b"GET /v1/x?y=1 HTTP/1.1"),
    Outward("the absolute form without a path", get(target="http://elsewhere.example"), start=b"GET / HTTP/1.1"),
    Outward("OPTIONS of everything", b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", start=b"OPTIONS * HTTP/1.1"),
    Outward("fields and cookies", get("Cookie: a=1; b=2", "X-Custom: Ünïcode", "Authorization: Bearer sk-1", "Accept-Encoding: br"),
            fields={"Cookie": "a=1; b=2", "X-Custom": "Ünïcode".encode().decode("latin-1"), "Authorization": "Bearer sk-1", "Accept-Encoding": "br"}),
    Outward("an empty field", get("X-Empty:"), fields={"X-Empty": ""}),
    Outward("no User-Agent", get(), fields={"User-Agent": "TruthTable-Proxy/1.0", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http"}),
    Outward("the client's User-Agent", get("User-Agent: mine/2"), fields={"User-Agent": "mine/2"}),
    Outward("an empty User-Agent", get("User-Agent:"), fields={"User-Agent": ""}),
    Outward("X-Forwarded-For appended", get("X-Forwarded-For: 192.0.2.7, 198.51.100.1"), fields={"X-Forwarded-For": "192.0.2.7, 198.51.100.1, 127.0.0.1"}),
    Outward("two X-Forwarded-For", get("X-Forwarded-For: 192.0.2.7", "X-Forwarded-For: 192.0.2.8"), fields={"X-Forwarded-For": "192.0.2.7, 192.0.2.8, 127.0.0.1"}),
    Outward("a forged X-Forwarded-Proto", get("X-Forwarded-Proto: https"), fields={"X-Forwarded-Proto": "http"}),
    Outward("hop-by-hop fields", get("Connection: X-Hop, keep-alive", "X-Hop: 1", "Keep-Alive: timeout=5", "Proxy-Authorization: x", "Proxy-Connection: keep-alive", "TE: gzip", "Trailer: X"),
            fields={"X-Hop": None, "Keep-Alive": None, "Proxy-Authorization": None, "Proxy-Connection": None, "TE": None}),
    Outward("an upgrade that is no WebSocket", get("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"),
            fields={"Upgrade": None, "HTTP2-Settings": None}),
    Outward("the client's request id", get("X-Request-ID: my-id.7"), fields={"X-Request-ID": "my-id.7"}),
    Outward("a body of known length", post(b'{"a":1}'), start=b"POST /v1/chat/completions HTTP/1.1", body=b'{"a":1}', fields={"Content-Length": "7", "Transfer-Encoding": None}),
    Outward("an empty body", post(b""), start=b"POST /v1/chat/completions HTTP/1.1", fields={"Content-Length": "0"}),
    Outward("a chunked body", b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n3;ext=\"v\"\r\nabc\r\n00a\r\n0123456789\r\n0\r\nX-Trailer: 1\r\n\r\n",
            start=b"POST /c HTTP/1.1", body=b"abc0123456789", fields={"Transfer-Encoding": "chunked", "Content-Length": None}),
    Outward("an empty chunked body", b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", start=b"POST /c HTTP/1.1", fields={"Transfer-Encoding": "chunked"}),
    Outward("a GET with a body", b"GET /g HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi", start=b"GET /g HTTP/1.1", body=b"hi"),
    Outward("HTTP/1.0", b"GET /old HTTP/1.0\r\n\r\n", start=b"GET /old HTTP/1.1"),
    Outward("an empty line before a request", b"\r\n" + get()),
    Outward("pipelined requests", get(target="/1") + get(target="/2") + post(b"abc", target="/3") + get(target="/4"), start=b"GET /1 HTTP/1.1", answers=4),
]


@pytest.mark.parametrize("case", OUTWARD, ids=lambda case: case.name)
def test_requests_arrive(case, upstream, port):
    client = connect(port)
    client.send(case.says)
    for _ in range(case.answers):
        answer = client.answer()
        assert answer and answer.status == 200 and answer.body == b"ok", answer
    assert len(upstream.requests) == case.answers
    request = upstream.requests[0]
    assert request.start == case.start
    assert request.body == case.body
    assert request.value("Host") == f"127.0.0.1:{upstream.port}"
    for name, value in case.fields.items():
        assert request.value(name) == value, name
    client.close()


def test_pipelined_answers_keep_their_order(upstream, port):
    def answer(wire, request):
        body = request.target.encode()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    upstream.answer = answer
    client = connect(port)
    client.send(b"".join(get(target=f"/{number}") for number in range(50)))
    assert [client.answer().body for _ in range(50)] == [b"/%d" % number for number in range(50)]


def test_a_request_may_come_byte_by_byte(upstream, port):
    client = connect(port)
    for byte in post(b"hello", "X-Slow: 1", target="/slow?a=b"):
        client.send(bytes([byte]))
    assert client.answer().body == b"ok"
    assert upstream.requests[0].body == b"hello"
    assert upstream.requests[0].target == "/slow?a=b"


@pytest.mark.parametrize("base, target, arrives", [
    ("", "/v1/x?y=1", "/v1/x?y=1"), ("/", "/v1/x", "/v1/x"), ("/base", "/v1/x", "/base/v1/x"), ("/base/", "/v1/x?y", "/base/v1/x?y"),
    ("/a/b/", "/", "/a/b/"), ("/base", "//x", "/base//x"),
])
def test_base_paths_are_joined_with_one_slash(base, target, arrives, upstream, start):
    product = start(upstream.url + base)
    assert exchange(product.port, get(target=target)).status == 200
    assert upstream.requests[0].target == arrives
    assert upstream.requests[0].value("Host") == f"127.0.0.1:{upstream.port}"


# Answers back: what the upstream says, what the client must see.


@dataclass
class Inward:
    name: str
    says: bytes
    status: int = 200
    body: bytes = b""
    framing: str = "length"
    fields: dict = field(default_factory=dict)
    asks: bytes = get()
    method: str = "GET"
    # The upstream ends its connection after `says`.
    closes: bool = False
    # The client's connection goes on.
    keeps: bool = True
    interim: list = field(default_factory=list)


def ok(*lines, body=b"ok", status="200 OK"):
    return f"HTTP/1.1 {status}\r\n".encode() + b"".join(line.encode() + b"\r\n" for line in lines) + b"\r\n" + body


INWARD = [
    Inward("a length", ok("Content-Length: 2"), body=b"ok", fields={"Content-Length": "2"}),
    Inward("an error with a body", ok("Content-Length: 4", "Content-Type: application/json", status="429 Slow Down", body=b"{  }"), status=429, body=b"{  }"),
    Inward("an unknown status", ok("Content-Length: 2", status="299 Whatever It Is"), status=299, body=b"ok"),
    Inward("no reason", ok("Content-Length: 2", status="200 "), body=b"ok"),
    Inward("chunks", ok("Transfer-Encoding: chunked", body=b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n"), body=b"abcde", framing="chunked"),
    Inward("no chunks", ok("Transfer-Encoding: chunked", body=b"0\r\n\r\n"), framing="chunked"),
    Inward("until the end", ok("Content-Type: text/plain", body=b"until the end"), body=b"until the end", framing="chunked", closes=True),
    Inward("until the end of HTTP/1.0", b"HTTP/1.0 200 OK\r\n\r\nold", body=b"old", framing="chunked", closes=True),
    Inward("content encoding untouched", ok("Content-Length: 5", "Content-Encoding: gzip", body=b"\x1f\x8b\x00\xff\x00"), body=b"\x1f\x8b\x00\xff\x00", fields={"Content-Encoding": "gzip"}),
    Inward("fields as they are", ok("Content-Length: 2", "ETag: \"a\"", "x-lower: 1", "Set-Cookie: a=1", "Server: upstream/1", "Date: Wed, 25 Nov 2026 00:00:00 GMT"),
           body=b"ok", fields={"ETag": '"a"', "x-lower": "1", "Set-Cookie": "a=1", "Server": "upstream/1", "Date": "Wed, 25 Nov 2026 00:00:00 GMT"}),
    Inward("hop-by-hop fields", ok("Content-Length: 2", "Connection: X-Hop", "X-Hop: 1", "Keep-Alive: timeout=1", "Proxy-Authenticate: Basic", "Upgrade: h2c"),
           body=b"ok", fields={"X-Hop": None, "Keep-Alive": None, "Connection": None, "Upgrade": None}),
    Inward("Connection: close is the upstream's own affair", ok("Content-Length: 2", "Connection: close"), body=b"ok", closes=True, fields={"Connection": None}),
    Inward("HEAD", ok("Content-Length: 1234", body=b""), asks=b"HEAD /h HTTP/1.1\r\nHost: x\r\n\r\n", method="HEAD", framing="none", fields={"Content-Length": "1234"}),
    Inward("HEAD of chunks", ok("Transfer-Encoding: chunked", body=b""), asks=b"HEAD /h HTTP/1.1\r\nHost: x\r\n\r\n", method="HEAD", framing="none"),
    Inward("204", ok(status="204 No Content", body=b""), status=204, framing="none", fields={"Content-Length": None, "Transfer-Encoding": None}),
    Inward("304", ok("ETag: \"a\"", "Content-Length: 99", status="304 Not Modified", body=b""), status=304, framing="none", fields={"ETag": '"a"'}),
    Inward("an empty body", ok("Content-Length: 0", body=b""), fields={"Content-Length": "0"}),
    Inward("early hints", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok("Content-Length: 2"), body=b"ok", interim=[103]),
    Inward("several interim answers", b"HTTP/1.1 102 Processing\r\n\r\n" * 3 + ok("Content-Length: 2"), body=b"ok", interim=[102] * 3),
    Inward("an HTTP/1.0 client gets no chunks", ok("Transfer-Encoding: chunked", body=b"3\r\nabc\r\n0\r\n\r\n"), asks=b"GET /o HTTP/1.0\r\n\r\n", body=b"abc", framing="close", keeps=False),
    Inward("an HTTP/1.0 client gets no interim answers", b"HTTP/1.1 103 Early Hints\r\n\r\n" + ok("Content-Length: 2"), asks=b"GET /o HTTP/1.0\r\n\r\n", body=b"ok", keeps=False),
    Inward("an HTTP/1.0 client that keeps its connection", ok("Content-Length: 2"), asks=b"GET /o HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", body=b"ok", fields={"Connection": "keep-alive"}),
    Inward("a client that closes", ok("Content-Length: 2"), asks=get("Connection: close"), body=b"ok", keeps=False, fields={"Connection": "close"}),
]


@pytest.mark.parametrize("case", INWARD, ids=lambda case: case.name)
def test_answers_arrive(case, upstream, port):
    def answer(wire, request):
        wire.send(case.says)
        return not case.closes

    upstream.answer = answer
    client = connect(port)
    client.send(case.asks)
    answer = client.answer(case.method)
    assert answer.status == case.status
    assert answer.framing == case.framing
    assert answer.body == case.body
    assert [interim.status for interim in answer.interim] == case.interim
    for name, value in case.fields.items():
        assert answer.value(name) == value, name
    assert re.fullmatch(r"req_[0-9a-f]{24}", answer.value("X-TruthTable-Request-ID"))
    assert answer.value("X-Request-ID") == answer.value("X-TruthTable-Request-ID") == upstream.requests[0].value("X-Request-ID")
    if case.keeps:
        upstream.answer = OK
        client.send(get(target="/next"))
        assert client.answer().body == b"ok"
    else:
        assert client.ends()


def test_several_cookies_are_several_fields(upstream, port):
    upstream.answer = ok("Content-Length: 2", "Set-Cookie: a=1", "Set-Cookie: b=2")
    assert exchange(port, get()).values("Set-Cookie") == ["a=1", "b=2"]


def test_the_upstreams_own_request_id_is_kept(upstream, port):
    upstream.answer = ok("Content-Length: 2", "X-Request-ID: theirs")
    answer = exchange(port, get("X-Request-ID: mine"))
    assert answer.value("X-Request-ID") == "theirs"
    assert answer.value("X-TruthTable-Request-ID") == "mine"


@pytest.mark.parametrize("forged", ["a b", "x" * 65, "a\"b", "ünï", "<script>"])
def test_request_ids_that_could_do_harm_are_replaced(forged, upstream, port):
    answer = exchange(port, get(f"X-Request-ID: {forged}"))
    assert answer.value("X-TruthTable-Request-ID").startswith("req_")
    assert upstream.requests[0].value("X-Request-ID").startswith("req_")


# Time: bytes go on at once, in both directions.


def test_streams_are_not_held_back(upstream, port):
    """Each event is seen before the next one is said."""
    go = threading.Semaphore(0)

    def answer(wire, request):
        wire.send(ok("Content-Type: text/event-stream", "Transfer-Encoding: chunked", body=b""))
        for number in range(5):
            data = b"data: %d\n\n" % number
            wire.send(b"%x\r\n%s\r\n" % (len(data), data))
            assert go.acquire(timeout=5)
        wire.send(b"0\r\n\r\n")

    upstream.answer = answer
    client = connect(port)
    client.send(get())
    head = client.head()
    assert head.value("Content-Type") == "text/event-stream"
    for number in range(5):
        size = int(client.line(), 16)
        assert client.exactly(size) == b"data: %d\n\n" % number
        assert client.exactly(2) == b"\r\n"
        go.release()
    assert client.line() == b"0"


def test_request_bodies_are_not_held_back(upstream, port):
    seen = []

    def answer(wire, request):
        for _ in range(3):
            seen.append(wire.exactly(4))
        wire.send(OK)

    upstream.early = True
    upstream.answer = answer
    client = connect(port)
    client.send(b"POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n")
    for number in range(3):
        client.send(b"%04d" % number)
        wait_until(lambda: len(seen) > number, 2, "a part of the body at the upstream")
    assert client.answer().body == b"ok"


def test_100_continue_comes_from_the_upstream(upstream, port):
    def answer(wire, request):
        assert request.value("Expect") == "100-continue"
        assert not wire.buffer
        wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        wire.request_body(request)
        wire.send(OK)

    upstream.early = True
    upstream.answer = answer
    client = connect(port)
    client.send(b"POST /e HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    assert client.head().status == 100
    client.send(b"hello")
    assert client.answer().body == b"ok"
    assert upstream.requests[0].body == b"hello"


def test_a_refused_expectation_needs_no_body(upstream, port):
    upstream.early = True
    upstream.answer = ok("Content-Length: 2", "Connection: close", status="413 Too Large", body=b"no")
    client = connect(port)
    client.send(b"POST /e HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    answer = client.answer()
    assert (answer.status, answer.body) == (413, b"no")
    assert client.ends()


def test_an_answer_before_the_end_of_its_request(upstream, port):
    def answer(wire, request):
        wire.send(ok("Content-Length: 2", "Connection: close", status="400 Bad Request", body=b"no"))
        return False

    upstream.early = True
    upstream.answer = answer
    client = connect(port)
    client.send(b"POST /e HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000)
    answer = client.answer()
    assert (answer.status, answer.body) == (400, b"no")


# Size.


def test_large_bodies_both_ways(upstream, port):
    data = os.urandom(1 << 20) * (BIG >> 20)

    def answer(wire, request):
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(request.body) + request.body)

    upstream.answer = answer
    answer = _sending(port, post(data), limit=30)
    assert len(answer.body) == BIG and answer.body == data


def test_large_chunked_bodies_both_ways(upstream, start):
    port = start(upstream.url).port  # with the usual time limits: the upstream here is slow to read
    data = os.urandom(1 << 16) * (BIG >> 16)

    def answer(wire, request):
        wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for at in range(0, len(request.body), 99_999):
            piece = request.body[at : at + 99_999]
            wire.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        wire.send(b"0\r\n\r\n")

    upstream.answer = answer
    chunks = b"".join(b"%X\r\n%s\r\n" % (len(data[at : at + 77_777]), data[at : at + 77_777]) for at in range(0, BIG, 77_777))
    answer = _sending(port, b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n", limit=30)
    assert answer.body == data


def _sending(port, request, limit):
    """Sends and reads at the same time."""
    client = connect(port, limit)

    def send():
        try:
            client.send(request)
        except OSError:
            pass

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    answer = client.answer("POST")
    thread.join(limit)
    client.close()
    return answer


def test_a_slow_reader_does_not_grow_the_edge(upstream, product):
    total = 200 << 20
    sent = [0]
    piece = b"x" * 65536

    def answer(wire, request):
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % total)
        while sent[0] < total:
            wire.send(piece)
            sent[0] += len(piece)

    upstream.answer = answer
    edge = product.pids("edge")[0]
    before = memory_bytes(edge)
    client = connect(product.port, receive_buffer=65536)
    client.send(get())
    wait_until(lambda: sent[0] > 0)
    held = settled(lambda: sent[0])
    assert held < 32 << 20, "the upstream was read although nobody took its answer"
    assert memory_bytes(edge) - before < 8 << 20
    got = len(client.exactly(32 << 20))
    wait_until(lambda: sent[0] > held, what="the stream going on")
    assert got == 32 << 20
    client.close()


def test_a_slow_upstream_does_not_grow_the_edge(upstream, product):
    """An upstream that takes nothing holds the client up."""
    stop = threading.Event()
    upstream.early = True
    upstream.answer = lambda wire, request: stop.wait(10) and False
    edge = product.pids("edge")[0]
    before = memory_bytes(edge)
    client = connect(product.port)
    client.send(b"POST /s HTTP/1.1\r\nHost: x\r\nContent-Length: 60000000\r\n\r\n")
    client.socket.settimeout(0.4)
    sent = 0
    with pytest.raises((TimeoutError, ConnectionError)):
        while sent < 60_000_000:
            sent += client.socket.send(b"x" * 65536)
    assert sent < 32 << 20
    assert memory_bytes(edge) - before < 8 << 20
    stop.set()
    client.close()


def test_requests_sent_ahead_by_a_client_that_reads_nothing_do_not_grow_the_edge(upstream, product):
    upstream.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + b"x" * 60_000
    edge = product.pids("edge")[0]
    before = memory_bytes(edge)
    client = connect(product.port, receive_buffer=4096)
    client.send(get() * 2000)
    served = settled(lambda: len(upstream.requests))
    assert served < 200
    assert memory_bytes(edge) - before < 8 << 20
    client.socket.settimeout(20)
    for _ in range(500):
        assert len(client.answer().body) == 60_000
    client.close()


def test_a_slow_upload_is_not_the_upstreams_fault(upstream, port):
    """The upstream's time runs from the request's end; here it is 1 s, and the upload takes longer."""
    pause = threading.Event()
    client = connect(port)
    client.send(b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n")
    for _ in range(5):
        pause.wait(0.5)
        client.send(b"x" * 10)
    answer = client.answer("POST")
    assert (answer.status, answer.body) == (200, b"ok")
    assert [request.body for request in upstream.requests if request.start.startswith(b"POST /slow ")] == [b"x" * 50]


def test_a_slow_upload_over_a_used_connection(upstream, port):
    assert exchange(port, get()).status == 200
    pause = threading.Event()
    client = connect(port)
    client.send(b"POST /slow HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(5):
        pause.wait(0.5)
        client.send(b"1\r\nx\r\n")
    client.send(b"0\r\n\r\n")
    assert client.answer("POST").status == 200


def test_an_upstream_that_takes_no_body_is_timed_out(upstream, port):
    """It is the upstream that keeps the client from sending on."""
    stop = threading.Event()
    upstream.early = True
    upstream.answer = lambda wire, request: stop.wait(10) and False
    began = time.monotonic()
    answer = _sending(port, b"POST /s HTTP/1.1\r\nHost: x\r\nContent-Length: 60000000\r\n\r\n" + b"x" * 60_000_000, limit=10)
    stop.set()
    assert answer is None or answer.status in (502, 504)
    assert 0.8 < time.monotonic() - began < 4


def test_an_expectation_that_the_upstream_ignores_is_timed_out(upstream, port):
    stop = threading.Event()
    upstream.early = True
    upstream.answer = lambda wire, request: stop.wait(10) and False
    client = connect(port)
    client.send(b"POST /e HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    assert client.answer().status in (502, 504)
    stop.set()


def test_connections_beyond_the_limit_wait(start, upstream):
    product = start(upstream.url, max_connections=10)
    first = [connect(product.port) for _ in range(10)]
    for client in first:
        client.send(get())
        assert client.answer().status == 200
    late = [connect(product.port) for _ in range(10)]
    for client in late:
        client.send(get())
    for client in first:
        client.close()
    assert all(client.answer().status == 200 for client in late)


@pytest.mark.parametrize("piece", [2_000, 4_000])
def test_an_upload_to_an_upstream_that_takes_it_bit_by_bit(piece, start):
    """The client is held up and let go on again, as often as it takes."""
    slow = Upstream()
    slow.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2 * piece)
    slow.listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1000)  # as on a real network: the kernel takes little at once
    slow.early = True
    size = 3_000_000
    taken = []

    def answer(wire, request):
        left = size - len(wire.buffer)
        pause = threading.Event()
        pause.wait(0.3)
        while left:
            data = wire.socket.recv(min(piece, left))
            left -= len(data)
            taken.append(len(data))
            if len(taken) % 10 == 0:
                pause.wait(0.002)
        wire.send(OK)

    slow.answer = answer
    product = start(slow.url)
    answer = _sending(product.port, b"POST /s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size, limit=8)
    assert answer is not None and answer.status == 200, f"it stopped at {sum(taken)} of {size} bytes"
    slow.close()


# Ends and failures.


def test_a_client_that_leaves_reaches_the_upstream_within_a_second(upstream, port):
    seen = {}

    def answer(wire, request):
        wire.send(ok("Content-Type: text/event-stream", "Transfer-Encoding: chunked", body=b"3\r\nabc\r\n"))
        seen["began"] = True
        wire.rest()
        seen["ended"] = time.monotonic()
        return False

    upstream.answer = answer
    for reset in (False, True):
        seen.clear()
        client = connect(port)
        client.send(get())
        client.head()
        wait_until(lambda: "began" in seen)
        left = time.monotonic()
        client.close(reset=reset)
        wait_until(lambda: "ended" in seen, 2, "the upstream's connection ended")
        assert seen["ended"] - left < 1.0


def test_a_client_that_leaves_together_with_its_request(upstream, product):
    """Request and end may be read at once."""
    ended = []

    def answer(wire, request):
        wire.rest()
        ended.append(time.monotonic())
        return False

    upstream.answer = answer
    edge = product.pids("edge")[0]
    for count in range(1, 4):
        os.kill(edge, signal.SIGSTOP)
        client = connect(product.port)
        client.send(get())
        client.close()
        os.kill(edge, signal.SIGCONT)
        went = time.monotonic()
        # Either it never reached the upstream, or the upstream knows soon.
        wait_until(lambda: len(ended) >= len(upstream.requests) and time.monotonic() - went > 0.2, 0.9, "the upstream's connection ended")


@pytest.mark.parametrize("part", [b"GET", b"GET / HTTP/1.1\r\nHo", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab"])
def test_half_a_request_and_the_end(part, upstream, product):
    """Nothing is waited for that cannot come."""
    client = connect(product.port)
    client.send(part)
    client.finish()
    began = time.monotonic()
    client.rest()
    assert time.monotonic() - began < 5  # the head's time limit is ten seconds


def test_a_client_that_leaves_before_the_answer_reaches_the_upstream(upstream, port):
    ended = threading.Event()

    def answer(wire, request):
        wire.rest()
        ended.set()
        return False

    upstream.answer = answer
    client = connect(port)
    client.send(get())
    wait_until(lambda: upstream.requests)
    client.close()
    assert ended.wait(1.0)


CUTS = {
    "a length": ok("Content-Length: 100", body=b"only a part"),
    "a chunk": ok("Transfer-Encoding: chunked", body=b"64\r\nonly a part"),
    "between chunks": ok("Transfer-Encoding: chunked", body=b"3\r\nabc\r\n"),
    "a stream": ok("Content-Type: text/event-stream", "Transfer-Encoding: chunked", body=b"9\r\ndata: 1\n\n\r\n"),
    "a bad chunk size": ok("Transfer-Encoding: chunked", body=b"3\r\nabc\r\nxyz\r\n"),
    "a chunk without its end": ok("Transfer-Encoding: chunked", body=b"3\r\nabcdef\r\n0\r\n\r\n"),
}


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("name", CUTS)
def test_a_cut_answer_shows_as_cut(name, version, reset, upstream, port):
    def answer(wire, request):
        wire.send(CUTS[name])
        if reset:
            assert cut.wait(5)
            wire.close(reset=True)
        return False

    cut = threading.Event()
    upstream.answer = answer
    client = connect(port)
    client.send(get("Connection: close", version=version))
    client.fill()
    cut.set()
    answer = client.answer()
    assert answer.is_cut, f"the client took {answer.body!r} for a whole answer"


def test_a_cut_answer_is_audited_as_cut_and_booked_once(upstream, product):
    upstream.answer = lambda wire, request: wire.send(ok("Content-Type: application/json", "Content-Length: 100", body=b'{"response": "Half')) or False
    before = product.wait_at_rest()["captured"]
    assert exchange(product.port, get()).is_cut
    assert product.wait_at_rest()["captured"] == before + 1


BROKEN_HEADS = {
    "nothing": b"",
    "a line that is no status line": b"hello\r\n\r\n",
    "garbage": bytes(range(256)),
    "HTTP/2": b"HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "two lengths": ok("Content-Length: 2", "Content-Length: 3"),
    "two equal lengths": ok("Content-Length: 2", "Content-Length: 2"),
    "a list of lengths": ok("Content-Length: 2, 2"),
    "a bare CR": b"HTTP/1.1 200 OK\r\nX-A: 1\r2\r\nContent-Length: 2\r\n\r\nok",
    "a length and chunks": ok("Content-Length: 2", "Transfer-Encoding: chunked"),
    "a negative length": ok("Content-Length: -2"),
    "a bare LF": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "a fold": b"HTTP/1.1 200 OK\r\nX-A: 1\r\n folded\r\nContent-Length: 2\r\n\r\nok",
    "a space before the colon": b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
    "a NUL": b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 2\r\n\r\nok",
    "an endless head": b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"a" * 300_000,
    "a thousand fields": b"HTTP/1.1 200 OK\r\n" + b"X-A: 1\r\n" * 1000 + b"\r\n",
    "101 that nobody asked for": b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "gzip as transfer coding": ok("Transfer-Encoding: gzip, chunked"),
}


@pytest.mark.parametrize("name", BROKEN_HEADS)
def test_a_broken_upstream_is_a_502(name, upstream, product):
    upstream.answer = lambda wire, request: wire.send(BROKEN_HEADS[name]) or False
    client = connect(product.port)
    client.send(post(b"{}", target="/broken"))
    answer = client.answer("POST")
    assert (answer.status, answer.body) == (502, b'{"error":"upstream unavailable"}')
    assert answer.value("Content-Type") == "application/json"
    request_id = answer.value("X-TruthTable-Request-ID")
    line = product.wait_logged("Upstream failed", request_id)
    assert "cause=" in line
    # The client's connection goes on.
    upstream.answer = OK
    client.send(get())
    assert client.answer().body == b"ok"


def test_the_log_of_a_failure_names_the_path(upstream, product):
    """FEATURES P7."""
    upstream.answer = b"nonsense\r\n\r\n"
    answer = exchange(product.port, get(target="/v1/some/path?api_key=canary-in-query"))
    request_id = answer.value("X-TruthTable-Request-ID")
    line = product.wait_logged("Upstream failed", request_id)
    assert "/v1/some/path" in line
    assert "canary-in-query" not in product.log


def test_a_reset_upstream_is_a_502(upstream, port):
    upstream.answer = lambda wire, request: wire.close(reset=True) or False
    answer = exchange(port, post(b"{}"))
    assert (answer.status, answer.body) == (502, b'{"error":"upstream unavailable"}')


def test_a_refused_upstream_is_a_502(start):
    with socket.socket() as taken:  # bound and not listening: nobody else gets this port
        taken.bind(("127.0.0.1", 0))
        product = start(f"http://127.0.0.1:{taken.getsockname()[1]}")
        answer = exchange(product.port, post(b"{}"))
    assert (answer.status, json.loads(answer.body)) == (502, {"error": "upstream unavailable"})
    product.wait_logged("Upstream failed", "refused")


def test_an_upstream_without_a_name_is_a_502(start):
    product = start("http://nowhere.invalid")
    answer = exchange(product.port, post(b"{}"), limit=20)
    assert (answer.status, json.loads(answer.body)) == (502, {"error": "upstream unavailable"})
    product.wait_logged("Upstream failed", "nowhere.invalid")


def test_no_first_byte_in_time_is_a_502(upstream, port):
    stop = threading.Event()
    upstream.answer = lambda wire, request: stop.wait(10) and False
    began = time.monotonic()
    answer = exchange(port, post(b"{}"))
    stop.set()
    assert answer.status in (502, 504)
    assert 0.8 < time.monotonic() - began < 3


def test_a_stream_that_stalls_is_cut(upstream, port):
    stop = threading.Event()

    def answer(wire, request):
        wire.send(ok("Transfer-Encoding: chunked", body=b"3\r\nabc\r\n"))
        stop.wait(10)
        return False

    upstream.answer = answer
    answer = exchange(port, get())
    stop.set()
    assert answer.is_cut and answer.body == b"abc"


def test_a_slow_stream_is_not_cut(upstream, port):
    """The time limit is for each pause, not for the whole answer."""
    pause = threading.Event()

    def answer(wire, request):
        wire.send(ok("Transfer-Encoding: chunked", body=b""))
        for _ in range(5):
            pause.wait(0.5)
            wire.send(b"1\r\nx\r\n")
        wire.send(b"0\r\n\r\n")

    upstream.answer = answer
    assert exchange(port, get()).body == b"xxxxx"


def test_idle_connections_to_the_upstream_are_used_again(upstream, port):
    for _ in range(10):
        assert exchange(port, get()).status == 200
    assert upstream.connections <= 2


def test_connections_that_the_upstream_ended_are_not_used_again(upstream, port):
    ended = threading.Event()

    def answer(wire, request):
        wire.send(OK)
        wire.close()
        ended.set()
        return False

    upstream.answer = answer
    client = connect(port)
    for _ in range(50):
        client.send(post(b"{}"))
        answer = client.answer("POST")
        assert answer.status == 200, answer.body
        assert ended.wait(5)
        ended.clear()


def test_an_unanswered_request_on_a_used_connection(upstream, port):
    """The upstream ends an idle connection just as the next request comes: a GET is repeated, once, a POST is not."""
    count = [0]

    def answer(wire, request):
        count[0] += 1
        if count[0] % 2 == 0:
            return False
        wire.send(OK)

    upstream.answer = answer
    client = connect(port)
    client.send(get())
    assert client.answer().status == 200
    client.send(get())
    assert client.answer().status == 200
    assert count[0] == 3
    upstream.reset()
    count[0] = 0
    upstream.answer = answer
    client = connect(port)
    client.send(get())
    assert client.answer().status == 200
    client.send(post(b"{}"))
    assert client.answer("POST").status in (200, 502)
    assert [request.method for request in upstream.requests].count("POST") == 1, "a POST was sent twice"


# Requests that are not HTTP: refused, closed, and never seen by the upstream.

REFUSED = {
    "no version": (b"GET /\r\n\r\n", 400),
    "HTTP/2": (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
    "HTTP/1.1 misspelled": (b"GET / HTTQ/1.1\r\nHost: x\r\n\r\n", 400),
    "two spaces": (b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a tab": (b"GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a space in the target": (b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a method that is no token": (b"G(T / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a target without a slash": (b"GET index.html HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a fragment": (b"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "CONNECT": (b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n", 501),
    "no Host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two Hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "a bad Host": (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    "a bare LF": (b"GET / HTTP/1.1\nHost: x\n\n", 400),
    "a bare LF in fields": (b"GET / HTTP/1.1\r\nHost: x\nX-A: 1\r\n\r\n", 400),
    "a bare CR in fields": (b"GET / HTTP/1.1\r\nHost: x\r\nX-A: 1\r2\r\n\r\n", 400),
    "a NUL": (b"GET / HTTP/1.1\r\nHost: x\r\nX-A: 1\x002\r\n\r\n", 400),
    "a fold": (b"GET / HTTP/1.1\r\nHost: x\r\nX-A: 1\r\n 2\r\n\r\n", 400),
    "a space before the colon": (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n\r\nhello", 400),
    "no colon": (b"GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n", 400),
    "an empty name": (b"GET / HTTP/1.1\r\nHost: x\r\n: v\r\n\r\n", 400),
    "a name that is no token": (b"GET / HTTP/1.1\r\nHost: x\r\nX[A]: v\r\n\r\n", 400),
    "length and chunks": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "two lengths": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
    "two equal lengths": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
    "an empty Host": (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
    "two equal Hosts": (b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400),
    "a list of lengths": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5\r\n\r\nhello", 400),
    "a signed length": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello", 400),
    "a hexadecimal length": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x5\r\n\r\nhello", 400),
    "a length beyond 64 bits": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551616\r\n\r\n", 400),
    "gzip as transfer coding": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    "chunked twice": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 501),
    "chunked with a tail": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked;x\r\n\r\n0\r\n\r\n", 501),
    "chunked in HTTP/1.0": (b"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "an unknown expectation": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: miracles\r\n\r\nx", 417),
    "Connection names Host": (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Host\r\n\r\n", 400),
    "a target too long": (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    "a head too long": (b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 70_000 + b"\r\n\r\n", 431),
    "too many fields": (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-A: 1\r\n" * 101 + b"\r\n", 431),
    "TLS to a plain port": (bytes.fromhex("16030100c8010000c40303") + bytes(range(120)), 400),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", None),
}


@pytest.mark.parametrize("name", REFUSED)
def test_malformed_requests_are_refused(name, upstream, port):
    request, status = REFUSED[name]
    client = connect(port)
    client.send(request + get(target="/smuggled"))
    answer = client.answer()
    assert answer is not None, "closed without a word"
    if status:
        assert answer.status == status, answer.body
    assert 400 <= answer.status < 600
    assert "error" in json.loads(answer.body)
    assert answer.value("Connection") == "close"
    assert client.ends()
    assert upstream.requests == [] and upstream.connections == 0


BAD_CHUNKS = {
    "no number": b"xyz\r\nabc\r\n0\r\n\r\n",
    "a sign": b"+3\r\nabc\r\n0\r\n\r\n",
    "0x": b"0x3\r\nabc\r\n0\r\n\r\n",
    "a size beyond 64 bits": b"10000000000000003\r\nabc\r\n0\r\n\r\n",
    "a bare LF": b"3\nabc\r\n0\r\n\r\n",
    "too long": b"3\r\nabcdef\r\n0\r\n\r\n",
    "an endless extension": b"3;" + b"a" * 100_000,
    "endless trailers": b"0\r\n" + b"X-A: " + b"a" * 200_000,
}


@pytest.mark.parametrize("name", BAD_CHUNKS)
def test_malformed_chunks_are_refused(name, upstream, port):
    client = connect(port)
    client.send(b"POST /chunks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    try:
        client.send(BAD_CHUNKS[name] + get(target="/smuggled"))
    except ConnectionError:
        pass
    answer = client.answer()
    if answer is not None:  # a reset may overtake it
        assert answer.status in (400, 431), answer.body
    assert all(request.target != "/smuggled" for request in upstream.requests)
    assert all(request.target != "/chunks" for request in upstream.requests), "the request was completed for the upstream"


def test_a_body_over_the_limit_is_refused(upstream, port):
    client = connect(port)
    client.send(b"POST /big HTTP/1.1\r\nHost: x\r\nContent-Length: 64000001000\r\n\r\n")
    answer = client.answer()
    assert answer.status == 413 and client.ends()
    assert upstream.requests == []


def test_a_head_that_never_ends_is_timed_out(start, upstream):
    product = start(upstream.url, head_timeout="300ms")
    client = connect(product.port)
    client.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-A")
    assert client.answer().status == 408
    assert client.ends()
    silent = connect(product.port)
    assert silent.ends(), "a connection without a request stays open"
    assert upstream.requests == []


def test_an_idle_connection_outlives_the_head_timeout(start, upstream):
    product = start(upstream.url, head_timeout="300ms", keepalive_timeout="5s")
    client = connect(product.port)
    client.send(get())
    assert client.answer().status == 200
    stays(lambda: True, 0.8)
    client.send(get())
    assert client.answer().status == 200


def test_ipv6(start, upstream):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    product = start(upstream.url, host="::1")
    client = connect(product.port, host="::1")
    client.send(get())
    assert client.answer().status == 200
    assert upstream.requests[0].value("X-Forwarded-For") == "::1"
    client.send(b"GET /stats HTTP/1.1\r\nHost: [::1]:%d\r\n\r\n" % product.port)
    assert client.answer().status == 200


# Secrets.


def test_secrets_are_seen_by_the_upstream_only(mock, start, tmp_path):
    canary = "canary" + os.urandom(8).hex()
    access_log = tmp_path / "access.log"
    product = start(mock.url, log_level="debug", access_log=access_log, redact_names="zebra,user-agent")
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "How long is the Kestrel Footbridge?"}]}).encode()
    fields = [f"Authorization: Bearer {canary}-1", f"Cookie: s={canary}-2", f"X-Api-Key: {canary}-3", f"X-Goog-Signature: {canary}-4", f"api-secret: {canary}-5", f"X-Zebra-Id: {canary}-10", f"User-Agent: {canary}-11"]
    query = f"?api_key={canary}-6&key={canary}-7&access_token={canary}-8&X-Amz-Signature={canary}-9&ap%69_k%65y={canary}-12;x=1&a=1;token={canary}-13&zEbra={canary}-14"
    seen = []
    from websockets.sync.client import connect as dashboard

    with dashboard(product.ws_url) as events, dashboard(f"ws://127.0.0.1:{product.port}/ws") as more:
        answer = exchange(product.port, post(body, *fields, "Content-Type: application/json", target=f"/v1/chat/completions{query}"))
        assert answer.status == 200
        request_id = answer.value("X-TruthTable-Request-ID")
        for source in (events, more):
            while True:
                message = source.recv(timeout=10)
                seen.append(message)
                if request_id in message and ("audit_result" in message or "audit_complete" in message):
                    break
    # A failing upstream, a refused request: what is said of them names no secret either.
    product.wait_at_rest()
    exchange(product.port, f"GET /x{query} HTTP/1.1\r\nHost: x\r\nAuthorization: {canary} : \0\r\n\r\n".encode())
    exchange(product.port, get(f"Authorization: Bearer {canary}", "X-Mock-Fail: refuse", target=f"/v1/x{query}"))
    exchange(product.port, get(f"Authorization: Bearer {canary}", target=f"/stats?token={canary}"))
    shown = {
        "events": "".join(seen), "log": product.log, "status": json.dumps(product.status()), "stats": json.dumps(product.stats()),
        "metrics": product.metrics(), "access log": access_log.read_text(), "status text": product.command("status").stdout,
    }
    assert request_id in shown["access log"]
    shown["page"] = exchange(product.ws_port, f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{product.ws_port}\r\nConnection: close\r\n\r\n".encode()).body.decode()
    for root, _, names in os.walk(product.directory):
        for path in (os.path.join(root, name) for name in names):
            if os.path.isfile(path):
                with open(path, errors="replace") as file:
                    shown[path] = file.read()
    for place, text in shown.items():
        assert canary not in text, f"a secret shows in the {place}"
    for role in ("dispatcher", "auditor", "broadcaster", "supervisor"):
        for pid in product.processes(role) and [process["pid"] for process in product.processes(role)] or []:
            assert not memory_holds(pid, canary.encode()), f"a secret is in the memory of the {role}"


# WebSockets of the upstream.


def test_an_upstreams_websocket_is_tunnelled(upstream, port):
    def answer(wire, request):
        assert request.value("Upgrade") == "websocket"
        assert request.value("Connection") == "Upgrade"
        assert request.value("Sec-WebSocket-Key") == "dGhlIHNhbXBsZSBub25jZQ=="
        wire.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\nfirst")
        while True:
            if not wire.fill():
                return False
            wire.send(wire.take(len(wire.buffer))[::-1])

    upstream.answer = answer
    client = connect(port)
    client.send(get("Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", target="/v1/realtime?model=x") + b"early")
    head = client.answer()
    assert head.status == 101 and head.value("Sec-WebSocket-Accept") == "x"
    assert client.exactly(5) == b"first"
    assert client.exactly(5) == b"early"[::-1]
    for size in (1, 1000, 200_000):
        data = os.urandom(size)
        client.send(data)
        got = client.exactly(size)
        assert sorted(got) == sorted(data)
    client.finish()
    assert client.ends()


def test_a_tunnel_outlives_the_time_limits(upstream, port):
    def answer(wire, request):
        wire.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        wire.fill()
        wire.send(b"late " + wire.take(len(wire.buffer)))
        return False

    upstream.answer = answer
    client = connect(port)
    client.send(get("Connection: Upgrade", "Upgrade: websocket"))
    assert client.answer().status == 101
    stays(lambda: True, 1.5)
    client.send(b"hello")
    assert client.exactly(10) == b"late hello"
    assert client.ends()


def test_a_refused_upgrade_is_a_plain_answer(upstream, port):
    upstream.answer = ok("Content-Length: 2", status="400 Bad Request", body=b"no")
    client = connect(port)
    client.send(get("Connection: Upgrade", "Upgrade: websocket"))
    answer = client.answer()
    assert (answer.status, answer.body) == (400, b"no")


# What is audited (P5, P6).


@pytest.mark.parametrize("status, content_type, audited", [
    ("200 OK", "application/json", True), ("201 Created", "Application/JSON; charset=utf-8", True), ("200 OK", "text/event-stream", True),
    ("200 OK", "application/x-ndjson", True), ("200 OK", "text/html", False), ("200 OK", "text/plain", False), ("404 Not Found", "application/json", False),
    ("500 Internal Server Error", "application/json", False), ("302 Found", "application/json", False),
])
def test_what_is_captured(status, content_type, audited, upstream, product):
    upstream.answer = ok("Content-Length: 2", f"Content-Type: {content_type}", status=status, body=b"{}")
    before = product.wait_at_rest()["captured"]
    assert exchange(product.port, post(b"{}")).body == b"{}"
    assert product.wait_at_rest()["captured"] == before + audited


def test_many_connections_at_once(upstream, product):
    clients = [connect(product.port) for _ in range(300)]
    for number, client in enumerate(clients):
        client.send(get(target=f"/{number}"))
    assert all(client.answer().body == b"ok" for client in clients)
    for client in clients:
        client.close()
