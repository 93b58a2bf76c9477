"""`truthtable audit`: whatever is in a file or comes through a pipe, each line has its answer, and what is wrong is said in words."""

import json
import os
import resource
import subprocess

import pytest

from product import executable

GOOD = {"id": "a", "query": "How high is it?", "context": ["The mill has 3 floors."], "claim": "The mill has 4 floors."}


def line(**members):
    return json.dumps({**GOOD, **members}).encode() + b"\n"


def audit(*arguments, data=b"", memory=None, **streams):
    """Runs it on `data`; within `memory` bytes of address space if that is told."""

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))

    streams.setdefault("stdout", subprocess.PIPE)
    return subprocess.run(
        [executable("truthtable"), "audit", "-", *arguments], input=data, stderr=subprocess.PIPE, preexec_fn=limit if memory else None, timeout=120, **streams)


def lines(result):
    return [json.loads(text) for text in result.stdout.splitlines()]


def test_a_verdict_on_one_exchange():
    assert b"The answer says 4, the document says 3." in audit(data=line()).stdout
    shown = json.loads(audit("--json", data=line()).stdout)
    assert shown["verdict_kind"] == "contradicted" and shown["trust_score"] < 50


def test_a_line_for_a_line_and_ids_as_they_came():
    ids = ["a", 7, 1.5, "", None]
    result = audit("--jsonl", data=b"".join(line(id=id) for id in ids))
    assert result.returncode == 0 and [answer["id"] for answer in lines(result)] == ids
    assert all(answer["support"] < 0.5 for answer in lines(result))


BAD = {
    "no JSON": (b"mill", "\"m\""),
    "cut": (b'{"id":"a","claim":"x', "too early"),
    "UTF-16": (b"\xff\xfe{\0}\0", "0xff"),
    "zero bytes": (bytes(2000), "0x00"),
    "a zero byte in a text": (b'{"claim":"a\0b"}', "0x00"),
    "two values": (b'{"claim":"a"} {}', "behind it"),
    "an escape that is none": (b'{"claim":"\\x"}', "escape"),
    "nested deeply": (b'{"context":' + b"[" * 100_000, "too deep"),
    "many values": (b'{"context":[' + b"1," * 200_000 + b"1]}", "too many"),
    "no object": (b"[]", "no object"),
    "nothing in it": (b"{}", "neither"),
    "a claim that is no text": (line(claim=4), "`claim`"),
    "a question that is no text": (line(query=[]), "`query`"),
    "a context that is a number": (line(context=4), "`context`"),
    "a context of numbers": (line(context=[4, True]), "`context`"),
    "longer than the limit": (line(claim="x" * (16 << 20)), "16 MiB"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_line_has_an_answer_and_harms_no_other(name):
    bad, words = BAD[name]
    result = audit("--jsonl", data=line() + b"\n \r\n" + bad.rstrip(b"\n") + b"\n" + line(id="b"))
    assert result.returncode == 65
    first, wrong, last = lines(result)
    assert first["support"] == last["support"] and last["id"] == "b"
    assert words in wrong["error"] and wrong["error"].startswith("line 4: ")
    complaint, = result.stderr.decode().splitlines()
    assert complaint.startswith("truthtable: standard input, line 4: ") and words in complaint


def test_a_byte_order_mark_is_passed_over():
    assert audit("--jsonl", data=b"\xef\xbb\xbf" + line()).stdout == audit("--jsonl", data=line()).stdout
    assert audit(data=b"\xef\xbb\xbf" + line()).stdout == audit(data=line()).stdout


def test_invalid_utf8_is_read_as_far_as_it_goes():
    result = audit("--jsonl", data=line().replace(b"floors", b"fl\xffoors"))
    answer, = lines(result)
    assert result.returncode == 0 and answer["id"] == "a"


def test_what_cannot_be_written_is_no_success(tmp_path):
    with open("/dev/full", "wb") as full:
        result = audit("--jsonl", data=line(), stdout=full)
    assert result.returncode == 74 and b"No space left" in result.stderr
    # A reader that has seen enough is none of our business.
    reading, writing = os.pipe()
    os.close(reading)
    result = audit("--jsonl", data=line() * 5000, stdout=writing)
    os.close(writing)
    assert result.returncode in (0, -13) and result.stderr == b""


def test_memory_is_bounded_whatever_comes():
    room = 256 << 20
    cases = {
        "tiny claims": line(claim=None, answer="A b 1. " * 100_000),
        "one word": line(claim=None, answer="y" * 6_000_000, context=["z" * 6_000_000]),
        "one line of words": line(claim=None, answer="word " * 1_000_000),
    }
    for name, data in cases.items():
        data = json.dumps({key: value for key, value in json.loads(data).items() if value is not None}).encode()
        for option in ("--json", "--jsonl"):
            assert audit(option, data=data, memory=room).returncode == 0, name
    assert len(lines(audit("--jsonl", data=line() * 5000, memory=room))) == 5000
    assert audit("--jsonl", data=b"x" * (100 << 20), memory=room).returncode == 65
    assert audit("--json", data=b"x" * (100 << 20), memory=room).returncode == 65


def test_an_extraction_tells_question_and_documents_and_no_verdict():
    request = {"messages": [{"role": "user", "content": "How high?"}], "documents": ["The mill has 3 floors."]}
    given = [{"id": 1, "path": "/v1/chat/completions", "request": request, "response": {}}, {"id": 2, "response": {}}, {"id": 3, "path": 5, "request": request}, {"id": 4, "request": "no JSON"}]
    result = audit("--extract", "--jsonl", data=b"".join(json.dumps(entry).encode() + b"\n" for entry in given))
    found, missing, typed, opaque = lines(result)
    assert result.returncode == 65
    assert found == {"id": 1, "query": "How high?", "context_state": "found", "documents": [{"id": "doc-1", "source": "", "content": "The mill has 3 floors."}]}
    assert "neither" in missing["error"] and "`path`" in typed["error"] and opaque["documents"] == []
