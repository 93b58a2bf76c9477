"""`/v1/audits` (FEATURES W2): an audit on request, the verdict of an answer that has just been streamed, recent audits; and what is said
when there is none: a full queue, a stopped pool, a wait that is over, bad bodies."""

import json
import os
import signal
import socket
import threading

import httpx
import openai
import pytest

from product import questions, wait_until

QUESTION = questions()[0]
TEXT = {
    "query": "When was the tower built?",
    "response": "The tower is 330 metres tall. The tower was completed in 1889.",
    "context": ["The tower is 330 metres tall.", {"id": "history", "content": "The tower was completed in 1889.", "source": "tower.txt", "metadata": {"page": 3}}],
}


@pytest.fixture
def client(product):
    with httpx.Client(base_url=product.url, timeout=30) as client:
        yield client


def post(product, body=TEXT, query="", **options):
    return httpx.post(f"{product.url}/v1/audits{query}", json=body, timeout=30, **options)


def stop_auditors(product):
    """Once the dispatcher knows of them, so that they are sent jobs."""
    wait_until(lambda: product.stats()["audit_pool"]["workers"] == len(product.pids("auditor")))
    return product.kill("auditor", signal.SIGSTOP)


# Handed in


def test_an_audit_on_request(product, client):
    before = product.wait_at_rest()
    answer = client.post("/v1/audits", json=TEXT)
    verdict = answer.json()
    assert answer.status_code == 200
    assert verdict["status"] == "completed" and verdict["grade"] == "A" and verdict["query"] == TEXT["query"] and verdict["answer"] == TEXT["response"]
    assert [claim["verdict"] for claim in verdict["verifications"]] == ["supported", "supported"]
    assert {"id": "history", "source": "tower.txt", "origin": "field"} in verdict["documents"]["list"]
    assert answer.headers["x-truthtable-audit-id"] == verdict["audit_id"] and answer.headers["x-request-id"] == verdict["request_id"]
    after = product.wait_at_rest()
    assert after["captured"] - before["captured"] == after["audited"] - before["audited"] == 1


def test_a_false_claim(client):
    answer = client.post("/v1/audits", json={**TEXT, "response": "The tower is 500 metres tall."}).json()
    assert answer["verifications"][0]["verdict"] == "contradicted" and answer["grade"] not in "AB"


def test_sent_in_pieces_and_after_100_continue(product):
    body = json.dumps(TEXT).encode()
    with socket.create_connection(("127.0.0.1", product.port), 10) as connection:
        connection.sendall(b"POST /v1/audits HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body))
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        for byte in body:
            connection.sendall(bytes([byte]))
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 200") and b'"grade":"A"' in answer


def test_chunked_and_compressed(client):
    import gzip

    pieces = iter([json.dumps(TEXT).encode()[:30], json.dumps(TEXT).encode()[30:]])
    assert client.post("/v1/audits", content=pieces).json()["grade"] == "A"
    answer = client.post("/v1/audits", content=gzip.compress(json.dumps(TEXT).encode()), headers={"Content-Encoding": "gzip"})
    assert answer.json()["grade"] == "A"


BAD = {
    "no JSON": (b"{", "the body must be a JSON object"),
    "no object": (b"[]", "the body must be a JSON object"),
    "no response": (b"{}", "response is missing"),
    "response null": (b'{"response":null}', "response is missing"),
    "response no text": (b'{"response":5}', "response must be a string"),
    "response empty": (b'{"response":" \\n"}', "response holds no text"),
    "query no text": (b'{"response":"x","query":[]}', "query must be a string"),
    "context no list": (b'{"response":"x","context":"y"}', "context must be a list"),
    "a number in context": (b'{"response":"x","context":["a",5]}', "context must be a list"),
    "deep": (b'{"response":"x","context":' + b"[" * 5000 + b"]" * 5000 + b"}", "the body must be a JSON object"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_bodies(name, product, client):
    body, words = BAD[name]
    answer = client.post("/v1/audits", content=body)
    assert answer.status_code == 400 and words in answer.json()["error"]
    product.wait_at_rest()


def test_sizes(product, client):
    assert client.post("/v1/audits", content=b"").status_code == 400
    limit = 2 * 256 * 1024
    filler = limit - len(json.dumps({"response": "", "context": []}))
    assert client.post("/v1/audits", content=json.dumps({"response": "x" * filler, "context": []})).status_code == 200
    for content in (b"x" * (limit + 1), iter([b"x" * limit, b"x"])):
        answer = client.post("/v1/audits", content=content)
        assert answer.status_code == 413 and "TRUTHTABLE_CAPTURE_BODY_LIMIT" in answer.json()["error"]


def test_methods_and_parameters(client):
    answer = client.delete("/v1/audits")
    assert answer.status_code == 405 and answer.headers["allow"] == "GET, HEAD, POST"
    answer = client.post("/v1/audits/x", json={})
    assert answer.status_code == 405 and answer.headers["allow"] == "GET, HEAD"
    for path in ("?wait=9h", "?wait=soon", "?wait=-1s"):
        assert client.post(f"/v1/audits{path}", json=TEXT).status_code == 400
    for query in ("limit=0", "limit=101", "limit=x", "since=yesterday", "before=1", "before=x-1", "before=0-0", "grade=E"):
        answer = client.get(f"/v1/audits?{query}")
        assert answer.status_code == 400 and query.split("=")[0] in answer.json()["error"]


def test_the_wait_is_over(start):
    product = start(auditor_count=1, auditor_hung_timeout="30s", audit_wait="400ms")
    stopped = stop_auditors(product)
    answer = post(product)
    assert answer.status_code == 504
    problem = answer.json()
    assert problem["error"] == "job processing timed out" and problem["status"] == "pending"
    assert problem["audit_id"] == answer.headers["x-truthtable-audit-id"]
    accepted = post(product, query="?wait=0")
    assert accepted.status_code == 202 and accepted.json()["status"] == "pending"
    pending = httpx.get(f"{product.url}/v1/audits/{problem['audit_id']}")
    assert pending.status_code == 202 and pending.json()["status"] == "pending"
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    for audit in (problem, accepted.json()):
        late = httpx.get(f"{product.url}/v1/audits/{audit['audit_id']}?wait=10s", timeout=20)
        assert late.status_code == 200 and late.json()["grade"] == "A"
    assert product.wait_at_rest()["audited"] == 2


def test_a_full_queue(start):
    """FEATURES W1: one worker and a queue of 2 take 3 jobs."""
    product = start(auditor_count=1, worker_count=1, queue_size=2, auditor_hung_timeout="30s")
    stopped = stop_auditors(product)
    taken = [post(product, query="?wait=0") for _ in range(3)]
    assert [answer.status_code for answer in taken] == [202, 202, 202]
    refused = post(product)
    assert refused.status_code == 503 and refused.json() == {"error": "worker pool queue is full"} and refused.headers["retry-after"] == "1"
    dropped = httpx.get(f"{product.url}/v1/audits/{refused.headers['x-truthtable-audit-id']}")
    assert dropped.status_code == 200 and dropped.json()["status"] == "dropped" and dropped.json()["reason"] == "queue_full"
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    ledger = product.wait_at_rest()
    assert ledger["captured"] == 4 and ledger["audited"] == 3 and ledger["dropped"]["queue_full"] == 1


def test_the_dispatcher_dies_while_somebody_waits(start):
    product = start(auditor_count=1, auditor_hung_timeout="30s")
    stop_auditors(product)
    answers = []
    waiter = threading.Thread(target=lambda: answers.append(post(product)))
    waiter.start()
    wait_until(lambda: product.ledger()["pending"] == 1)
    product.kill("dispatcher")
    waiter.join(10)
    assert answers[0].status_code == 503 and answers[0].json() == {"error": "worker pool is stopped"}
    wait_until(lambda: product.restarts("dispatcher") == 1)
    product.kill("auditor")
    product.wait_ready()
    wait_until(lambda: post(product).status_code == 200, what="audits again")
    ledger = product.wait_at_rest()
    assert ledger["failed"]["dispatcher_lost"] == 1 and ledger["captured"] == 1 + ledger["audited"]


def test_a_dispatcher_that_stands_still_blocks_nobody(start):
    product = start(hung_timeout="60s", audit_wait="100ms")
    stopped = product.kill("dispatcher", signal.SIGSTOP)
    answers = []
    waiter = threading.Thread(target=lambda: answers.append((post(product), httpx.get(f"{product.url}/v1/audits/x", timeout=30))))
    waiter.start()
    for _ in range(20):
        assert httpx.post(f"{product.url}/v1/chat/completions", json=QUESTION["request"], timeout=2).status_code == 200
    waiter.join(15)
    submitted, looked_up = answers[0]
    assert submitted.status_code == 504 and submitted.json()["error"] == "job processing timed out"
    assert looked_up.status_code == 503 and "does not answer" in looked_up.json()["error"]
    os.kill(stopped[0], signal.SIGCONT)
    product.wait_at_rest()


def test_the_limit_of_an_exchange_ends_a_wait_and_is_no_upstreams_failure(start):
    product = start(hung_timeout="60s", exchange_timeout="500ms")
    stopped = product.kill("dispatcher", signal.SIGSTOP)
    submitted, looked_up = post(product, query="?wait=20s"), httpx.get(f"{product.url}/v1/audits/x?wait=20s", timeout=30)
    assert submitted.status_code == 504 and submitted.json()["status"] == "pending"
    assert looked_up.status_code == 503
    assert product.figure("upstream_failures_total") == 0
    os.kill(stopped[0], signal.SIGCONT)
    product.wait_at_rest()


def test_who_leaves_is_not_waited_for(start):
    """The audit goes on; the wait is cancelled, so that a thousand impatient clients leave room for the next one."""
    product = start(auditor_count=1, auditor_hung_timeout="60s")
    stopped = stop_auditors(product)
    path = "GET /v1/audits/unknown?wait=60s HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    for _ in range(6):
        connections = [socket.create_connection(("127.0.0.1", product.port), 10) for _ in range(256)]
        for connection in connections:
            connection.sendall(path)
        for connection in connections:
            connection.close()
    assert httpx.get(f"{product.url}/v1/audits/unknown?wait=100ms").status_code == 404
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)


def test_an_auditor_dies_of_it_and_another_one_answers(start):
    product = start(auditor_count=1, auditor_hung_timeout="30s")
    stop_auditors(product)
    answers = []
    waiter = threading.Thread(target=lambda: answers.append(post(product)))
    waiter.start()
    wait_until(lambda: product.ledger()["pending"] == 1 and product.stats()["audit_pool"]["queue_used"] == 0)
    product.kill("auditor")
    waiter.join(20)
    assert answers[0].status_code == 200 and answers[0].json()["grade"] == "A"
    assert product.wait_at_rest()["audited"] == 1 and product.restarts("auditor") == 1


# Verdicts of answers


@pytest.mark.parametrize("stream", [False, True])
def test_the_verdict_of_an_answer_by_the_sdk(stream, product):
    """An application asks for the verdict of what it has just shown."""
    with openai.OpenAI(base_url=f"{product.url}/v1", api_key="sk-test", max_retries=0) as sdk:
        raw = sdk.chat.completions.with_raw_response.create(**QUESTION["request"], stream=stream)
        audit = raw.headers["X-TruthTable-Audit-Id"]
        answer = raw.parse()
        text = "".join(chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices) if stream else answer.choices[0].message.content
        verdict = sdk.get(f"/audits/{audit}", cast_to=httpx.Response, options={"params": {"wait": "5s"}}).json()
    assert verdict["status"] == "completed" and verdict["audit_id"] == audit and verdict["answer"] == text
    assert verdict["request_id"] == raw.headers["X-Request-Id"]
    by_request = httpx.get(f"{product.url}/v1/audits/{verdict['request_id']}")
    assert by_request.json() == verdict


def test_asked_for_while_the_answer_still_streams(product):
    body = {**QUESTION["request"], "stream": True, "mock": {"pace_ms": 20}}
    with httpx.stream("POST", f"{product.url}/v1/chat/completions", json=body, timeout=20) as stream:
        audit = stream.headers["x-truthtable-audit-id"]
        assert httpx.get(f"{product.url}/v1/audits/{audit}").status_code == 404
        answers = []
        waiter = threading.Thread(target=lambda: answers.append(httpx.get(f"{product.url}/v1/audits/{audit}?wait=20s", timeout=30)))
        waiter.start()
        stream.read()
    waiter.join(20)
    assert answers[0].status_code == 200 and answers[0].json()["audit_id"] == audit


def test_what_was_not_audited_says_why(start):
    product = start(sample_rate=0)
    answer = httpx.post(f"{product.url}/v1/chat/completions", json=QUESTION["request"])
    seen = httpx.get(f"{product.url}/v1/audits/{answer.headers['x-truthtable-audit-id']}?wait=5s", timeout=10)
    assert seen.json()["status"] == "skipped" and seen.json()["reason"] == "sampled_out"
    assert post(product).status_code == 200, "who asks for an audit gets one"


def test_recent_audits(start):
    product = start()
    ids = [post(product, {**TEXT, "model": f"m{number % 2}"}).json()["audit_id"] for number in range(5)]
    bad = post(product, {**TEXT, "response": "The tower is 500 metres tall.", "model": "m9"}).json()
    post(product, {"response": 5})

    def audits(query=""):
        return httpx.get(f"{product.url}/v1/audits{query}").json()

    everything = audits()
    assert [audit["audit_id"] for audit in everything["audits"][1:]] == [bad["audit_id"], *reversed(ids)] and everything["next"] is None
    assert everything["audits"][0]["status"] == "skipped"
    assert [audit["audit_id"] for audit in audits("?grade=a&model=m1")["audits"]] == [ids[3], ids[1]]
    assert [audit["audit_id"] for audit in audits("?path=/v1/audits&limit=1")["audits"]] == [bad["audit_id"]]
    assert audits(f"?since={bad['timestamp'] + 3_600_000}") == {"audits": [], "next": None}
    seen, query = [], "?limit=2"
    while query:
        page = audits(query)
        seen += [audit["audit_id"] for audit in page["audits"]]
        query = page["next"] and f"?limit=2&before={page['next']}"
    assert seen == [audit["audit_id"] for audit in everything["audits"]]
    product.kill("dispatcher")
    wait_until(lambda: product.restarts("dispatcher") == 1 and product.is_ready())
    assert wait_until(lambda: httpx.get(f"{product.url}/v1/audits?before=1-1").status_code == 410)


# Who may look, where


def test_access(start):
    product = start(access_token="secret-token")
    for method, path in (("GET", "/v1/audits"), ("GET", "/v1/audits/x"), ("POST", "/v1/audits")):
        def ask(**headers):
            return httpx.request(method, product.url + path, headers=headers, json=TEXT if method == "POST" else None).status_code

        assert ask(Origin="https://evil.example") == 403
        assert ask(Host="rebound.example") == 401
        assert ask(Authorization="Bearer wrong") == 401
        assert ask(Origin="https://evil.example", Authorization="Bearer secret-token") in (200, 404)
        assert ask() in (200, 404)


def test_an_admin_port(start, mock):
    from product import free_port

    port = free_port()
    product = start(admin_port=port)
    admin = f"http://127.0.0.1:{port}"
    for base in (product.url, admin):
        assert httpx.get(f"{base}/health").status_code == 200 and httpx.get(f"{base}/readyz").status_code == 200
    assert httpx.get(f"{admin}/stats").json()["audit_pool"]["name"] == "audit"
    assert httpx.post(f"{admin}/v1/audits", json=TEXT, timeout=20).json()["grade"] == "A"
    assert httpx.post(f"{admin}/v1/chat/completions", json=QUESTION["request"]).status_code == 404, "it leads to no upstream"
    # On the other port they are the upstream's, whatever it makes of them.
    direct, through = (httpx.get(f"{base}/stats") for base in (mock.url, product.url))
    assert (through.status_code, through.content) == (direct.status_code, direct.content)
    assert {"name": "admin", "address": f"127.0.0.1:{port}"} in product.status()["listeners"]
    product.signal(signal.SIGTERM)
    product.wait()
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", port), 1):
        pass


def test_a_path_prefix(start, mock):
    from websockets.sync.client import connect as websocket

    product = start(path_prefix="/tt")
    base = f"{product.url}/tt"
    assert httpx.get(f"{base}/health").json()["status"] == "ok"
    verdict = httpx.post(f"{base}/v1/audits", json=TEXT, timeout=20).json()
    assert httpx.get(f"{base}/v1/audits/{verdict['audit_id']}").json() == verdict
    with websocket(f"ws://127.0.0.1:{product.port}/tt/ws") as dashboard:
        assert json.loads(dashboard.recv(timeout=5))["type"]
    direct, through = (httpx.get(f"{url}/health") for url in (mock.url, product.url))
    assert (through.status_code, through.content) == (direct.status_code, direct.content)


def test_nothing_is_lost_when_all_is_killed_under_load(start):
    product = start(auditor_count=2)
    ends = threading.Event()
    codes = set()

    def ask():
        with httpx.Client(base_url=product.url, timeout=30) as client:
            while not ends.is_set():
                try:
                    codes.add(client.post("/v1/audits?wait=2s", json=TEXT).status_code)
                except httpx.TransportError:
                    pass

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    for role in ("auditor", "dispatcher", "auditor", "dispatcher"):
        before = product.ledger()["captured"]
        wait_until(lambda: product.ledger()["captured"] > before, limit=20)
        product.kill(role)
        wait_until(product.is_ready, 20)
    ends.set()
    for asker in askers:
        asker.join()
    assert codes <= {200, 500, 503, 504} and 200 in codes
    product.wait_at_rest()
