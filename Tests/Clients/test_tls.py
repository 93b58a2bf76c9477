"""An upstream behind TLS: certificates and names are checked, bytes arrive as without it (FEATURES T2, DESIGN §5)."""

import json
import os
import ssl
import subprocess
import threading

import pytest

from product import memory_bytes, settled, wait_until
from wire import Upstream, connect, exchange


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A certificate authority, and certificates of its own making."""
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=Test CA")
    for name, names, days in (("good", "DNS:localhost,IP:127.0.0.1", "2"), ("other", "DNS:other.example", "2"), ("expired", "DNS:localhost,IP:127.0.0.1", "-1")):
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (folder / f"{name}.ext").write_text(f"subjectAltName={names}\n")
        days = ["-days", days] if days != "-1" else ["-not_before", "20200101000000Z", "-not_after", "20200102000000Z"]
        try:
            openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", f"{name}.ext", "-out", f"{name}.pem", *days)
        except subprocess.CalledProcessError:
            (folder / f"{name}.pem").unlink(missing_ok=True)  # an openssl that cannot make old certificates
    return folder


class TLSUpstream(Upstream):
    def __init__(self, folder, name, **options):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
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

    def answer(wire, request):
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(request.body), request.body))

    upstream.answer = answer
    client = connect(product.port, 30)
    thread = threading.Thread(target=client.send, args=(b"POST /big HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(data), data),), daemon=True)
    thread.start()
    assert client.answer("POST").body == data


def test_a_slow_reader_does_not_grow_the_edge(product, upstream):
    sent = [0]

    def answer(wire, request):
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (100 << 20))
        while sent[0] < 100 << 20:
            wire.send(b"x" * 65536)
            sent[0] += 65536

    upstream.answer = answer
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

    def answer(wire, request):
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(5):
            wire.send(b"9\r\ndata: %d\n\n\r\n" % number)
            assert go.acquire(timeout=5)
        wire.send(b"0\r\n\r\n")

    upstream.answer = answer
    client = connect(product.port)
    client.send(GET)
    client.head()
    for number in range(5):
        assert int(client.line(), 16) == 9
        assert client.exactly(11) == b"data: %d\n\n\r\n" % number
        go.release()
    assert client.line() == b"0"


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
