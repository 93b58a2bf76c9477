"""Answers made to cost memory or time: each ends in a verdict or a reason, and the auditor stays alive and small."""

import gzip
import json
import zlib

from product import memory_bytes
from wire import Upstream, exchange

CASES = {
    "a million bytes in one line": "word " * 200_000, "one word": "x" * 250_000, "tiny claims": "A b 1. " * 36_000, "a table": "|a|b|\n|-|-|\n" + "|1|2|\n" * 30_000,
    "digits": "1" * 100_000 + " is 2.", "accents": "e" + "\u0301" * 40_000 + " is 4.", "citations": "[1]" * 60_000, "lists": "\n".join("  " * depth + "- a b" for depth in range(450)),
}


def chat(text):
    return json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]}, ensure_ascii=False).encode()


def bomb(window):
    """300 MB of claims in less than the 256 KiB that are captured of a body."""
    packer = zlib.compressobj(9, zlib.DEFLATED, window)
    head, block = packer.compress(b'{"choices":[{"message":{"content":"'), b"A b 1. " * 140_000
    return head + b"".join(packer.compress(block) for _ in range(150)) + packer.flush()


def hostile():
    yield from ((name, chat(text), "") for name, text in CASES.items())
    yield "a list in a list in a list", b"[" * 250_000, ""
    yield "objects in objects", b'{"a":' * 50_000, ""
    yield "invalid UTF-8", b'{"choices":[{"message":{"content":"The mill has \xff\xfe 4 floors.' + b"\xc3" * 1000 + b'"}}]}', ""
    yield "halves of surrogates", b'{"choices":[{"message":{"content":"' + rb"\ud800" * 20_000 + b'"}}]}', ""
    yield "zero bytes", bytes(200_000), ""
    yield "numbers beyond", b'{"choices":[{"message":{"content":"The mill."}}],"usage":{"prompt_tokens":9223372036854775807,"completion_tokens":1e999}}', ""
    yield "100,000 tiny claims, gzipped", gzip.compress(chat("A b 1. " * 100_000)), "gzip"
    yield "a bomb of gzip", bomb(31), "gzip"
    yield "a bomb of deflate", bomb(15), "deflate"
    yield "gzip of nothing", b"\x1f\x8b\x08\0" + b"\xff" * 5000, "gzip"
    yield "many codings", chat("The mill."), ", ".join(["gzip"] * 500)


def test_hostile_answers_end_in_a_verdict_or_a_reason(start):
    upstream = Upstream()
    product = start(upstream.url, auditor_count=1)
    body = json.dumps({"model": "m", "documents": ["The mill has 3 floors. " * 1000], "messages": [{"role": "user", "content": "How high is the mill?"}]}).encode()
    request = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    pid, = product.pids("auditor")
    for number, (name, answer, coding) in enumerate(hostile(), 1):
        fields = f"Content-Type: application/json\r\nContent-Length: {len(answer)}\r\n" + (f"Content-Encoding: {coding}\r\n" if coding else "")
        upstream.answer = f"HTTP/1.1 200 OK\r\n{fields}\r\n".encode() + answer
        assert exchange(product.port, request).body == answer, name
        ledger = product.wait_at_rest(10, captured=number)
        assert ledger["audited"] + sum(ledger["skipped"].values()) == number, name
        assert memory_bytes(pid) < 64 << 20, name
    assert product.pids("auditor") == [pid]
    assert ledger["audited"] >= len(CASES) + 6
    upstream.close()
