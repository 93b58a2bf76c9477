"""Processes die and hang; traffic does not notice, and every capture is accounted for (DESIGN §1, §3). The long forms: chaos.py."""

import json
import os
import re
import signal
import socket
import subprocess
import time

import pytest

from load import Announcements, Load, assert_only
from product import Product, ending, executable, is_alive, is_at_rest, questions, stays, wait_until
from wire import connect, exchange

ROLES = ["broadcaster", "dispatcher", "auditor", "edge"]
QUESTION = json.dumps(questions()[0]["request"]).encode()


def ask(product, extra=b"", body=QUESTION):
    return exchange(product.port, b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s" % (extra, len(body), body))


def wait_replaced(product, role, old, limit=10.0):
    """Until all processes of a role are ready and none is an old one."""
    wait_until(
        lambda: (processes := product.processes(role)) and all(process["state"] == "ready" and process["pid"] not in old for process in processes),
        limit, f"new {role} processes",
    )


def final_ledger(product):
    return json.loads(re.search(r'Final ledger ledger="(.*)"', product.log)[1].replace('\\"', '"'))


@pytest.fixture
def calm(start):
    """A product of the test's own with two auditors, so that machines differ less."""
    return start(auditor_count=2)


def test_every_role_is_killed_in_turn_under_load(calm, mock):
    product = calm
    kills = []
    with Announcements(product) as announcements, Load(product.port, mock) as load:
        for _ in range(2):
            for role in ROLES:
                load.wait_more()
                if role == "edge":
                    kills.append(time.monotonic())
                wait_replaced(product, role, product.kill(role))
        load.wait_more(40)
        load.stop()
        assert_only(load, kills)
        assert load.late == 0
        ledger = product.wait_at_rest()
        # Answers that broke with an edge may have been captured, or not.
        assert len(load.delivered) <= ledger["captured"] + 1 and ledger["captured"] <= len(load.delivered) + len(load.failures)
        lost = sum(ledger["dropped"].values()) + ledger["failed"]["dispatcher_lost"]
        assert lost < ledger["captured"] / 4
        wait_until(lambda: sum(announcements.requests().values()) >= ledger["captured"] - lost, 10, "every audit announced")
        assert max(announcements.requests().values()) == 1, "an audit was announced twice"
        assert all(len(numbers) == 1 for numbers in announcements.final().values())
    for role in ROLES:
        assert all(process["restarts"] == 2 for process in product.processes(role)), role
    assert product.is_ready()


def test_several_edges(start, mock):
    product = start(edge_count=3, auditor_count=2)
    kills = []
    with Announcements(product) as announcements, Load(product.port, mock) as load:
        for edge in product.processes("edge"):
            load.wait_more()
            kills.append(time.monotonic())
            os.kill(edge["pid"], signal.SIGKILL)
            wait_until(lambda: edge["pid"] not in product.pids("edge") and product.is_ready())
        load.wait_more()
        wait_replaced(product, "dispatcher", product.kill("dispatcher"))
        kills.append(time.monotonic())
        wait_replaced(product, "edge", product.kill("edge"))
        load.wait_more()
        load.stop()
        assert_only(load, kills)
        ledger = product.wait_at_rest()
        assert len(load.delivered) <= ledger["captured"] + 1 and ledger["captured"] <= len(load.delivered) + len(load.failures)
        assert max(announcements.requests().values()) == 1


@pytest.mark.parametrize("role", ["broadcaster", "auditor"])
def test_nothing_is_lost_when_these_die(role, calm, mock):
    product = calm
    with Announcements(product) as announcements, Load(product.port, mock) as load:
        for _ in range(3):
            load.wait_more()
            wait_replaced(product, role, product.kill(role))
        load.wait_more()
        load.stop()
        assert load.failures == []
        ledger = product.wait_at_rest(captured=len(load.delivered))
        assert ledger["captured"] == ledger["audited"] == len(load.delivered)
        wait_until(lambda: len(announcements.requests()) == len(load.delivered), 10, "every audit announced")
        assert set(announcements.requests()) == set(load.delivered)
        assert set(announcements.requests().values()) == {1}


def test_a_killed_dispatcher_loses_only_what_it_held(calm, mock):
    product = calm
    with Load(product.port, mock) as load:
        for _ in range(3):
            load.wait_more()
            wait_replaced(product, "dispatcher", product.kill("dispatcher"))
        load.wait_more()
        load.stop()
        assert load.failures == []
        ledger = product.wait_at_rest(captured=len(load.delivered))
        assert ledger["captured"] == len(load.delivered)
        assert ledger["audited"] > 0


def test_all_auditors_killed_again_and_again(calm, mock):
    product = calm
    with Announcements(product) as announcements, Load(product.port, mock) as load:
        end = time.monotonic() + 3
        while time.monotonic() < end:
            beat = time.monotonic() + 0.2
            product.kill("auditor")
            wait_until(lambda: time.monotonic() >= beat, 1)
        load.stop()
        assert load.failures == []
        ledger = product.wait_at_rest(40)
        assert ledger["captured"] == len(load.delivered)
        assert sum(ledger["dropped"].values()) == 0
        wait_until(lambda: len(announcements.requests()) == len(load.delivered), 10, "every audit announced")
        assert set(announcements.requests().values()) == {1}
    wait_until(product.is_ready, 20)


def test_stopped_auditors_are_not_felt(start, mock):
    product = start(auditor_count=2, auditor_hung_timeout="30s")
    with Announcements(product) as announcements, Load(product.port, mock) as load:
        pids = product.kill("auditor", signal.SIGSTOP)
        before = len(load.delivered)
        stays(lambda: all(is_alive(pid) for pid in pids), 2.5)
        assert len(load.delivered) > before + 60
        assert product.ledger()["pending"] > 0
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        load.stop()
        assert load.failures == []
        ledger = product.wait_at_rest(captured=len(load.delivered))
        assert ledger["captured"] == ledger["audited"] == len(load.delivered)
        wait_until(lambda: len(announcements.requests()) == len(load.delivered), 10, "every audit announced")
    assert product.pids("auditor") == pids, "auditors were replaced although the limit had not passed"


def test_hung_auditors_are_replaced(start, mock):
    product = start(auditor_count=2, auditor_hung_timeout="1s")
    with Load(product.port, mock) as load:
        pids = product.kill("auditor", signal.SIGSTOP)
        wait_replaced(product, "auditor", pids)
        load.stop()
        assert load.failures == []
        ledger = product.wait_at_rest(captured=len(load.delivered))
        assert ledger["captured"] == ledger["audited"] == len(load.delivered)
    product.wait_logged("no sign of life")


@pytest.mark.parametrize("role", ["dispatcher", "broadcaster"])
def test_a_hung_role_is_not_felt_and_replaced(role, start, mock):
    product = start(hung_timeout="1s")
    with Load(product.port, mock) as load:
        pids = product.kill(role, signal.SIGSTOP)
        # Status and statistics answer while it hangs.
        assert product.stats()["ledger"]["captured"] >= 0
        assert product.status()
        wait_replaced(product, role, pids)
        load.wait_more()
        load.stop()
        assert load.failures == []
        ledger = product.wait_at_rest(captured=len(load.delivered))
        assert ledger["captured"] == len(load.delivered)


def test_a_hung_edge_is_replaced(start, mock):
    product = start(hung_timeout="1s")
    pids = product.kill("edge", signal.SIGSTOP)
    answer = ask(product)
    assert answer is not None and answer.status == 200, "a client that waited in the backlog was not served by the successor"
    assert product.pids("edge") != pids


def test_a_dead_edge_refuses_nobody(calm):
    product = calm
    for _ in range(3):
        product.kill("edge")
        assert ask(product).status == 200
        wait_until(product.is_ready)


def test_a_killed_supervisor_leaves_no_orphan(start):
    product = start(auditor_count=3)
    pids = product.pids()
    assert len(pids) >= 6
    assert ask(product).status == 200
    product.signal(signal.SIGKILL)
    product.wait()
    wait_until(lambda: not any(is_alive(pid) for pid in pids), 3, "the end of every child")
    # The same place and ports can be used at once.
    with ending(Product("http://127.0.0.1:1", runtime_dir=product.runtime, port=product.port, ws_port=product.ws_port)) as second:
        assert second.port == product.port


def test_a_killed_supervisor_leaves_no_orphan_that_hangs(start):
    """A stopped child cannot read that its supervisor is gone."""
    product = start(auditor_count=2)
    pids = product.pids()
    product.kill("auditor", signal.SIGSTOP)
    product.kill("edge", signal.SIGSTOP)
    product.signal(signal.SIGKILL)
    product.wait()
    wait_until(lambda: not any(is_alive(pid) for pid in pids), 3, "the end of every child")


# The orderly end.


def test_sigterm_finishes_what_is_queued(calm):
    product = calm
    stopped = product.kill("auditor", signal.SIGSTOP)
    for _ in range(40):
        assert ask(product).status == 200
    wait_until(lambda: product.ledger()["pending"] == 40)
    product.signal(signal.SIGTERM)
    wait_until(lambda: any(process["state"] == "draining" for process in product.status()["processes"]))
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    assert product.wait() == 0
    assert "Worker pool stopped gracefully" in product.log
    ledger = final_ledger(product)
    assert ledger["audited"] == ledger["captured"] == 40
    assert not os.path.exists(f"{product.runtime}/control")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_open_stream_finishes_before_the_end(number, calm, mock):
    product = calm
    body = json.dumps({**questions()[0]["request"], "stream": True, "mock": {"pace_ms": 20}}).encode()
    request = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    client = connect(product.port)
    client.send(request)
    idle = connect(product.port)
    idle.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    assert idle.answer().status == 200
    client.fill()
    product.signal(number)
    assert idle.ends(), "an idle connection holds the end up"
    answer = client.answer("POST")
    assert not answer.is_cut
    assert answer.body == exchange(mock.port, request).body
    assert client.ends()
    assert product.wait() == 0
    ledger = final_ledger(product)
    assert ledger["captured"] == ledger["audited"] == 1
    with pytest.raises(ConnectionRefusedError):
        connect(product.port)


def test_dashboards_do_not_hold_the_end_up(calm):
    with Announcements(calm):
        began = time.monotonic()
        assert calm.stop() == 0
        assert time.monotonic() - began < 3


def test_a_second_signal_ends_at_once(calm):
    product = calm
    product.kill("auditor", signal.SIGSTOP)
    for _ in range(10):
        assert ask(product).status == 200
    pids = product.pids()
    product.signal(signal.SIGTERM)
    stays(lambda: product.exit_code is None, 0.3, "the drain that waits for audits")
    product.signal(signal.SIGTERM)
    assert product.wait(3) == 0  # the drain's own limit is far longer
    assert not any(is_alive(pid) for pid in pids)
    assert is_at_rest(final_ledger(product))
    assert final_ledger(product)["dropped"]["shutdown"] > 0


def test_the_drain_has_a_limit(start):
    product = start(drain_timeout="700ms", auditor_count=2, auditor_hung_timeout="60s")
    product.kill("auditor", signal.SIGSTOP)
    for _ in range(5):
        assert ask(product).status == 200
    began = time.monotonic()
    product.signal(signal.SIGTERM)
    assert product.wait(5) == 0
    assert 0.4 < time.monotonic() - began < 3
    ledger = final_ledger(product)
    assert ledger["captured"] == 5 and is_at_rest(ledger)
    assert ledger["dropped"]["shutdown"] == 5


@pytest.mark.parametrize("role", ROLES)
def test_a_hung_role_does_not_hold_the_end_up_for_ever(role, start):
    product = start(drain_timeout="500ms", hung_timeout="60s", auditor_hung_timeout="60s")
    product.kill(role, signal.SIGSTOP)
    began = time.monotonic()
    product.signal(signal.SIGTERM)
    assert product.wait(5) == 0
    assert time.monotonic() - began < 3


def test_processes_that_die_during_the_drain(calm):
    """An auditor that dies while the queue drains is replaced, and the queue is finished."""
    product = calm
    stopped = product.kill("auditor", signal.SIGSTOP)
    for _ in range(20):
        assert ask(product).status == 200
    wait_until(lambda: product.ledger()["pending"] == 20)
    product.signal(signal.SIGTERM)
    wait_until(lambda: any(process["role"] == "dispatcher" and process["state"] == "draining" for process in product.status()["processes"]))
    for pid in stopped:
        os.kill(pid, signal.SIGKILL)
    assert product.wait() == 0
    ledger = final_ledger(product)
    assert ledger["captured"] == ledger["audited"] == 20


def test_signals_before_it_is_ready(mock):
    for _ in range(10):
        with ending(Product(mock.url, wait=False)) as product:
            wait_until(lambda: "Starting TruthTable" in product.log)
            assert product.stop(5) == 0


def test_sighup_changes_nothing(calm):
    pids = calm.pids()
    calm.signal(signal.SIGHUP)
    assert ask(calm).status == 200
    assert calm.pids() == pids and calm.exit_code is None


def test_restarts_are_counted_and_uptime_starts_anew(calm):
    product = calm
    before = product.processes("auditor")
    os.kill(before[0]["pid"], signal.SIGKILL)
    wait_until(lambda: product.restarts("auditor") == 1 and product.is_ready())
    after = product.processes("auditor")
    assert after[0]["restarts"] == 1 and after[1]["restarts"] == 0
    assert after[0]["pid"] != before[0]["pid"] and after[1]["pid"] == before[1]["pid"]
    assert after[0]["uptime_ms"] < after[1]["uptime_ms"]
    assert 'truthtable_restarts_total' in product.metrics() or "restarts" in product.metrics()


def test_a_successor_is_there_quickly(start):
    """`after=` of the log: from fork to Ready. The bar of 50 ms is printed by chaos.py; here it is only a matter of sense."""
    product = start(auditor_count=2)
    for pid in product.pids("auditor"):
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: pid not in product.pids("auditor") and product.is_ready(), 5, pause=0.001)


# Logs that nobody reads.


@pytest.mark.parametrize("pipe", ["full", "closed"])
def test_a_log_that_nobody_reads_stops_nothing(pipe, mock, tmp_path):
    """Standard error is a full pipe from the beginning, or one whose reader is gone (`truthtable run 2>&1 | head -1`)."""
    read, write = os.pipe()
    if pipe == "full":
        os.set_blocking(write, False)
        try:
            while True:
                os.write(write, b"x" * 4096)
        except BlockingIOError:
            pass
        os.set_blocking(write, True)
    else:
        os.close(read)
        read = -1
    environment = {
        "PATH": os.environ["PATH"], "TRUTHTABLE_PORT": "0", "TRUTHTABLE_WS_PORT": "0", "TRUTHTABLE_RUNTIME_DIR": str(tmp_path / "run"),
        "TRUTHTABLE_UPSTREAM_URL": mock.url, "TRUTHTABLE_LOG_LEVEL": "debug",
    }
    process = subprocess.Popen([executable("truthtable"), "run"], env=environment, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=write)
    os.close(write)
    try:
        product = Product.__new__(Product)
        product.process, product.pid, product.runtime, product._ports = process, process.pid, str(tmp_path / "run"), None
        product.log_path = tmp_path / "none"
        wait_until(lambda: (status := product.status()) and all(process["state"] == "ready" for process in status["processes"]), 10, "every process ready")
        with Load(product.port, mock, rate=100) as load:
            load.wait_more(200)
            load.stop()
            assert load.failures == []
        assert product.wait_at_rest(captured=len(load.delivered))["captured"] == len(load.delivered)
        if read >= 0:
            os.close(read)
            read = -1
        assert ask(product).status == 200, "a closed log ended the product"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        if read >= 0:
            os.close(read)
        process.kill()
        process.wait()
