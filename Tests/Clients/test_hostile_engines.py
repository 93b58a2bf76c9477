"""Engines that say anything: the auditor lives, the answer is asked for once more or refused with the reason, nothing more is sent."""

import json
import time

import pytest

from product import Product, ending
from test_audits import inner
from test_engines import FOOTBRIDGE, all_supported, audit_of
from wire import Upstream

KEY = "sk-canary-of-the-judge"


class Judge(Upstream):
    """Gives the replies of `script`, each once, then supports everything. A reply is the text of a completion, or a function of
    (wire, body of a good answer)."""

    def reset(self):
        super().reset()
        self.answer = self.reply
        self.script = []
        self.times = []

    def reply(self, wire, request):
        self.times.append(time.monotonic())
        reply = self.script.pop(0) if self.script else all_supported
        good = completion(all_supported(material(request)))
        if reply is all_supported:
            wire.send(http(good))
        elif isinstance(reply, str):
            wire.send(http(completion(reply)))
        else:
            return reply(wire, good)


def material(request):
    return json.loads(json.loads(request.body)["messages"][1]["content"])


def completion(content, **members):
    return json.dumps({"model": "m", "choices": [{"message": {"content": content}, "finish_reason": "stop"}], **members}).encode()


def http(body, status="200 OK", fields=""):
    return f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{fields}Content-Length: {len(body)}\r\n\r\n".encode() + body


def entry(**members):
    return json.dumps({"claims": [{"id": 1, "verdict": "supported", "confidence": 1, "document": 1, "quote": None, "reasoning": "Yes.", **members}]})


def raw(status, body=b"", fields=""):
    return lambda wire, good: wire.send(http(body, status, fields))


def body(text):
    return lambda wire, good: wire.send(http(text))


@pytest.fixture(scope="module")
def judge():
    judge = Judge()
    yield judge
    judge.close()


@pytest.fixture(scope="module")
def judged(mock, judge):
    settings = {"engine": "judge", "judge_url": judge.url, "judge_key": KEY, "judge_timeout": "5s", "auditor_count": 1, "log_level": "debug"}
    with ending(Product(mock.url, **settings)) as product:
        yield product
        assert product.restarts("auditor") == 0
        assert KEY not in product.log


def audited(judge, product, *script):
    judge.reset()
    judge.script = list(script)
    message = audit_of(product)
    assert KEY not in json.dumps(message)
    return message


USELESS = {
    "the least number": entry(id=-(1 << 63)), "the greatest number": entry(id=(1 << 63) - 1), "a number beyond": '{"claims":[{"id":1e999}]}', "an id in words": entry(id="1"),
    "a fraction": entry(id=1.5), "one claim of five": entry(), "twice the same": json.dumps({"claims": json.loads(entry())["claims"] * 5}),
    "another verdict": entry(verdict="unverifiable"), "too sure": entry(confidence=1.01), "less than unsure": entry(confidence=-1),
    "a document that is none": entry(document=-(1 << 63)), "a long quote": entry(quote="x" * 3000), "no reason": entry(reasoning=""),
    "no list": '{"claims":{}}', "no objects": '{"claims":[1,null,[]]}', "in a fence": "```json\n{}\n```", "words": "I think so.", "nothing": "", "deep": "[" * 100_000,
    "no text": body(b'{"choices":[{"message":{"content":null}}]}'), "no choice": body(b'{"choices":[]}'), "no completion": body(b"[]"), "no bytes": body(b""),
    "invalid UTF-8": body(b'{"choices":[{"message":{"content":"\xff\xfe"}}]}'), "compressed": raw("200 OK", b"\x1f\x8b\x08\0\0", "Content-Encoding: gzip\r\n"),
    "too long": body(b'{"choices":"' + b"x" * (2 << 20) + b'"}'), "a long head": raw("200 OK", fields="X: " + "x" * 40_000 + "\r\n"),
    "another protocol": raw("101 Switching Protocols", fields="Upgrade: x\r\nConnection: Upgrade\r\n"), "two lengths": raw("200 OK", fields="Content-Length: 7\r\n"),
    "no room": raw("429 Too Many Requests"), "a fault": raw("500 Internal Server Error"), "no HTTP": lambda wire, good: wire.send(b"SSH-2.0-x\r\n\r\n"),
    "half of it": lambda wire, good: wire.send(http(good)[:-20]) or False,
}


@pytest.mark.parametrize("name", USELESS)
def test_a_useless_answer_is_asked_for_exactly_once_more(name, judge, judged):
    audit = inner(audited(judge, judged, USELESS[name]))
    assert audit["trust_score"] == 100 and audit["engine_usage"]["calls"] == 2 and len(judge.requests) == 2
    assert material(judge.requests[0]) == material(judge.requests[1])


@pytest.mark.parametrize("name", ["one claim of five", "no room", "a fault", "half of it"])
def test_after_the_second_time_the_audit_has_failed(name, judge, judged):
    message = audited(judge, judged, USELESS[name], USELESS[name])
    assert message["type"] == "error" and len(judge.requests) == 2
    audited(judge, judged)  # so that five faults in a row, after which a judge is left alone, do not come about


def test_redirections_are_not_followed(judge, judged):
    other = Upstream()
    message = audited(judge, judged, raw("307 Temporary Redirect", fields=f"Location: {other.url}/v1/chat/completions\r\n"))
    other.close()
    assert message["type"] == "error" and "HTTP 307" in json.dumps(message)
    assert len(judge.requests) == 1 and not other.requests
    audited(judge, judged)


def pieces(wire, good):
    wire.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 50 + b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for at in range(0, len(good), 100):
        piece = good[at:at + 100]
        wire.send(b"%x;a=b\r\n%s\r\n" % (len(piece), piece))
        time.sleep(0.005)  # so that they come one by one: the slowness is what the judge is like here
    wire.send(b"0\r\nX: y\r\n\r\n")


def until_the_end(wire, good):
    wire.send(b"HTTP/1.1 200 OK\r\n\r\n" + good)
    return False


@pytest.mark.parametrize("answer", [pieces, until_the_end])
def test_a_good_answer_in_whatever_framing(answer, judge, judged):
    audit = inner(audited(judge, judged, answer))
    assert audit["trust_score"] == 100 and audit["engine_usage"]["calls"] == 1


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
def test_a_judge_says_when_to_come_back(status, judge, judged):
    audit = inner(audited(judge, judged, raw(status, fields="Retry-After: 2\r\n")))
    assert audit["trust_score"] == 100
    first, second = judge.times
    assert 2 <= second - first < 4
    # Later than there is time: it is not asked again, and nobody waits.
    began = time.monotonic()
    message = audited(judge, judged, raw(status, fields="Retry-After: 3600\r\n"))
    assert message["type"] == "error" and status[:3] in json.dumps(message) and len(judge.requests) == 1
    assert time.monotonic() - began < 4
    audited(judge, judged)


def test_a_long_name_of_a_model_does_not_fill_the_event(judge, judged):
    def answer(wire, good):
        wire.send(http(json.dumps({**json.loads(good), "model": "m" + "\u0301" * 200_000}).encode()))

    audit = inner(audited(judge, judged, answer))
    assert audit["trust_score"] == 100 and len(audit["verifications"]) == 5
    assert len(json.dumps(audit, ensure_ascii=False).encode()) < 64 << 10
