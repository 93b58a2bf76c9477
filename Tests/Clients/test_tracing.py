"""Traces and the fields of answers, end to end: what the upstream gets, and the same ids in the access log, the log and the events."""

import json
import re

import httpx
import pytest
from websockets.sync.client import connect

from product import questions, wait_until
from wire import Upstream

QUESTION = questions()[0]["request"]
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def echo():
    """An upstream that answers with the fields it was sent, as a chat completion."""

    def answer(wire, request):
        choice = {"index": 0, "message": {"role": "assistant", "content": "The tower is tall."}}
        body = json.dumps({"choices": [choice], "fields": request.fields}).encode()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    upstream = Upstream(answer)
    yield upstream.url
    upstream.close()


def ask(product, **fields):
    answer = httpx.post(f"{product.url}/v1/chat/completions", json=QUESTION, headers=fields)
    assert answer.status_code == 200
    received = answer.json()["fields"]
    return answer, {name: [value for key, value in received if key.lower() == name] for name in ("traceparent", "tracestate")}


def test_one_trace_from_the_client_to_the_dashboard(start, echo, tmp_path):
    log = tmp_path / "access.log"
    product = start(echo, access_log=log)
    with connect(product.ws_url) as dashboard:
        answer, fields = ask(product, traceparent=TRACEPARENT, tracestate="vendor=1")
        [traceparent] = fields["traceparent"]
        version, trace, span, flags = traceparent.split("-")
        assert (version, trace, flags) == ("00", "0af7651916cd43dd8448eb211c80319c", "01") and span != "b7ad6b7169203331"
        assert fields["tracestate"] == ["vendor=1"]
        while (message := json.loads(dashboard.recv(timeout=10)))["type"] != "audit_result":
            pass
    assert message["data"]["trace_id"] == trace
    line = json.loads(wait_until(lambda: log.read_text()).splitlines()[0])
    assert line["trace_id"] == trace and line["span_id"] == span and line["overhead_us"] >= 0
    assert f"trace_id={trace}" in product.wait_logged("Captured response", answer.headers["x-request-id"])


def test_a_trace_begins_here(start, echo):
    product = start(echo)
    seen = [ask(product)[1]["traceparent"] for _ in range(20)]
    assert all(len(values) == 1 and re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-03", values[0]) for values in seen)
    assert len({values[0].split("-")[1] for values in seen}) == len({values[0].split("-")[2] for values in seen}) == 20
    _, fields = ask(product, traceparent="00-nonsense", tracestate="vendor=1")
    assert fields["tracestate"] == [] and "nonsense" not in fields["traceparent"][0]


def test_a_failed_upstream_is_logged_with_its_trace(start):
    product = start("http://127.0.0.1:1")
    assert httpx.post(f"{product.url}/v1/chat/completions", json=QUESTION, headers={"traceparent": TRACEPARENT}).status_code == 502
    assert "trace_id=0af7651916cd43dd8448eb211c80319c" in product.wait_logged("Upstream failed")


def test_fields_of_answers(start, mock):
    product = start()
    answer = httpx.post(f"{product.url}/v1/chat/completions", json=QUESTION)
    assert answer.headers["x-truthtable-upstream"] == mock.url.removeprefix("http://")
    assert 0 <= float(answer.headers["x-truthtable-overhead-ms"]) < 1000
    assert re.fullmatch(r"aud_[0-9a-f]{24}", answer.headers["x-truthtable-audit-id"])
    slow = httpx.post(f"{product.url}/v1/chat/completions", json={**QUESTION, "mock": {"delay_ms": 700}})
    assert float(slow.headers["x-truthtable-overhead-ms"]) < 700, "the upstream's time is not ours"
    assert "x-truthtable-audit-id" not in httpx.post(f"{product.url}/v1/chat/completions", json={**QUESTION, "mock": {"status": 500}}).headers


def test_fields_turned_off(start):
    product = start(answer_headers="false")
    answer = httpx.post(f"{product.url}/v1/chat/completions", json=QUESTION)
    ours = {name for name in answer.headers if name.startswith("x-truthtable-")}
    assert ours == {"x-truthtable-request-id"} and answer.headers["x-request-id"]
