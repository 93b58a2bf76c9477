"""TLS from clients on the proxy's port: who is let in, what arrives, how it ends."""

import json
import os
import re
import signal
import socket
import ssl
import threading

import httpx
import openai
import pytest
from websockets.sync.client import connect as websocket

from product import memory_bytes, questions, settled, wait_until
from tls import client_context, secure
from wire import Upstream, connect, echo, events, flood, read_events

GET = b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def upstream():
    upstream = Upstream()
    yield upstream
    upstream.close()


@pytest.fixture
def product(start_tls, upstream):
    upstream.reset()
    return start_tls(upstream.url)


def ends_in_order(wire):
    """Whether the end comes by close_notify, without another byte."""
    try:
        return wire.socket.recv(1) == b""
    except ssl.SSLEOFError:
        return False


def counted(product, context, name):
    client = secure(product, context)
    client.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    return int(re.search(rf'^truthtable_{name}_total{{role="edge",place="0"}} (\d+)$', client.answer().body.decode(), re.M)[1])


def open_connections(product):
    """Of clients, whose two sides are both open."""
    rows = [line.split() for line in open("/proc/net/tcp")]
    return len([row for row in rows if row[1].endswith(f":{product.port:04X}") and row[3] == "01"])


# Who is let in


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_requests_over_a_kept_connection(version, product, upstream, authority):
    client = secure(product, client_context(authority, version))
    assert client.socket.selected_alpn_protocol() == "http/1.1"
    for _ in range(5):
        client.send(GET)
        assert client.answer().body == b"ok"
    assert {request.value("X-Forwarded-Proto") for request in upstream.requests} == {"https"}
    assert upstream.violations == []


def test_a_client_without_alpn(product, authority):
    client = secure(product, client_context(authority, protocols=None))
    client.send(GET)
    assert client.answer().body == b"ok"


def test_other_protocols_are_refused_in_the_handshake(product, authority, context):
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        secure(product, client_context(authority, protocols=["h2"]))
    assert secure(product, client_context(authority, protocols=["h2", "http/1.1"])).socket.selected_alpn_protocol() == "http/1.1"
    assert counted(product, context, "tls_failures") == 1


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_old_versions_are_refused(product, authority):
    old = client_context(authority, protocols=None)
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match="(?i)protocol.version"):
        secure(product, old)


@pytest.mark.parametrize("method", [b"GET", b"POST", b"HEAD", b"PUT"])
def test_plain_http_is_told(method, product):
    client = connect(product.port)
    client.send(method + b" / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
    answer = client.answer()
    assert answer.status == 400 and "https://" in json.loads(answer.body)["error"]
    assert client.ends()


@pytest.mark.parametrize("garbage", [b"\0" * 400, b"SSH-2.0-OpenSSH_9.2\r\n", b"\x16\x03\x01\xff\xff" + b"x" * 70000, b"\x16\x03\x01\x00\x05hello", bytes(range(256)) * 64])
def test_garbage_instead_of_a_handshake(garbage, product, context):
    client = connect(product.port)
    try:
        client.send(garbage)
        client.finish()
    except OSError:
        pass
    client.rest()
    assert counted(product, context, "tls_failures") == 1
    assert product.restarts("edge") == 0


def hello(context):
    """The first flight of a client."""
    outgoing = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()


def test_handshakes_that_are_cut(product, context):
    flight = hello(context)
    cuts = [1, 5, 11, 100, len(flight) - 1, len(flight)]
    for reset in (False, True):
        for cut in cuts:
            client = connect(product.port)
            client.send(flight[:cut])
            client.close(reset)
    wait_until(lambda: open_connections(product) == 0, what="no connection left")
    client = secure(product, context)
    client.send(GET)
    assert client.answer().body == b"ok"


def test_a_handshake_has_the_time_of_a_head(start_tls, upstream, context):
    product = start_tls(upstream.url, head_timeout="500ms")
    flight = hello(context)
    clients = [connect(product.port) for _ in range(3)]
    clients[1].send(flight[:20])
    for position in range(0, 60, 3):  # a trickle does not buy time
        try:
            clients[2].send(flight[position:position + 3])
            clients[2].socket.settimeout(0.05)
            if not clients[2].fill():
                break
        except TimeoutError:
            continue
        except OSError:
            break
    else:
        raise AssertionError("a trickle of a handshake went on for a second")
    assert clients[0].ends(2) and clients[1].ends(2)
    assert counted(product, context, "tls_failures") == 3


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_later_connections_resume(version, product, authority):
    context, session = client_context(authority, version), None
    for number in range(4):
        client = secure(product, context, session)
        client.send(GET)
        assert client.answer().body == b"ok"
        assert client.socket.session_reused == (number > 0)
        session = client.socket.session
        client.close()
    assert counted(product, context, "tls_resumptions") == 3


# What arrives


def test_large_bodies(product, upstream, context):
    data = bytes(range(256)) * 80_000

    upstream.answer = echo
    client = secure(product, context, limit=30)
    for head, body in ((b"Content-Length: %d" % len(data), data), (b"Transfer-Encoding: chunked", b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data))):
        client.send(b"POST /big HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n")
        client.send(body)
        assert client.answer("POST").body == data


def test_an_answer_in_chunks(product, upstream, context):
    data = bytes(range(256)) * 4000
    upstream.answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(b"%x\r\n%s\r\n" % (len(data[at:at + 5000]), data[at:at + 5000]) for at in range(0, len(data), 5000)) + b"0\r\n\r\n"
    client = secure(product, context)
    for _ in range(3):
        client.send(GET)
        assert client.answer().body == data


def test_requests_sent_ahead(product, upstream, context):
    """What TLS has read ahead of the exchange at hand is not forgotten: no readiness will tell of it."""
    go = threading.Semaphore(0)

    def answer(wire, request):
        assert go.acquire(timeout=5)
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(request.target), request.target.encode()))

    upstream.answer = answer
    client = secure(product, context)
    client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(3)))  # one record
    for number in range(3, 10):
        client.send(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number)
    for number in range(10):
        go.release()
        assert client.answer().body == b"/%d" % number


def test_a_stream_event_by_event(product, upstream, context):
    go = threading.Semaphore(0)
    upstream.answer = events(go)
    client = secure(product, context)
    client.send(GET)
    read_events(client, go)


def test_a_slow_reader_does_not_grow_the_edge(product, upstream, context):
    sent = [0]
    upstream.answer = flood(sent)
    edge = product.pids("edge")[0]
    before = memory_bytes(edge)
    client = secure(product, context, receive_buffer=65536)
    client.send(GET)
    wait_until(lambda: sent[0] > 0)
    assert settled(lambda: sent[0]) < 32 << 20
    assert memory_bytes(edge) - before < 8 << 20
    assert len(client.exactly(20 << 20)) == 20 << 20
    client.close()


def test_a_slow_upstream_does_not_grow_the_edge(product, upstream, context):
    upstream.early = True
    go = threading.Event()

    def answer(wire, request):
        assert go.wait(20)
        wire.request_body(request)
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    upstream.answer = answer
    edge = product.pids("edge")[0]
    before = memory_bytes(edge)
    client = secure(product, context, limit=20)
    sent, size = [0], 50 << 20

    def send():
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
        while sent[0] < size:
            client.send(b"x" * 65536)
            sent[0] += 65536

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    wait_until(lambda: sent[0] > 0)
    assert settled(lambda: sent[0]) < 32 << 20
    assert memory_bytes(edge) - before < 8 << 20
    go.set()
    assert client.answer("POST").body == b"ok"
    thread.join()


# How it ends


def test_a_last_answer_ends_by_close_notify(product, context):
    client = secure(product, context)
    client.send(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert client.answer().body == b"ok"
    assert ends_in_order(client)


def test_idle_connections_end_by_close_notify(start_tls, upstream, context):
    upstream.reset()
    product = start_tls(upstream.url, keepalive_timeout="300ms")
    client = secure(product, context)
    client.send(GET)
    assert client.answer().body == b"ok"
    assert ends_in_order(client)


@pytest.mark.parametrize("whole", [True, False])
def test_an_answer_that_ends_with_the_connection(whole, product, upstream, context):
    """Its end is close_notify; without one it is cut, and that is how a cut shows."""
    head = b"HTTP/1.1 200 OK\r\n\r\n" if whole else b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"

    def answer(wire, request):
        wire.send(head + b"half")
        return False

    upstream.answer = answer
    client = secure(product, context)
    client.send(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")
    try:
        client.rest()
        in_order = True
    except (ssl.SSLEOFError, OSError):
        in_order = False
    assert in_order == whole and not (whole and client.is_reset)


def test_a_client_that_says_close_notify_is_answered(product, context):
    client = secure(product, context)
    client.send(GET)
    assert client.answer().body == b"ok"
    client.socket = client.socket.unwrap()  # returns once the other side has said it too
    assert client.ends()


@pytest.mark.parametrize("farewell", [True, False])
def test_a_request_that_ends_early_is_no_request(farewell, product, upstream, context):
    """Truncation: neither a FIN nor a close_notify makes half a body a whole one."""
    client = secure(product, context)
    client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
    wait_until(lambda: upstream.connections == 1)
    if farewell:
        client.socket.setblocking(False)
        try:
            client.socket.unwrap()
        except (ssl.SSLWantReadError, OSError):
            pass
    else:
        client.socket.shutdown(socket.SHUT_WR)
    wait_until(lambda: open_connections(product) == 0, what="the client's connection closed")
    assert upstream.requests == []
    client.close()


@pytest.mark.parametrize("asked", [b"", b"GET / HT", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf"])
def test_bytes_that_are_no_records_end_the_connection(asked, product, upstream, context):
    client = secure(product, context)
    if asked:
        client.send(asked)
    with socket.socket(fileno=os.dup(client.socket.fileno())) as plain:
        plain.sendall(b"\x17\x03\x03\x00\x20" + b"forged" * 20)
        wait_until(lambda: open_connections(product) == 0, what="the client's connection closed")
    assert upstream.requests == []
    assert secure(product, context).socket.version() == "TLSv1.3" and product.restarts("edge") == 0


def test_a_client_that_leaves_cancels_its_upstream(product, upstream, context):
    seen = threading.Event()
    gone = threading.Event()

    def answer(wire, request):
        seen.set()
        if not wire.fill():
            gone.set()
        return False

    upstream.answer = answer
    client = secure(product, context)
    client.send(GET)
    assert seen.wait(5)
    client.close()
    assert gone.wait(2)


def test_a_drain_serves_what_is_under_way(product, upstream, context):
    seen = threading.Event()
    go = threading.Event()

    def answer(wire, request):
        seen.set()
        assert go.wait(10)
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    idle, busy = secure(product, context), secure(product, context)
    idle.send(GET)
    assert idle.answer().body == b"ok"
    upstream.answer = answer
    busy.send(GET)
    assert seen.wait(5)
    product.signal(signal.SIGTERM)
    assert ends_in_order(idle)
    go.set()
    assert busy.answer().body == b"ok"
    assert ends_in_order(busy)
    assert product.wait() == 0


# Real clients


def test_the_openai_sdk(start_tls, authority):
    product = start_tls()
    with httpx.Client(verify=client_context(authority)) as http, openai.OpenAI(base_url=f"https://localhost:{product.port}/v1", api_key="sk-test", max_retries=0, http_client=http) as client:
        for question in questions():
            answer = client.chat.completions.create(**question["request"])
            assert answer.choices[0].message.content == question["answer"]
            stream = client.chat.completions.create(**question["request"], stream=True)
            assert "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices) == question["answer"]
    ledger = product.wait_at_rest()
    assert ledger["captured"] == ledger["audited"] == 2 * len(questions())


def test_dashboards(start_tls, authority, context):
    """wss:// on the proxy's port, through to the broadcaster."""
    product = start_tls(test_mode="true")
    for path in ("/ws", "/api/ws"):
        with websocket(f"wss://localhost:{product.port}{path}", ssl=client_context(authority, protocols=None)) as dashboard:
            client = secure(product, context)
            body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "?"}], "test_response": "It is 7 metres long."}).encode()
            client.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            assert client.answer("POST").status == 200
            types = []
            while "audit_complete" not in types:
                types.append(json.loads(dashboard.recv(timeout=10))["type"])
            assert types.index("audit_started") < types.index("audit_complete")
