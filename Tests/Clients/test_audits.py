"""Each answer's audit reaches every dashboard, on both ports, in the envelope of its port (DESIGN §6), and says what is so."""

import json
import re
from contextlib import ExitStack
from datetime import datetime, timezone

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from product import questions, wait_until

QUESTIONS = questions()
http = httpx.Client()
FINAL = {"audit_result", "audit_complete", "audit_failed", "error", "audit_skipped"}


class Dashboard:
    """A connected dashboard that keeps what it got."""

    def __init__(self, url, **options):
        self.stack = ExitStack()
        self.socket = self.stack.enter_context(connect(url, **options))
        self.messages = []

    def next(self, limit=10.0):
        text = self.socket.recv(timeout=limit)
        assert isinstance(text, str) and "\n" not in text
        message = json.loads(text)
        self.messages.append(message)
        return message

    def until(self, condition, limit=10.0):
        """The first message that fulfils the condition, looking first at those that came."""
        for message in self.messages:
            if condition(message):
                return message
        while True:
            message = self.next(limit)
            if condition(message):
                return message

    def audit(self, request_id, kinds=FINAL):
        return self.until(lambda message: message["type"] in kinds and inner(message).get("request_id") == request_id)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.stack.close()


def inner(message):
    return message.get("data", message.get("payload")) or {}


def ask(product, body, **options):
    answer = http.post(f"{product.url}/v1/chat/completions", json=body, timeout=20, **options)
    assert answer.status_code == 200
    return answer.headers["x-truthtable-request-id"]


def dashboards(product):
    return [
        (product.ws_url, "data"), (f"ws://127.0.0.1:{product.port}/ws", "payload"), (f"ws://127.0.0.1:{product.port}/api/ws", "payload"),
        (f"{product.ws_url}?envelope=payload", "payload"), (f"ws://127.0.0.1:{product.port}/ws?envelope=data", "data"),
    ]


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("stream", [False, True])
def test_each_dashboard_gets_each_audit(number, stream, product):
    url, member = dashboards(product)[number]
    with Dashboard(url) as dashboard:
        body = {**QUESTIONS[number]["request"], "stream": stream}
        request_id = ask(product, body)
        message = dashboard.audit(request_id)
        assert message["type"] == {"data": "audit_result", "payload": "audit_complete"}[member]
        assert member in message and len({"data", "payload"} & message.keys()) == 1
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", message["timestamp"])
        sent = datetime.fromisoformat(message["timestamp"])
        assert abs((datetime.now(timezone.utc) - sent).total_seconds()) < 60
        audit = inner(message)
        assert abs(audit["timestamp"] / 1000 - sent.timestamp()) < 60
        assert audit["answer"] == QUESTIONS[number]["answer"]
        assert audit["query"] == QUESTIONS[number]["question"]
        assert audit["total_claims"] == len(audit["verifications"]) == len(QUESTIONS[number]["claims"])
        assert audit["total_claims"] == audit["supported_claims"] + audit["unsupported_claims"] + audit["unverifiable_claims"]
        assert audit["contradicted_claims"] <= audit["unsupported_claims"]
        assert 0 <= audit["trust_score"] <= 100 and 0 <= audit["hallucination_rate"] <= 100
        assert isinstance(audit["grade"], str) and isinstance(audit["verdict"], str) and audit["verdict"]
        assert isinstance(audit["processing_time_ms"], int)


def test_the_greeting_names_the_client(product):
    with Dashboard(product.ws_url) as one, Dashboard(product.ws_url) as other:
        greetings = [one.next(), other.next()]
        assert [greeting["type"] for greeting in greetings] == ["connected"] * 2
        ids = {value for greeting in greetings for key, value in inner(greeting).items() if "client" in key}
        assert len(ids) == 2


def test_the_http_port_also_announces_the_start(product):
    with Dashboard(f"ws://127.0.0.1:{product.port}/ws") as dashboard:
        request_id = ask(product, QUESTIONS[0]["request"])
        started = dashboard.audit(request_id, {"audit_started"})
        finished = dashboard.audit(request_id, {"audit_complete"})
        assert dashboard.messages.index(started) < dashboard.messages.index(finished)
        assert inner(started)["response_size"] > 0
        assert isinstance(inner(started)["timestamp"], int)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question["name"])
def test_false_numbers_are_found(question, product):
    """What the mock knows of its own answers: no false number passes for supported; true claims mostly do."""
    with Dashboard(product.ws_url) as dashboard:
        audit = inner(dashboard.audit(ask(product, question["request"])))
    judged = {claim["claim"]: claim for claim in audit["verifications"]}
    for claim in question["claims"]:
        assert claim["text"] in judged, f"no verdict on {claim['text']!r}"
        verdict = judged[claim["text"]]
        assert set(verdict) >= {"claim", "supported", "confidence", "evidence", "reasoning"}
        if claim.get("fault") == "wrong_number":
            assert not verdict["supported"], claim["text"]
            assert verdict["evidence"] or verdict["verdict"] != "contradicted"
        if verdict["supported"]:
            assert verdict["evidence"], "supported by nothing"
        assert 0 <= verdict["confidence"] <= 1
    right = [judged[claim["text"]]["supported"] for claim in question["claims"] if claim["true"]]
    assert sum(right) >= len(right) / 2


def test_without_context_claims_are_unverifiable(product):
    with Dashboard(product.ws_url) as dashboard:
        body = {"model": "m", "messages": [{"role": "user", "content": "How long is the Kestrel Footbridge in Marrowby, and who designed it?"}]}
        audit = inner(dashboard.audit(ask(product, body)))
    assert audit["total_claims"] > 0
    assert audit["supported_claims"] == 0
    assert {claim["verdict"] for claim in audit["verifications"]} == {"unverifiable"}
    assert audit["trust_score"] is None and audit["grade"] == "N/A"
    assert audit["verdict"]


def test_test_mode_is_audited(product):
    with Dashboard(product.ws_url) as dashboard:
        audit = inner(dashboard.audit(ask(product, {**QUESTIONS[0]["request"], "test_response": "The bridge has a length of 999 metres."})))
    assert audit["answer"] == "The bridge has a length of 999 metres."
    assert not audit["verifications"][0]["supported"]


SHAPES = {
    "ollama chat": ("/api/chat", {"model": "m", "messages": [{"role": "user", "content": "Hello there"}]}, "Hello there"),
    "ollama generate": ("/api/generate", {"model": "m", "prompt": "Hello there"}, "Hello there"),
    "completions": ("/v1/completions", {"model": "m", "prompt": "Hello there"}, "Hello there"),
    "query": ("/ask", {"query": "Hello there"}, "Hello there"),
    "parts": ("/v1/chat/completions", {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hello there"}]}]}, "Hello there"),
    "no question": ("/ask", {"other": 1}, ""),
}


@pytest.mark.parametrize("name", SHAPES)
def test_the_question_is_found_in_every_shape(name, product):
    path, body, query = SHAPES[name]
    with Dashboard(product.ws_url + "?envelope=payload") as dashboard:
        answer = httpx.post(product.url + path, json=body)
        audit = inner(dashboard.audit(answer.headers["x-truthtable-request-id"], {"audit_complete"}))
    assert audit["query"] == query
    assert audit["answer"]


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
def test_encoded_answers(encoding, start):
    """An encoding that is understood is audited, another one is skipped by name; the client gets its bytes either way."""
    import gzip
    import zlib

    from wire import Upstream

    text = json.dumps({"response": "The bridge is 148 metres long."}).encode()
    data = {"gzip": gzip.compress(text), "deflate": zlib.compress(text), "br": b"\x0b\x02\x80" + text[:5] + b"\x03"}[encoding]
    upstream = Upstream(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n%s" % (encoding.encode(), len(data), data))
    product = start(upstream.url)
    with httpx.stream("POST", product.url + "/ask", json={"query": "q"}) as answer:
        assert b"".join(answer.iter_raw()) == data
    ledger = product.wait_at_rest()
    assert ledger["captured"] == 1
    if ledger["audited"] == 0:
        assert ledger["skipped"]["content_encoding"] + ledger["skipped"]["not_auditable"] + sum(ledger["failed"].values()) == 1
    upstream.close()


def test_a_dashboard_that_comes_back_misses_nothing(product):
    with Dashboard(product.ws_url) as dashboard:
        message = dashboard.audit(ask(product, QUESTIONS[0]["request"]))
    missed = [ask(product, question["request"]) for question in QUESTIONS]
    product.wait_at_rest()
    with Dashboard(f"{product.ws_url}?since={message['epoch']}:{message['seq']}") as dashboard:
        for request_id in missed:
            dashboard.audit(request_id)
        numbers = [message["seq"] for message in dashboard.messages if "seq" in message]
        assert numbers == sorted(set(numbers))


def test_a_filter_is_kept(product):
    with Dashboard(product.ws_url) as dashboard:
        dashboard.next()
        dashboard.socket.send(json.dumps({"type": "subscribe", "types": ["audit_started"]}))
        dashboard.until(lambda message: message["type"] == "subscribed")
        request_id = ask(product, QUESTIONS[0]["request"])
        dashboard.audit(request_id, {"audit_started"})
        product.wait_at_rest()
        other = ask(product, QUESTIONS[0]["request"])
        dashboard.audit(other, {"audit_started"})
        assert {message["type"] for message in dashboard.messages} == {"connected", "subscribed", "audit_started"}


@pytest.mark.parametrize("sent", ["no JSON", "[]", '{"type":"nonsense"}', '{"type":"subscribe","types":["nonsense"]}', "\x00"])
def test_bad_messages_are_answered_and_harm_nobody(sent, product):
    with Dashboard(product.ws_url) as dashboard, Dashboard(product.ws_url) as other:
        dashboard.next()
        dashboard.socket.send(sent)
        assert dashboard.until(lambda message: message["type"] == "error")
        request_id = ask(product, QUESTIONS[0]["request"])
        dashboard.audit(request_id)
        other.audit(request_id)


def test_a_dashboard_that_reads_nothing_holds_nobody_up(product):
    from wire import connect as raw

    silent = raw(product.ws_port, receive_buffer=4096)
    silent.send(f"GET /ws HTTP/1.1\r\nHost: localhost:{product.ws_port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
    assert silent.answer().status == 101
    with Dashboard(product.ws_url) as dashboard:
        for _ in range(100):
            last = ask(product, QUESTIONS[0]["request"])
        dashboard.audit(last)
    silent.close()


def test_fifty_dashboards(product):
    boards = [Dashboard(url) for url, _ in dashboards(product) * 10]
    request_id = ask(product, QUESTIONS[3]["request"])
    audits = [inner(board.audit(request_id, {"audit_result", "audit_complete"})) for board in boards]
    assert all(audit == audits[0] for audit in audits)
    for board in boards:
        board.close()


@pytest.mark.parametrize("origin, allowed", [
    (None, True), ("http://localhost:5173", True), ("http://127.0.0.1", True), ("null", True), ("https://evil.example", False), ("http://localhost.evil.example", False),
])
@pytest.mark.parametrize("port", ["websocket", "proxy"])
def test_pages_of_other_origins_are_refused(origin, allowed, port, product):
    url = product.ws_url if port == "websocket" else f"ws://127.0.0.1:{product.port}/ws"
    if allowed:
        with Dashboard(url, origin=origin) as dashboard:
            assert dashboard.audit(ask(product, QUESTIONS[0]["request"]))
    else:
        with pytest.raises(InvalidStatus) as refused:
            Dashboard(url, origin=origin)
        assert refused.value.response.status_code in (401, 403)
        assert b"error" in refused.value.response.body


def test_log_lines_that_people_search_for(product):
    """FEATURES T17."""
    request_id = ask(product, QUESTIONS[0]["request"])
    with Dashboard(product.ws_url):
        product.wait_logged("Client connected (total: ")
    assert "status=200" in product.wait_logged("Captured response", request_id)
    line = product.wait_logged("Audit completed", request_id)
    assert "trust_score=" in line and "grade=" in line
