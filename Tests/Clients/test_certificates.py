"""Certificates of the proxy's port: what cannot be used, at the start and later, and what changes under way."""

import os
import shutil
import signal
import threading

import pytest

from product import Product, ending, wait_until
from tls import client_context, secure
from wire import Upstream, exchange

GET = b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def upstream():
    upstream = Upstream()
    yield upstream
    upstream.close()


@pytest.mark.parametrize(
    "cert, key, words",
    [
        ("good.pem", "other.key", ["does not belong to the certificate", "good.pem", "other.key"]),
        ("good.pem", "none", ["TRUTHTABLE_TLS_KEY: ", "none: No such file"]),
        ("none", "good.key", ["TRUTHTABLE_TLS_CERT: ", "none: No such file"]),
        ("good.key", "good.key", ["TRUTHTABLE_TLS_CERT, TRUTHTABLE_TLS_KEY: ", "no certificate in PEM form"]),
        ("good.pem", "good.pem", ["TRUTHTABLE_TLS_CERT, TRUTHTABLE_TLS_KEY: ", "no private key in PEM form"]),
    ],
)
def test_files_that_cannot_be_used_end_the_start(cert, key, words, authority):
    with ending(Product("http://127.0.0.1:1", wait=False, tls_cert=authority / cert, tls_key=authority / key)) as product:
        assert product.wait(10) == 78
        assert all(word in product.wait_logged("error edge[0]") for word in words)
        assert product.log.count("Process ended") == 1, "it was tried again"


@pytest.mark.parametrize("name", ["upstream_ca_file", "upstream_tls_cert", "upstream_tls_key"])
def test_files_for_the_upstream_that_cannot_be_used_end_the_start(name, authority):
    files = {"upstream_tls_cert": authority / "good.pem", "upstream_tls_key": authority / "good.key"}
    with ending(Product("https://127.0.0.1:1", wait=False, **files | {name: authority / "none"})) as product:
        assert product.wait(10) == 78
        product.wait_logged("error edge[0]", f"TRUTHTABLE_{name.upper()}: cannot use", "none: No such file")


@pytest.mark.parametrize("engine", [{"engine": "grpc", "grpc_tls": "true"}, {"engine": "judge", "judge_url": "https://127.0.0.1:1"}])
def test_an_engine_s_authority_that_cannot_be_used_ends_the_start(engine, upstream, authority):
    with ending(Product(f"http://127.0.0.1:{upstream.port}", wait=False, engine_ca_file=authority / "good.key", **engine)) as product:
        assert product.wait(10) == 78
        product.wait_logged("error auditor[", "TRUTHTABLE_ENGINE_CA_FILE: cannot use", "no certificate in PEM form")


def test_an_engine_s_authority_that_is_lost_later_ends_nothing(upstream, authority, tmp_path):
    """An auditor that comes later cannot begin: traffic and the auditors that work go on."""
    file = shutil.copy(authority / "ca.pem", tmp_path)
    with ending(Product(f"http://127.0.0.1:{upstream.port}", engine="grpc", grpc_tls="true", engine_ca_file=file, auditor_count=1)) as product:
        pids = product.pids()
        os.unlink(file)
        assert product.command("auditors", "2").returncode == 0
        wait_until(lambda: product.log.count("TRUTHTABLE_ENGINE_CA_FILE: cannot use") > 1, what="a second try")
        assert set(pids) <= set(product.pids())
        assert exchange(product.port, GET).status == 200


@pytest.mark.parametrize("name", ["tls_cert", "tls_key", "upstream_tls_cert", "upstream_tls_key"])
def test_half_a_pair_is_refused(name, authority):
    with ending(Product("http://127.0.0.1:1", wait=False, **{name: authority / "good.pem"})) as product:
        assert product.wait(5) == 78
        assert len(product.log.splitlines()) == 1
        assert f"TRUTHTABLE_{name[:-4].upper().rstrip('_')}" in product.log and "set both, or neither" in product.log


class Pair:
    """Files of a certificate and its key, whose content changes."""

    def __init__(self, authority, folder, name):
        self.authority = authority
        self.cert, self.key = folder / "cert.pem", folder / "key.pem"
        self.become(name, name)

    def become(self, cert, key):
        for name, file in ((f"{cert}.pem", self.cert), (f"{key}.key", self.key)):
            shutil.copy(self.authority / name, f"{file}.new")
            shutil.move(f"{file}.new", file)


def shown(product, context):
    """The names of the certificate that a new connection gets."""
    context.check_hostname = False
    client = secure(product, context)
    names = {value for _, value in client.socket.getpeercert()["subjectAltName"]}
    client.close()
    return names


def test_a_new_certificate_is_for_new_connections(start_tls, upstream, authority, context, tmp_path):
    upstream.reset()
    pair = Pair(authority, tmp_path, "good")
    product = start_tls(upstream.url, tls_cert=pair.cert, tls_key=pair.key)
    kept = secure(product, context)
    kept.send(GET)
    assert kept.answer().body == b"ok"
    pair.become("other", "other")
    assert "localhost" in shown(product, context), "files are read on SIGHUP only"
    product.signal(signal.SIGHUP)
    line = product.wait_logged("Certificate for clients reloaded")
    assert "other.example" in line
    assert shown(product, context) == {"other.example"}
    kept.send(GET)
    assert kept.answer().body == b"ok"
    assert product.restarts("edge") == 0


@pytest.mark.parametrize("flaw", ["mismatch", "missing", "garbage"])
def test_files_that_cannot_be_used_leave_the_earlier_certificate(flaw, start_tls, upstream, authority, context, tmp_path):
    upstream.reset()
    pair = Pair(authority, tmp_path, "good")
    product = start_tls(upstream.url, tls_cert=pair.cert, tls_key=pair.key)
    match flaw:
        case "mismatch":
            pair.become("good", "other")
        case "missing":
            pair.key.unlink()
        case "garbage":
            pair.cert.write_bytes(b"\0" * 5000)
    product.signal(signal.SIGHUP)
    line = product.wait_logged("Cannot reload the certificate for clients")
    assert str(pair.cert if flaw == "garbage" else pair.key) in line and "the earlier one stays in use" in line
    assert product.log.count("Cannot reload") == 1
    assert "localhost" in shown(product, context)
    pair.become("other", "other")
    product.signal(signal.SIGHUP)
    product.wait_logged("Certificate for clients reloaded")
    assert shown(product, context) == {"other.example"}


def test_every_edge_reloads(start_tls, upstream, authority, context, tmp_path):
    upstream.reset()
    pair = Pair(authority, tmp_path, "good")
    product = start_tls(upstream.url, tls_cert=pair.cert, tls_key=pair.key, edge_count=3)
    pair.become("other", "other")
    product.signal(signal.SIGHUP)
    wait_until(lambda: product.log.count("Certificate for clients reloaded") == 3)
    assert {"other.example"} == set().union(*(shown(product, context) for _ in range(12)))
    product.kill("edge")
    wait_until(lambda: product.restarts("edge") == 3 and product.is_ready())
    assert shown(product, context) == {"other.example"}, "a new edge reads the files too"


def test_a_reload_during_the_start_is_not_lost(start_tls, upstream, context):
    upstream.reset()
    product = start_tls(upstream.url, wait=False)
    product.wait_logged("Starting TruthTable")
    product.signal(signal.SIGHUP)
    product.wait_logged("Certificate for clients reloaded")
    product.wait_ready()
    assert "localhost" in shown(product, context)


def test_nothing_to_reload(start, upstream):
    upstream.reset()
    product = start(upstream.url)
    for number in range(1, 4):
        product.signal(signal.SIGHUP)
        wait_until(lambda: product.log.count("nothing to reload") == number)
    assert exchange(product.port, GET).body == b"ok"
    assert product.exit_code is None


def test_reloads_under_traffic_lose_nothing(start_tls, upstream, authority, tmp_path):
    upstream.reset()
    pair = Pair(authority, tmp_path, "good")
    product = start_tls(upstream.url, tls_cert=pair.cert, tls_key=pair.key)
    context = client_context(authority)
    context.check_hostname = False
    stop = threading.Event()
    done, failures = [0, 0], []

    def traffic(kept):
        client = None
        try:
            while not stop.is_set():
                client = client if kept and client else secure(product, context)
                client.send(GET)
                assert client.answer().body == b"ok"
                done[kept] += 1
                if not kept:
                    client.close()
        except Exception as error:
            failures.append(repr(error))

    threads = [threading.Thread(target=traffic, args=(kept,)) for kept in (0, 0, 1, 1)]
    for thread in threads:
        thread.start()
    for number in range(10):
        name = ("other", "good")[number % 2]
        pair.become(name, name)
        before = list(done)
        product.signal(signal.SIGHUP)
        wait_until(lambda: product.log.count("Certificate for clients reloaded") == number + 1 or failures)
        wait_until(lambda: all(now > then for now, then in zip(done, before)) or failures, what="traffic")
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert product.restarts("edge") == 0 and upstream.violations == []
