"""Limits that real processes meet: descriptors, addresses, time; and what the access log keeps of it all."""

import json
import os
import resource
import stat
from pathlib import Path

import pytest
from product import BUILD, Product, ending, stays, wait_until
from wire import OK, Upstream, connect, exchange


@pytest.fixture
def upstream():
    upstream = Upstream()
    yield upstream
    upstream.close()


def get(*fields, target="/x"):
    return "".join(line + "\r\n" for line in [f"GET {target} HTTP/1.1", "Host: x", *fields]).encode() + b"\r\n"


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# Descriptors.


def test_out_of_descriptors_it_sheds_recovers_and_never_spins(start, upstream):
    product = start(upstream.url)
    assert exchange(product.port, get()).status == 200
    (edge,) = product.pids("edge")
    limit = resource.prlimit(edge, resource.RLIMIT_NOFILE)
    used = len(os.listdir(f"/proc/{edge}/fd"))
    resource.prlimit(edge, resource.RLIMIT_NOFILE, (used + 9, limit[1]))
    clients = [connect(product.port) for _ in range(40)]
    before = cpu_seconds(edge)
    stays(lambda: product.pids("edge") == [edge], 1.0, "the edge's process")
    assert cpu_seconds(edge) - before < 0.3, "it spins"
    # Those that were let in are answered, if not by the upstream: there is no descriptor for it.
    clients[0].send(get())
    assert clients[0].answer().status in (200, 502)
    for client in clients:
        client.close(reset=True)
    resource.prlimit(edge, resource.RLIMIT_NOFILE, limit)
    wait_until(lambda: exchange(product.port, get()).status == 200, what="service as before")
    assert product.figure("accept_pauses_total") > 0
    assert product.restarts("edge") == 0 and product.pids("edge") == [edge]


def test_an_upstream_is_not_to_blame_for_missing_descriptors(start, upstream):
    product = start(upstream.url, breaker_faults=2, breaker_open_time="60s")
    (edge,) = product.pids("edge")
    limit = resource.prlimit(edge, resource.RLIMIT_NOFILE)
    client = connect(product.port)
    client.send(get(target="/health"))
    assert client.answer().status == 200
    resource.prlimit(edge, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{edge}/fd")), limit[1]))
    for _ in range(3):
        client.send(get())
        assert client.answer().status == 502
    resource.prlimit(edge, resource.RLIMIT_NOFILE, limit)
    client.send(get())
    assert client.answer().status == 200
    assert product.figure("upstream_faults_total") == 0
    client.close()


def test_under_a_low_limit_of_descriptors_clients_wait_and_are_all_served(upstream, tmp_path):
    command = tmp_path / "truthtable"
    command.write_text(f'#!/bin/sh\nexec prlimit --nofile=100:100 "{BUILD}/truthtable" "$@"\n')
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    with ending(Product(upstream.url, build=tmp_path)) as product:
        product.wait_logged("Open files are few", "connections=34")
        clients = [connect(product.port, limit=20) for _ in range(120)]
        for client in clients:
            client.send(get("Connection: close"))
        assert [client.answer().status for client in clients] == [200] * 120


# Addresses.


def test_connections_of_one_address_have_a_limit(start, upstream):
    product = start(upstream.url, max_connections_per_address=3)
    kept = [connect(product.port) for _ in range(3)]
    for client in kept:
        client.send(get())
        assert client.answer().status == 200
    refused = connect(product.port)
    answer = refused.answer()
    assert answer.status == 503 and b"TRUTHTABLE_MAX_CONNECTIONS_PER_ADDRESS" in answer.body
    assert refused.ends()
    kept.pop().close()
    # The one that asks needs a place, too.
    wait_until(lambda: exchange(product.port, get()).status == 200, what="a place")
    assert product.figure("connections_refused_total") >= 1


# The access log.


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_log_names_the_client_behind_a_trusted_proxy(start, upstream, tmp_path):
    log = tmp_path / "access.log"
    product = start(upstream.url, access_log=log, trusted_proxies="127.0.0.1, 10.0.0.0/8")
    for said, client in [("192.0.2.7, 10.1.2.3", "192.0.2.7"), ("192.0.2.7, 192.0.2.8", "192.0.2.8"), ("nonsense", "127.0.0.1")]:
        assert exchange(product.port, get(f"X-Forwarded-For: {said}", f"X-Request-ID: {said[:3]}{len(said)}", target='/"quoted\\"')).status == 200
        line = wait_until(lambda: log.exists() and [line for line in lines(log) if line["request_id"] == f"{said[:3]}{len(said)}"], what="the line")[0]
        assert line["client"] == client and line["path"] == '/"quoted\\"' and line["method"] == "GET" and line["status"] == 200 and line["end"] == "ok"


def test_the_log_names_an_upstream_where_one_was_asked(start, upstream, tmp_path):
    log = tmp_path / "access.log"
    product = start(upstream.url, access_log=log, max_request_body=10)
    for request, status in [
        (get(), 200), (get(target="/health"), 200), (b"nonsense\r\n\r\n", 400), (b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n", 413),
    ]:
        assert exchange(product.port, request).status == status
    names = wait_until(lambda: len(found := [line["upstream"] for line in lines(log)]) == 4 and found)
    assert names == [upstream.url, "", "", ""]


def test_a_drain_loses_no_line(start, upstream, tmp_path):
    log = tmp_path / "access.log"
    product = start(upstream.url, access_log=log)
    client = connect(product.port)
    client.send(get() * 499 + get("Connection: close"))
    for _ in range(500):
        assert client.answer().status == 200
    assert product.stop() == 0
    assert len(lines(log)) == 500 and len({line["request_id"] for line in lines(log)}) == 500


def test_lines_that_cannot_be_written_are_counted(start, upstream):
    product = start(upstream.url, access_log="/dev/full")
    for _ in range(5):
        assert exchange(product.port, get()).status == 200
    wait_until(lambda: product.figure("log_lines_dropped_total") >= 5, what="the count")


def test_a_log_that_nobody_reads_does_not_hold_up_the_end(start, upstream, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    product = start(upstream.url, access_log=fifo)
    client = connect(product.port)
    for _ in range(10):
        client.send(get(target="/" + "x" * 1000) * 100)
        for _ in range(100):
            assert client.answer().status == 200
    client.close()
    assert product.stop(limit=8) == 0
    os.close(reader)


# Time.


def test_an_exchange_has_a_limit_in_all(start, upstream):
    def trickle(wire, request):
        wire.send(OK.split(b"\r\n\r\n")[0].replace(b"Content-Length: 2", b"Content-Length: 1000") + b"\r\n\r\n")
        while True:
            wire.send(b"x")
            stays(lambda: True, 0.05)  # the trickle's pace

    upstream.answer = trickle
    product = start(upstream.url, exchange_timeout="1s")
    client = connect(product.port)
    client.send(get())
    answer = client.answer()
    assert answer.is_cut and 5 < len(answer.body) < 200
    product.wait_logged("TRUTHTABLE_EXCHANGE_TIMEOUT")
