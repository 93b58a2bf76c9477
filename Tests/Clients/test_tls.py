"""An upstream behind TLS: certificates and names are checked, bytes arrive as without it (FEATURES T2, DESIGN §5)."""

import json
import os
import shutil
import signal
import ssl
import subprocess
import threading

import pytest

from product import free_port, memory_bytes, settled, wait_until
from wire import Upstream, connect, early_answers, echo, events, exchange, flood, read_events, refuse_early


class TLSUpstream(Upstream):
    """`asks`: it takes clients of the authority only. `peers` are the names of those that came, `resumed` tells of each handshake."""

    def __init__(self, folder, name, asks=False, **options):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
        if asks:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(folder / "ca.pem")
        self.peers, self.resumed = [], []
        self.names = []
        self.context.sni_callback = lambda connection, name, context: self.names.append(name)
        self.failures = []
        super().__init__(**options)

    def _serve(self, wire):
        try:
            wire.socket = self.context.wrap_socket(wire.socket, server_side=True)
        except OSError as error:
            self.failures.append(str(error))
            return
        self.resumed.append(wire.socket.session_reused)
        if certificate := wire.socket.getpeercert():
            self.peers.append(certificate["subject"][0][0][1])
        super()._serve(wire)


def url(upstream, host="localhost"):
    return f"https://{host}:{upstream.port}"


GET = b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def upstream(authority):
    upstream = TLSUpstream(authority, "good")
    yield upstream
    upstream.close()


@pytest.fixture
def product(start, upstream, authority):
    upstream.reset()
    return start(url(upstream), upstream_ca_file=authority / "ca.pem", upstream_timeout="2s")


def test_requests_arrive(product, upstream):
    client = connect(product.port)
    for _ in range(5):
        client.send(GET)
        assert client.answer().body == b"ok"
    assert upstream.requests[0].value("Host") == f"localhost:{upstream.port}"
    assert set(upstream.names) == {"localhost"}
    assert upstream.connections == 1, "the connection was not used again"
    assert upstream.violations == []


@pytest.mark.parametrize("name, host, ca", [("good", "localhost", False), ("other", "localhost", True), ("expired", "localhost", True), ("other", "127.0.0.1", True)])
def test_certificates_that_are_not_right_are_a_502(name, host, ca, start, authority):
    if not (authority / f"{name}.pem").exists():
        pytest.skip("this openssl makes no certificate of the past")
    upstream = TLSUpstream(authority, name)
    product = start(url(upstream, host), **({"upstream_ca_file": authority / "ca.pem"} if ca else {}))
    answer = exchange(product.port, GET)
    assert (answer.status, json.loads(answer.body)) == (502, {"error": "upstream unavailable"})
    assert upstream.requests == []
    line = product.wait_logged("Upstream failed")
    assert "certificate" in line.lower(), line
    upstream.close()


def test_an_address_is_checked_as_an_address(start, upstream, authority):
    upstream.reset()
    product = start(url(upstream, "127.0.0.1"), upstream_ca_file=authority / "ca.pem")
    assert exchange(product.port, GET).body == b"ok"


def test_an_upstream_without_tls(start, authority):
    plain = Upstream()
    product = start(url(plain), upstream_ca_file=authority / "ca.pem", connect_timeout="500ms")
    assert exchange(product.port, GET).status == 502
    plain.close()


def test_large_bodies(product, upstream):
    data = os.urandom(1 << 20) * 20

    upstream.answer = echo
    client = connect(product.port, 30)
    thread = threading.Thread(target=client.send, args=(b"POST /big HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(data), data),), daemon=True)
    thread.start()
    assert client.answer("POST").body == data


@pytest.mark.parametrize("chunked", [False, True])
def test_an_early_answer_stands(chunked, product, upstream):
    upstream.early = True
    upstream.answer = refuse_early
    assert early_answers(product.port, chunked) == {413}


def test_a_slow_reader_does_not_grow_the_edge(product, upstream):
    sent = [0]
    upstream.answer = flood(sent)
    edge = product.pids("edge")[0]
    before = memory_bytes(edge)
    client = connect(product.port, receive_buffer=65536)
    client.send(GET)
    wait_until(lambda: sent[0] > 0)
    assert settled(lambda: sent[0]) < 32 << 20
    assert memory_bytes(edge) - before < 8 << 20
    assert len(client.exactly(20 << 20)) == 20 << 20
    client.close()


def test_a_stream_event_by_event(product, upstream):
    go = threading.Semaphore(0)
    upstream.answer = events(go)
    client = connect(product.port)
    client.send(GET)
    read_events(client, go)


def test_an_end_without_close_notify_is_a_cut(product, upstream):
    """Truncation: a body that ends with the connection is whole only when TLS says so."""

    def answer(wire, request):
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\nhalf")
        os.close(wire.socket.detach())
        return False

    upstream.answer = answer
    answer = exchange(product.port, GET)
    assert answer.is_cut, answer


def test_a_handshake_that_never_ends_is_a_502(start, authority):
    stop = threading.Event()

    class Silent(Upstream):
        def _serve(self, wire):
            stop.wait(10)

    silent = Silent()
    product = start(url(silent), upstream_ca_file=authority / "ca.pem", connect_timeout="500ms", upstream_timeout="1s")
    answer = exchange(product.port, GET)
    assert answer.status in (502, 504)
    stop.set()
    silent.close()


def test_later_connections_resume(product, upstream):
    upstream.answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
    upstream.resumed.clear()
    for _ in range(3):
        assert exchange(product.port, GET).body == b"ok"
    assert upstream.resumed == [False, True, True]


@pytest.mark.parametrize("has", [True, False])
def test_an_upstream_that_asks_for_a_certificate(has, start, authority):
    upstream = TLSUpstream(authority, "good", asks=True)
    identity = {"upstream_tls_cert": authority / "other.pem", "upstream_tls_key": authority / "other.key"} if has else {}
    product = start(url(upstream), upstream_ca_file=authority / "ca.pem", **identity)
    answer = exchange(product.port, GET)
    if has:
        assert answer.body == b"ok" and upstream.peers == ["other"]
    else:
        assert answer.status == 502 and upstream.requests == []
        product.wait_logged("Upstream failed")
    upstream.close()


def test_the_certificate_for_the_upstream_is_read_again(start, authority, tmp_path):
    """... and connections that were made by the earlier one are used no more."""
    upstream = TLSUpstream(authority, "good", asks=True)
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def use(name):
        shutil.copy(authority / f"{name}.pem", cert)
        shutil.copy(authority / f"{name}.key", key)

    use("other")
    product = start(url(upstream), upstream_ca_file=authority / "ca.pem", upstream_tls_cert=cert, upstream_tls_key=key)
    assert exchange(product.port, GET).body == b"ok"
    key.write_text("nonsense")
    product.signal(signal.SIGHUP)
    assert "holds no private key" in product.wait_logged("Cannot reload the certificates for the upstream", "earlier ones stay")
    assert exchange(product.port, GET).body == b"ok"
    use("good")
    product.signal(signal.SIGHUP)
    product.wait_logged("Certificates for the upstream reloaded")
    assert exchange(product.port, GET).body == b"ok"
    assert upstream.peers == ["other", "good"]
    assert upstream.resumed == [False, False], "a session of another certificate's"
    upstream.close()


def test_openssl_as_an_upstream_that_asks_for_a_certificate(start, authority):
    port = free_port()
    server = subprocess.Popen(
        ["openssl", "s_server", "-accept", str(port), "-cert", "good.pem", "-key", "good.key", "-CAfile", "ca.pem", "-Verify", "1", "-verify_return_error", "-www", "-tls1_2"],
        cwd=authority, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    try:
        product = start(f"https://localhost:{port}", upstream_ca_file=authority / "ca.pem", upstream_tls_cert=authority / "other.pem", upstream_tls_key=authority / "other.key")
        answer = wait_until(lambda: (answer := exchange(product.port, GET)) and answer.status == 200 and answer, what="openssl's answer")
        assert b"CN=other" in answer.body.replace(b" ", b"") and b"TLSv1.2" in answer.body
    finally:
        server.kill()
        server.wait()
