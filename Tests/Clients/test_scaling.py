"""FEATURES D5: auditors scale at run time, by `truthtable auditors N`."""

import os
import re
import signal
import threading

import httpx

from product import questions, stays, wait_until

QUESTION = questions()[0]["request"]


def scale(product, count):
    result = product.command("auditors", str(count))
    assert result.returncode == 0, result.stderr
    return result.stdout


def auditors(product):
    return {process["id"]: process for process in product.processes("auditor")}


def test_up_and_down_under_load(start):
    product = start(auditor_count=1)
    ends = threading.Event()
    failures = []

    def ask():
        with httpx.Client(base_url=product.url, timeout=30) as client:
            while not ends.is_set():
                answer = client.post("/v1/audits", json={"response": "The tower is tall.", "context": ["The tower is tall."]})
                if answer.status_code != 200:
                    failures.append((answer.status_code, answer.text))

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    try:
        for count in (4, 1, 3, 2, 6, 1):
            assert f"{count} auditor" in scale(product, count)
            assert product.status()["auditors"] == {"wanted": count, "most": 64}
            wait_until(lambda: len(auditors(product)) == count and product.is_ready())
            wait_until(lambda: product.stats()["audit_pool"]["workers"] == count)
    finally:
        ends.set()
        for asker in askers:
            asker.join()
    assert failures == []
    ledger = product.wait_at_rest()
    assert ledger["captured"] == ledger["audited"], "no audit was lost or failed"


def test_a_surplus_auditor_finishes_what_it_holds(start):
    product = start(auditor_count=2, auditor_hung_timeout="30s")
    wait_until(lambda: product.stats()["audit_pool"]["workers"] == 2)
    stopped = product.kill("auditor", signal.SIGSTOP)
    audits = [httpx.post(f"{product.url}/v1/audits?wait=0", json={"response": f"Tower {number} is tall."}).json()["audit_id"] for number in range(2)]
    wait_until(lambda: product.stats()["audit_pool"]["queue_used"] == 0)
    scale(product, 1)
    stays(lambda: auditors(product)[1]["state"] == "draining", 0.3, "the surplus auditor draining")
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    for audit in audits:
        assert httpx.get(f"{product.url}/v1/audits/{audit}?wait=10s", timeout=20).json()["status"] == "completed"
    wait_until(lambda: set(auditors(product)) == {0})
    assert product.restarts("auditor") == 0
    assert re.search(r"truthtable_jobs_redelivered_total{[^}]*} 0\n", product.metrics()), "it answered itself"


def test_a_surplus_auditor_that_dies_is_not_replaced_and_a_wanted_one_is(start):
    product = start(auditor_count=2)
    scale(product, 1)
    wait_until(lambda: set(auditors(product)) == {0})
    product.kill("auditor")
    wait_until(lambda: product.restarts("auditor") == 1 and product.is_ready())
    assert set(auditors(product)) == {0}
    scale(product, 2)
    wait_until(lambda: set(auditors(product)) == {0, 1} and product.is_ready())


def test_to_the_most_and_no_further(start):
    product = start(auditor_count=1)
    for count, words in (("65", "from 1 to 64"), ("0", "no number"), ("-1", "unknown argument"), ("many", "no number")):
        result = product.command("auditors", count)
        assert result.returncode != 0 and words in result.stderr, count
    assert product.command("auditors").returncode == 64
    assert product.status()["auditors"]["wanted"] == 1
    assert product.command("auditors", "2", TRUTHTABLE_RUNTIME_DIR=f"{product.directory}/nobody").returncode == 69
    assert "Usage" in product.command("auditors", "--help").stdout
    assert "auditors" in product.command("status").stdout


def test_not_while_the_product_ends(start):
    product = start(auditor_count=1, auditor_hung_timeout="30s", drain_timeout="20s")
    stopped = product.kill("auditor", signal.SIGSTOP)
    httpx.post(f"{product.url}/v1/audits?wait=0", json={"response": "The tower is tall."})
    product.signal(signal.SIGTERM)
    product.wait_logged("Received shutdown signal")
    result = product.command("auditors", "3")
    assert result.returncode == 65 and "being stopped" in result.stderr
    os.kill(stopped[0], signal.SIGCONT)
    assert product.wait() == 0
