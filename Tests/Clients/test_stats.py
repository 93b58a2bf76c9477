"""What the product says of itself: health, statistics, metrics, status; and who may look (DESIGN §3)."""

import json
import re
import shutil
import signal
import socket
import subprocess

import pytest
from prometheus_client.parser import text_string_to_metric_families

from product import questions, wait_until
from wire import connect, exchange

QUESTION = json.dumps(questions()[0]["request"]).encode()
POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(QUESTION), QUESTION)
POOL = {"name": str, "workers": int, "queue_size": int, "queue_used": int, "submitted": int, "completed": int, "failed": int, "running": bool}
LEDGER = {"captured": int, "audited": int, "skipped": dict, "dropped": dict, "failed": dict, "quarantined": int, "pending": int}


def has_shape(value, shape):
    assert set(value) == set(shape)
    for name, kind in shape.items():
        assert type(value[name]) is kind, name


def another_address():
    """An address of this machine that is not loopback, if there is one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            address = probe.getsockname()[0]
        except OSError:
            return None
    return None if address.startswith("127.") else address


@pytest.mark.parametrize("path", ["/health", "/livez", "/readyz"])
def test_health(path, product):
    answer = product.get(path)
    assert answer.status == 200
    assert json.loads(answer.body)["status"] == "ok"
    assert answer.value("Content-Type") == "application/json"


def test_health_says_the_version(product):
    version = product.command("--version").stdout.split()[1]
    assert json.loads(product.get("/health").body)["version"] == version
    assert product.status()["version"] == version
    assert f"version={version}" in product.log


def test_health_by_other_methods(product):
    head = exchange(product.port, b"HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n")
    assert head.status == 200 and head.body == b""
    assert int(head.value("Content-Length")) > 0


def test_stats(product):
    before = product.wait_at_rest()
    for _ in range(3):
        assert exchange(product.port, POST).status == 200
    after = product.wait_at_rest()
    stats = product.stats()
    assert set(stats) == {"audit_pool", "queue_oldest_age_ms", "engines", "ledger"}
    has_shape(stats["audit_pool"], POOL)
    has_shape(stats["ledger"], LEDGER)
    pool = stats["audit_pool"]
    assert pool["name"] == "audit" and pool["queue_size"] == 1000 and pool["queue_used"] == 0 and pool["running"] is True
    assert pool["workers"] == min(10, len(product.pids("auditor")))
    assert after["captured"] - before["captured"] == after["audited"] - before["audited"] == 3
    assert pool["submitted"] == pool["completed"] == after["audited"]
    assert pool["failed"] == 0
    engine = stats["engines"]["embedded"]
    assert engine["runs"] >= engine["verdicts"] == after["audited"] and engine["scored"] == engine["verdicts"] and 0 <= engine["average_score"] <= 100
    assert stats["queue_oldest_age_ms"] == 0
    assert stats["ledger"] == after == product.ledger()
    for group in ("skipped", "dropped", "failed"):
        assert all(type(count) is int for count in stats["ledger"][group].values())


def test_stats_show_a_queue(start):
    import os
    import signal

    product = start(auditor_count=1, auditor_hung_timeout="30s")
    stopped = product.kill("auditor", signal.SIGSTOP)
    for _ in range(5):
        assert exchange(product.port, POST).status == 200
    wait_until(lambda: product.stats()["ledger"]["pending"] == 5)
    pool = product.stats()["audit_pool"]
    assert pool["submitted"] == 5 and pool["completed"] == 0 and pool["queue_used"] == 4
    age = product.stats()["queue_oldest_age_ms"]
    wait_until(lambda: product.stats()["queue_oldest_age_ms"] > age, what="the first waiting audit growing older")
    assert re.search(r'truthtable_queue_oldest_age_seconds{role="dispatcher",place="0"} \d+\.\d{6}', product.metrics())
    os.kill(stopped[0], signal.SIGCONT)
    product.wait_at_rest()
    assert product.stats()["audit_pool"]["completed"] == 5


def test_a_full_queue_drops_and_counts(start):
    """FEATURES T6, W1: one worker and a queue of 2 take 3 jobs; the fourth is dropped, and nobody waits for it."""
    import os
    import signal

    product = start(auditor_count=1, worker_count=1, queue_size=2, auditor_hung_timeout="30s")
    stopped = product.kill("auditor", signal.SIGSTOP)
    for _ in range(10):
        assert exchange(product.port, POST).status == 200
    wait_until(lambda: product.ledger()["dropped"]["queue_full"] == 7)
    assert product.ledger()["pending"] == 3
    product.wait_logged("Worker queue full, dropping audit job")
    os.kill(stopped[0], signal.SIGCONT)
    ledger = product.wait_at_rest()
    assert ledger["audited"] == 3 and ledger["captured"] == 10


def test_without_audits_nothing_is_captured(start):
    product = start(audit_enabled="false")
    assert exchange(product.port, POST).status == 200
    assert product.stats()["ledger"]["captured"] == 0


def test_sampling_is_booked(start):
    product = start(sample_rate=0)
    for _ in range(3):
        assert exchange(product.port, POST).status == 200
    ledger = product.wait_at_rest()
    assert ledger["captured"] == ledger["skipped"]["sampled_out"] == 3


def test_metrics(product):
    exchange(product.port, POST)
    ledger = product.wait_at_rest()
    answer = product.get("/metrics")
    assert answer.value("Content-Type").startswith("text/plain; version=0.0.4")
    families = {family.name: family for family in text_string_to_metric_families(answer.body.decode())}
    assert len(families) > 20
    for name, family in families.items():
        assert name.startswith("truthtable_"), name
        assert family.documentation, f"{name} has no help"
        assert family.type in ("counter", "gauge", "histogram"), name
        series = [(sample.name, tuple(sorted(sample.labels.items()))) for sample in family.samples]
        assert len(series) == len(set(series)), f"{name} has a sample twice"
        if family.type == "histogram":
            for sample in family.samples:
                assert sample.name.endswith(("_bucket", "_sum", "_count"))
            _check_buckets(family)
    total = lambda name: sum(sample.value for sample in families[name].samples if not sample.name.endswith("_created"))
    assert total("truthtable_captured") == ledger["captured"]
    assert total("truthtable_audited") == ledger["audited"]
    dropped = {}
    for sample in families["truthtable_dropped"].samples:
        dropped[sample.labels["reason"]] = dropped.get(sample.labels["reason"], 0) + sample.value
    assert dropped == ledger["dropped"]


def test_metrics_are_written_by_the_rules(product):
    """The text format and promtool's own rules, on the lines as they come: the parser above forgives some."""
    exchange(product.port, POST)
    product.wait_at_rest()
    text = product.metrics()
    assert text.endswith("\n") and "\r" not in text
    known, current = {}, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            _, _, current, words = line.split(" ", 3)
            assert current not in known and words and re.fullmatch(r"[a-z][a-z0-9_]*", current), line
            known[current] = None
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == current and known[name] is None and kind in ("counter", "gauge", "histogram"), line
            known[name] = kind
            assert name.endswith("_total") == (kind == "counter"), line
            assert not re.search(r"_(count|sum|bucket|info|counter|gauge|histogram)$", name) and not re.search(r"_(ms|us|ns|milliseconds|microseconds|kb|mb|percent)(_|$)", name), line
        else:
            name, labels, value = re.fullmatch(r"([a-z0-9_]+)(?:\{(.*)\})? (-?[0-9.e+]+|NaN)", line).groups()
            assert name == current or known[current] == "histogram" and re.fullmatch(rf"{current}_(bucket|sum|count)", name), line
            pairs = re.findall(r'([a-z_]+)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)', labels or "")
            assert ",".join(f'{label}="{text}"' for label, text, _ in pairs) == (labels or "") and len({label for label, _, _ in pairs}) == len(pairs), line
            if known[current] == "counter":
                assert float(value) >= 0, line
    assert None not in known.values()


def _check_buckets(family):
    series = {}
    for sample in family.samples:
        key = tuple(sorted((name, value) for name, value in sample.labels.items() if name != "le"))
        series.setdefault(key, {"buckets": []})
        if sample.name.endswith("_bucket"):
            series[key]["buckets"].append((float(sample.labels["le"]), sample.value))
        else:
            series[key][sample.name.rsplit("_", 1)[1]] = sample.value
    for values in series.values():
        buckets = values["buckets"]
        assert buckets[-1][0] == float("inf") and buckets == sorted(buckets)
        assert [count for _, count in buckets] == sorted(count for _, count in buckets)
        assert values["count"] == buckets[-1][1]


def test_metrics_please_promtool(product):
    """Where promtool is installed (Debian: prometheus), it has the last word; the test above knows the format's rules without it."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    result = subprocess.run([promtool, "check", "metrics"], input=product.metrics(), capture_output=True, text=True)
    assert result.returncode == 0 and result.stdout + result.stderr == ""


def test_times_and_errors_by_origin(start, mock):
    def figures():
        return {(sample.name, *sorted(value for name, value in sample.labels.items() if name in ("origin",))): sample.value
                for family in text_string_to_metric_families(product.metrics()) for sample in family.samples if sample.labels["role"] in ("edge", "dispatcher")
                and not sample.name.endswith("_bucket")}

    product = start()
    slow = json.dumps({**questions()[0]["request"], "mock": {"delay_ms": 300}}).encode()
    assert exchange(product.port, POST.split(b"Content-Length")[0] + b"Content-Length: %d\r\n\r\n%s" % (len(slow), slow)).status == 200
    product.wait_at_rest()
    times = figures()
    for name in ("exchange", "first_byte", "upstream", "upstream_first_byte", "overhead", "audit_lag", "audit_wait", "audit"):
        assert times[f"truthtable_{name}_seconds_count",] == 1, name
    for name in ("exchange", "first_byte", "upstream", "upstream_first_byte"):
        assert 0.3 <= times[f"truthtable_{name}_seconds_sum",] < 3, name
    assert 0 < times["truthtable_overhead_seconds_sum",] < 0.3, "the upstream's time is not ours"

    refused = json.dumps({**questions()[0]["request"], "mock": {"status": 401}}).encode()
    failed = json.dumps({**questions()[0]["request"], "mock": {"status": 500}}).encode()
    for body, origin in ((refused, "client"), (failed, "upstream")):
        exchange(product.port, POST.split(b"Content-Length")[0] + b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        assert figures()["truthtable_errors_total", origin] == 1, origin
    exchange(product.port, b"NONSENSE\r\n\r\n")
    assert figures()["truthtable_errors_total", "client"] == 2
    product.kill("dispatcher", signal.SIGSTOP)
    assert product.get("/v1/audits/x").status == 503
    assert figures()["truthtable_errors_total", "product"] == 1
    product.kill("dispatcher", signal.SIGCONT)


def test_no_upstream_is_the_upstreams_error(start):
    product = start("http://127.0.0.1:1")
    assert exchange(product.port, POST).status == 502
    assert re.search(r'truthtable_errors_total{role="edge",place="0",origin="upstream"} 1\b', product.metrics())


def test_readiness_depends_on_no_audit(start):
    product = start(auditor_hung_timeout="60s", hung_timeout="60s")
    for role in ("auditor", "dispatcher", "broadcaster"):
        product.kill(role, signal.SIGSTOP)
    for path in ("/health", "/livez", "/readyz", "/stats", "/metrics"):
        assert product.get(path, limit=2).status == 200, path
    for role in ("auditor", "dispatcher", "broadcaster"):
        product.kill(role, signal.SIGCONT)


def test_counters_survive_every_restart(start):
    product = start()
    for _ in range(3):
        exchange(product.port, POST)
    before = product.wait_at_rest()
    for role in ("edge", "dispatcher", "auditor", "broadcaster"):
        old = product.kill(role)
        wait_until(lambda: (now := product.pids(role)) and not set(now) & set(old) and product.is_ready())
    assert product.wait_at_rest() == before
    assert product.stats()["audit_pool"]["completed"] == 3


# Status.


def test_status_json(product):
    result = product.command("status", "--json")
    assert result.returncode == 0
    status = json.loads(result.stdout)
    assert set(status) == {"version", "auditors", "processes", "listeners", "ledger"}
    assert status["auditors"] == {"wanted": len(product.pids("auditor")), "most": 64}
    for process in status["processes"]:
        has_shape(process, {"role": str, "id": int, "pid": int, "state": str, "restarts": int, "uptime_ms": int})
    assert {process["role"] for process in status["processes"]} == {"edge", "dispatcher", "auditor", "broadcaster"}
    assert {listener["name"] for listener in status["listeners"]} == {"proxy", "websocket", "control", "broadcaster"}
    has_shape(status["ledger"], LEDGER)


def test_status_text(product):
    result = product.command("status")
    assert result.returncode == 0 and result.stderr == ""
    for process in product.status()["processes"]:
        assert re.search(rf"{process['role']}\S*\s+{process['pid']}\s+ready\s+\d+\s+\d+ s", result.stdout), process
    for word in ("captured", "audited", "skipped", "dropped", "failed", "quarantined", "pending", str(product.port), str(product.ws_port)):
        assert word in result.stdout


def test_status_follows_a_restart(start):
    import os
    import signal

    product = start(auditor_count=2)
    pid = product.pids("auditor")[0]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: product.restarts("auditor") == 1 and product.is_ready())
    assert sorted(process["restarts"] for process in product.processes("auditor")) == [0, 1]
    assert str(pid) not in product.command("status").stdout.split()


def test_the_banner(product):
    for text in ("TruthTable", f"http://localhost:{product.port}", f"ws://localhost:{product.ws_port}/ws", product.settings["TRUTHTABLE_UPSTREAM_URL"], "embedded", "curl"):
        assert text in product.log
    assert "TruthTable is ready" in product.log


# Who may look.

PATHS = ["/stats", "/metrics", "/ws", "/api/ws"]


@pytest.mark.parametrize("path", ["/stats", "/metrics"])
@pytest.mark.parametrize("fields, status", [
    ([], 200), ([("Origin", "http://localhost:5173")], 200), ([("Origin", "null")], 200), ([("Origin", "http://127.0.0.1:9")], 200),
    ([("Origin", "https://evil.example")], 403), ([("Origin", "http://localhost.evil.example")], 403), ([("Authorization", "Bearer sk-of-the-upstream")], 200),
])
def test_loopback_without_a_token(path, fields, status, product):
    answer = product.get(path, fields)
    assert answer.status == status, answer.body
    if status != 200:
        assert "error" in json.loads(answer.body)


@pytest.mark.parametrize("path", PATHS)
def test_names_that_resolve_to_this_machine_are_refused(path, product):
    """DNS rebinding: a page of elsewhere whose name has become 127.0.0.1."""
    answer = exchange(product.port, f"GET {path} HTTP/1.1\r\nHost: rebound.example\r\n\r\n".encode())
    assert answer.status in (401, 403)


def test_other_machines_need_the_token(start):
    address = another_address()
    if address is None:
        pytest.skip("this machine has no other address")
    product = start(host="0.0.0.0", access_token="secret-token-0123456789")
    for path in ("/stats", "/metrics"):
        say = lambda query="", field="": _from(address, product.port, f"GET {path}{query} HTTP/1.1\r\nHost: {address}\r\n{field}\r\n".encode())
        assert say().status == 401
        assert say(field="Authorization: Bearer wrong\r\n").status == 401
        assert say(field="Authorization: Bearer secret-token-0123456789\r\n").status == 200
        assert say(query="?token=secret-token-0123456789").status == 200
        assert say(query="?token=secret").status == 401
    assert _from(address, product.port, f"GET /health HTTP/1.1\r\nHost: {address}\r\n\r\n".encode()).status == 200
    # Traffic needs no token of ours.
    assert _from(address, product.port, POST).status == 200


def test_a_token_is_made_when_there_is_none(start):
    address = another_address()
    if address is None:
        pytest.skip("this machine has no other address")
    product = start(host="0.0.0.0")
    assert _from(address, product.port, f"GET /stats HTTP/1.1\r\nHost: {address}\r\n\r\n".encode()).status == 401
    token = re.search(r"oken\S*\s+(\S{16,})", product.log)
    assert token, "DESIGN §3: a token is made and shown in the banner"
    assert _from(address, product.port, f"GET /stats HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token[1]}\r\n\r\n".encode()).status == 200


def _from(address, port, request):
    client = connect(port, host=address)
    client.send(request)
    answer = client.answer(request.split(b" ")[0].decode())
    client.close()
    return answer
