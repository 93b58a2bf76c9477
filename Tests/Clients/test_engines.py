"""External engines: their verdicts reach the dashboards, and whatever an engine does, answers flow and every capture has an outcome."""

import json
import os
import signal
import threading
from contextlib import ExitStack

import httpx
import pytest

from product import Engine, Mock, questions, wait_until
from test_audits import Dashboard, ask, inner
from wire import Upstream

QUESTIONS = questions()
FOOTBRIDGE = QUESTIONS[0]
# Of two claims the documents neither say nor deny much.
DOUBTFUL = {**FOOTBRIDGE["request"], "test_response": "It was opened on 12 May 2009. The bridge over the Aune took two years to build. The footbridge is a favourite of walkers in Marrowby."}


@pytest.fixture
def engine():
    with ExitStack() as stack:

        def start(*options, port=0):
            engine = Engine(*options, port=port)
            stack.callback(engine.end)
            return engine

        yield start


@pytest.fixture
def judge():
    with ExitStack() as stack:

        def start(*options):
            judge = Mock(*options)
            stack.callback(judge.end)
            return judge

        yield start


def audit_of(product, body=None, **options):
    """Asks one question; the event of its audit."""
    with Dashboard(product.ws_url) as dashboard:
        return dashboard.audit(ask(product, body or FOOTBRIDGE["request"], **options))


def claim(audit, words):
    return next(claim for claim in audit["verifications"] if words in claim["claim"])


def burst(product, count=20):
    """So many questions at once; all are answered, whatever the engine does."""
    statuses = []

    def one():
        answer = httpx.post(f"{product.url}/v1/chat/completions", json=FOOTBRIDGE["request"], timeout=20)
        statuses.append(answer.status_code)

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * count


# gRPC


@pytest.mark.parametrize("options", [[], ["--gzip"], ["--seconds", "0.7"], ["--forget"]], ids=["plain", "gzip", "slow", "forgetful"])
def test_the_grpc_engine_audits(options, engine, start):
    product = start(grpc_address=engine(*options).address)
    message = audit_of(product)
    assert message["type"] == "audit_result"
    audit = inner(message)
    assert audit["engine"] == "example" and audit["engine_version"] == "1" and audit["fallback"] is None
    assert audit["total_claims"] == 5 and 0 <= audit["trust_score"] <= 100 and audit["grade"] in "ABCDF"
    length = claim(audit, "184 metres")
    assert length["verdict"] == "contradicted" and not length["supported"]
    assert audit["answer"][length["start"]:length["end"]] == length["claim"]
    assert "148 metres" in length["evidence"][0] and "184" in length["evidence_details"][0]["unmatched"]
    assert length["evidence_details"][0]["document"] == 1
    product.wait_logged("Audit engine connected", "engine=grpc")
    ledger = product.wait_at_rest()
    assert ledger["audited"] == 1


def test_the_grpc_engine_over_tls(engine, start, authority):
    with_tls = engine("--tls", f"{authority / 'good.pem'},{authority / 'good.key'}")
    product = start(grpc_address=with_tls.address, grpc_tls="true", engine_ca_file=authority / "ca.pem")
    assert inner(audit_of(product))["engine"] == "example"
    stranger = start(grpc_address=with_tls.address, grpc_tls="true")
    message = audit_of(stranger)
    assert message["type"] == "error" and "TRUTHTABLE_ENGINE_CA_FILE" in json.dumps(message)


def test_many_audits_run_at_once_over_one_connection(engine, start):
    """20 audits of a second each in one auditor end long before 20 seconds, also where the engine allows four calls at once."""
    product = start(grpc_address=engine("--seconds", "1", "--streams", "4").address, auditor_count=1, worker_count=20)
    burst(product, 20)
    wait_until(lambda: product.figure("running_jobs") == 20, 5, "20 audits that run", pause=0.005)
    ledger = product.wait_at_rest(10)
    assert ledger["audited"] == 20


def test_connections_that_end_are_followed_by_others(engine, start):
    """An engine that sends GOAWAY every second: no audit is lost by it."""
    product = start(grpc_address=engine("--connection-age", "1", "--seconds", "0.3").address, auditor_count=1)
    for _ in range(8):
        assert audit_of(product)["type"] == "audit_result"
    assert product.wait_at_rest()["audited"] == 8


FAULTS = {
    "hang": (["--hang"], "audit timed out"),
    "too slow": (["--seconds", "60"], "audit timed out"),
    "unavailable": (["--refuse", "UNAVAILABLE"], "UNAVAILABLE: refused on purpose: 100 % – ünicode"),
    "internal": (["--refuse", "INTERNAL"], "INTERNAL: refused on purpose"),
    "invalid": (["--refuse", "INVALID_ARGUMENT"], "INVALID_ARGUMENT: refused on purpose"),
    "failing": (["--fail", "no model loaded"], "no model loaded"),
    "bad result": (["--bad-result"], "trust_score"),
    "reset": (["--raw", "reset"], "could not reach the engine"),
    "silent": (["--raw", "silent"], "audit timed out"),
    "garbage": (["--raw", "garbage"], "does not speak HTTP/2"),
    "http1": (["--raw", "http1"], "does not speak HTTP/2"),
    "absent": (None, "Connection refused"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_whatever_the_grpc_engine_does_answers_flow_and_the_ledger_balances(name, engine, start):
    options, reason = FAULTS[name]
    peer = engine(*(options or []))
    if options is None:
        peer.end()
    product = start(grpc_address=peer.address, grpc_timeout="2s", auditor_count=1)
    message = audit_of(product)
    assert message["type"] == "error" and reason in json.dumps(message, ensure_ascii=False), message
    if name == "absent":
        product.wait_logged("Could not connect to audit engine at", peer.address)
        product.wait_logged("Audit failed: ", "Connection refused")
        assert "truthtable_engines_down" in product.metrics()
        wait_until(lambda: json.loads(product.get("/health").body)["audit_service"] == "engine_down", 5, "health that tells of it")
    burst(product)
    ledger = product.wait_at_rest(20)
    assert ledger["captured"] == 21 and ledger["audited"] == 0
    assert sum(ledger["failed"].values()) == 21


@pytest.mark.parametrize("name", ["hang", "unavailable", "bad result", "garbage", "absent"])
def test_the_embedded_engine_stands_in(name, engine, start):
    options, reason = FAULTS[name]
    peer = engine(*(options or []))
    if options is None:
        peer.end()
    product = start(grpc_address=peer.address, grpc_timeout="1s", engine_fallback="true")
    audit = inner(audit_of(product))
    assert audit["engine"] == "embedded" and audit["total_claims"] == 5
    assert audit["fallback"]["engine"] == "grpc" and reason in audit["fallback"]["reason"]
    assert product.wait_at_rest()["audited"] == 1


def test_an_engine_that_comes_back_is_asked_again(engine, start):
    peer = engine()
    product = start(grpc_address=peer.address, auditor_count=1)
    assert audit_of(product)["type"] == "audit_result"
    peer.end()
    burst(product, 10)
    assert sum(product.wait_at_rest()["failed"].values()) == 10
    engine(port=peer.port)
    # The breaker's rest is seconds long; until then captures fail, and are counted.
    wait_until(lambda: audit_of(product)["type"] == "audit_result", 40, "an audit by the engine that came back", pause=0.5)
    product.wait_at_rest()
    wait_until(lambda: json.loads(product.get("/health").body)["audit_service"] == "up", 10, "health that tells of it")


def test_an_auditor_that_dies_with_calls_under_way(engine, start):
    product = start(grpc_address=engine("--seconds", "1.5").address, auditor_count=2, worker_count=8)
    burst(product, 8)
    wait_until(lambda: product.figure("running_jobs") == 8, 5, "8 audits that run")
    os.kill(product.pids("auditor")[0], signal.SIGKILL)
    ledger = product.wait_at_rest(40)
    assert ledger["audited"] == 8, ledger


# The judge


def test_the_judge_audits(judge, start):
    product = start(engine="judge", judge_url=f"{judge().url}/v1", judge_model="mock-judge", judge_input_price="2", judge_output_price="4")
    audit = inner(audit_of(product))
    assert audit["engine"] == "judge" and audit["engine_version"] == "mock-judge" and audit["fallback"] is None
    assert audit["total_claims"] == 5
    assert claim(audit, "184 metres")["verdict"] == "contradicted"
    river = claim(audit, "River Aune")
    assert river["supported"] and river["confidence"] == 0.9 and river["reasoning"] == "The mock finds every word."
    usage = audit["engine_usage"]
    assert usage["calls"] == 1 and usage["prompt_tokens"] > 100 and usage["completion_tokens"] > 10
    assert usage["cost"] == pytest.approx((usage["prompt_tokens"] * 2 + usage["completion_tokens"] * 4) / 1e6)
    assert "truthtable_judge_tokens_total" in product.metrics()


def judging_upstream(*replies):
    """A judge whose answers the test says, one after the other; the last again and again."""
    remaining = list(replies)

    def answer(wire, request):
        reply = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        if isinstance(reply, bytes):
            wire.send(reply)
            return
        material = json.loads(json.loads(request.body)["messages"][1]["content"])
        content = reply(material) if callable(reply) else reply
        body = json.dumps({"model": "m", "choices": [{"message": {"content": content}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 10, "completion_tokens": 5}}).encode()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    return Upstream(answer)


def all_supported(material):
    return json.dumps({"claims": [
        {"id": entry["id"], "verdict": "supported", "confidence": 1, "document": entry.get("document"), "quote": entry.get("passage"), "reasoning": "Yes."}
        for entry in material["claims"]
    ]})


def test_the_judge_gets_the_case_and_nothing_more(start):
    upstream = judging_upstream(all_supported)
    product = start(engine="judge", judge_url=f"{upstream.url}/base/v1/", judge_model="m", judge_key="sk-very-secret")
    secret = {**FOOTBRIDGE["request"], "user": "somebody@example.com", "metadata": {"tenant": "acme"}}
    audit = inner(audit_of(product, secret, headers={"X-Team": "blue", "Authorization": "Bearer sk-client"}))
    assert audit["trust_score"] == 100
    request, = upstream.requests
    assert request.target == "/base/v1/chat/completions" and request.value("Authorization") == "Bearer sk-very-secret"
    text = request.body.decode()
    for foreign in ["somebody@example.com", "acme", "blue", "sk-client", "careful assistant"]:
        assert foreign not in text and foreign not in str(request.fields)
    material = json.loads(json.loads(text)["messages"][1]["content"])
    assert set(material) == {"question", "documents", "claims"} and len(material["claims"]) == 5
    assert "sk-very-secret" not in product.log + json.dumps(audit)
    assert not upstream.violations
    upstream.close()


def test_the_judge_is_asked_about_doubtful_claims_only(start):
    upstream = judging_upstream(all_supported)
    product = start(engine="embedded,judge", judge_url=upstream.url, judge_model="m", test_mode="true")
    embedded = start(test_mode="true")
    for request in [*(question["request"] for question in QUESTIONS), DOUBTFUL]:
        before = len(upstream.requests)
        first = inner(audit_of(embedded, request))
        second = inner(audit_of(product, request))
        asked = [entry["claim"] for sent in upstream.requests[before:] for entry in json.loads(json.loads(sent.body)["messages"][1]["content"])["claims"]]
        assert second["engine"] == ("embedded,judge" if asked else "embedded")
        for one, other in zip(first["verifications"], second["verifications"], strict=True):
            probability = one["confidence"] if one["supported"] else 1 - one["confidence"]
            assert (one["claim"] in asked) == (abs(probability - 0.34) <= 0.15), one
            if one["claim"] not in asked:
                assert one == other
    assert upstream.requests, "none of these claims is doubtful: the test shows nothing"
    upstream.close()


@pytest.mark.parametrize("first", ["no JSON", "[]", '{"claims":[]}', b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"])
def test_a_useless_answer_of_the_judge_is_asked_for_once_more(first, start):
    upstream = judging_upstream(first, all_supported)
    product = start(engine="judge", judge_url=upstream.url)
    audit = inner(audit_of(product))
    assert audit["trust_score"] == 100 and audit["engine_usage"]["calls"] == 2
    if isinstance(first, str):
        assert "could not be used" in upstream.requests[1].body.decode()
    upstream.close()


JUDGE_FAULTS = {
    "useless": (["--answer", "I think so."], "not one JSON object"),
    "busy": (["--status", "429"], "HTTP 429"),
    "forbidden": (["--status", "401"], "HTTP 401"),
    "refusing": (["--fail", "refuse"], "closed"),
    "reset": (["--fail", "reset"], "reset"),
    "stalled": (["--fail", "stall"], "audit timed out"),
    "cut": (["--fail", "cut"], "before the end"),
    "garbage": (["--fail", "garbage"], "malformed"),
    "slow": (["--delay-ms", "20000"], "audit timed out"),
    "absent": (None, "Connection refused"),
}


@pytest.mark.parametrize("name", JUDGE_FAULTS)
def test_whatever_the_judge_does_answers_flow_and_the_ledger_balances(name, judge, start):
    options, reason = JUDGE_FAULTS[name]
    peer = judge(*(options or []))
    if options is None:
        peer.end()
    product = start(engine="judge", judge_url=f"{peer.url}/v1", judge_timeout="2s", auditor_count=1)
    message = audit_of(product)
    assert message["type"] == "error" and reason in json.dumps(message), message
    if name == "absent":
        product.wait_logged("Could not connect to audit engine at", peer.url)
    burst(product)
    ledger = product.wait_at_rest(30)
    assert ledger["captured"] == 21 and sum(ledger["failed"].values()) == 21


def test_the_first_verdict_stands_where_the_judge_fails(judge, start):
    peer = judge("--status", "500")
    product = start(engine="embedded,judge", judge_url=f"{peer.url}/v1", test_mode="true")
    audits = [inner(audit_of(product, request)) for request in (FOOTBRIDGE["request"], DOUBTFUL)]
    marked = [audit["fallback"] for audit in audits if audit["fallback"]]
    assert marked and all(mark["engine"] == "judge" and "HTTP 500" in mark["reason"] or "left alone" in mark["reason"] for mark in marked)
    assert all(audit["engine"] == "embedded" for audit in audits)


def test_a_judge_alone_can_be_stood_in_for(judge, start):
    peer = judge("--fail", "refuse")
    product = start(engine="judge", judge_url=f"{peer.url}/v1", engine_fallback="true")
    audit = inner(audit_of(product))
    assert audit["engine"] == "embedded" and audit["fallback"]["engine"] == "judge"


def test_grpc_with_a_judge(engine, start):
    upstream = judging_upstream(all_supported)
    product = start(engine="grpc,judge", grpc_address=engine().address, judge_url=upstream.url, judge_model="m")
    audit = inner(audit_of(product))
    assert audit["engine"] in ("example", "example,judge") and audit["total_claims"] == 5
    upstream.close()


def test_a_drain_waits_for_calls_under_way(engine, start):
    product = start(grpc_address=engine("--seconds", "1").address)
    with Dashboard(product.ws_url) as dashboard:
        request_id = ask(product, FOOTBRIDGE["request"])
        wait_until(lambda: product.figure("running_jobs") == 1, 5, "an audit that runs")
        product.signal(signal.SIGTERM)
        assert dashboard.audit(request_id)["type"] == "audit_result"
    assert product.wait() == 0
