"""The gateway as a hostile stranger meets it, on raw sockets: keys that must go nowhere else, limits that must hold through reloads
and deaths, pages, traces and parameters in every odd form (docs/GATEWAY.md, docs/API.md)."""

import hashlib
import json
import os
import re
import select
import signal
import socket
import threading
import time

import pytest

from product import free_port, memory_holds, stays, wait_until
from tls import secure
from wire import OK, Upstream, connect, early_answers, exchange, refuse_early

JSON_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


def request(method, target, *lines, body=b"", host="localhost"):
    length = [f"Content-Length: {len(body)}"] if body else []
    return "".join(f"{line}\r\n" for line in [f"{method} {target} HTTP/1.1", f"Host: {host}", *lines, *length, ""]).encode() + body


def post(body=b"{}", *lines, target="/v1/chat/completions"):
    return request("POST", target, *lines, body=body)


@pytest.fixture
def upstreams():
    made = []

    def make(answer=OK):
        made.append(Upstream(answer))
        made[-1].answer = answer
        return made[-1]

    yield make
    for upstream in made:
        upstream.close()


# Upstreams


def test_weights_show_in_the_figures(start, upstreams):
    one, two, three = (upstreams() for _ in range(3))
    product = start(f"{one.url} weight=5, {two.url} weight=2, {three.url}")
    client = connect(product.port)
    for _ in range(80):
        client.send(post())
        assert client.answer("POST").status == 200
    assert [product.figure("upstream_requests_total", upstream=upstream.url) for upstream in (one, two, three)] == [50, 20, 10]
    assert [len(upstream.requests) for upstream in (one, two, three)] == [50, 20, 10]


def test_the_shares_of_a_dead_upstream_go_to_the_others_by_their_weights(start, upstreams):
    dead = free_port()
    two, three = upstreams(), upstreams()
    product = start(f"http://127.0.0.1:{dead} weight=9, {two.url} weight=3, {three.url}", breaker_faults=1, breaker_open_time="60s")
    client = connect(product.port)
    for _ in range(40):
        client.send(post())
        assert client.answer("POST").status == 200
    assert abs(len(two.requests) - 30) <= 1 and len(two.requests) + len(three.requests) == 40
    assert product.figure("upstream_faults_total", upstream=f"http://127.0.0.1:{dead}") == 1


@pytest.mark.parametrize("base, target, arrives", [("/base", "/v1/x", "/base/v1/x"), ("/base/", "/v1/x", "/base/v1/x"), ("/", "/v1/x", "/v1/x"), ("", "/v1/x?a=/", "/v1/x?a=/")])
def test_base_paths_of_routes_are_joined_with_one_slash(base, target, arrives, start, upstreams):
    upstream = upstreams()
    product = start("http://127.0.0.1:1", routes=f"/v1 => {upstream.url}{base}")
    assert exchange(product.port, request("GET", target)).status == 200
    assert upstream.requests[0].target == arrives


MODELS = {
    "first": (b'{"model":"llama3"}', True),
    "late": (b'{"messages":[{"role":"user","content":"' + b"x" * 50_000 + b'"}],"model":"llama3"}', True),
    "too late": (b'{"a":"' + b"x" * 66_000 + b'","model":"llama3"}', False),
    "nested": (b'{"a":{"model":"llama3"},"b":[{"model":"llama3"}]}', False),
    "in a text": (b'{"a":"\\"model\\":\\"llama3\\""}', False),
    "twice": (b'{"model":"gpt","model":"llama3"}', False),
    "with escapes": (b'{"model":"llama\\/3"}', True),
    "no text": (b'{"model":["llama3"]}', False),
    "no JSON": (b'model=llama3', False),
    "after white space": (b'\r\n\t {"model" : "llama3"}', True),
    "an array": (b'[{"model":"llama3"}]', False),
    "cut": (b'{"model":"llama3', False),
    "in capitals": (b'{"MODEL":"llama3"}', False),
    "empty": (b"", False),
}


@pytest.mark.parametrize("framing", ["length", "chunked", "pieces"])
def test_models_are_found_however_they_are_written(framing, start, upstreams):
    default, llama = upstreams(), upstreams()
    product = start(default.url, routes=f"model llama* => {llama.url}")
    for name, (body, matches) in MODELS.items():
        default.requests, llama.requests = [], []
        client = connect(product.port)
        if framing == "length":
            client.send(post(body))
        else:
            client.send(request("POST", "/v1/chat/completions", "Transfer-Encoding: chunked"))
            size = max(1, len(body) if framing == "chunked" else len(body) // 7)
            for at in range(0, len(body), size):
                piece = body[at : at + size]
                client.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            client.send(b"0\r\n\r\n")
        assert client.answer("POST").status == 200, name
        assert [len(llama.requests), len(default.requests)] == [matches, not matches], name
        assert (llama.requests or default.requests)[0].body == body, name


def test_one_upstream_alone_behind_its_breaker(start, upstreams):
    """Trials whose clients leave, or whose time is over, give their permit back; what works closes the breaker."""
    broken = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
    upstream = upstreams(broken)
    product = start(upstream.url, breaker_faults=2, breaker_open_time="200ms", exchange_timeout="600ms", upstream_timeout="10s")
    state = lambda: product.figure("upstream_breaker_state", upstream=upstream.url)
    # The upstream's own answer passes through, and counts.
    assert [exchange(product.port, post()).status for _ in range(2)] == [503, 503]
    assert exchange(product.port, post()).status == 502
    asked = len(upstream.requests)
    assert asked == 2
    silence = threading.Event()
    upstream.answer = lambda wire, request: silence.wait(10) and False
    for leaves in (True, True, False):
        wait_until(lambda: state() == 1, what="the breaker's time")
        trial = connect(product.port)
        trial.send(post())
        asked += 1
        wait_until(lambda: len(upstream.requests) == asked, what="the trial")
        assert exchange(product.port, post()).status == 502, "one trial at a time"
        if leaves:
            trial.close(reset=True)
        else:
            assert trial.answer("POST").status == 502, "TRUTHTABLE_EXCHANGE_TIMEOUT"
    upstream.answer = OK
    wait_until(lambda: exchange(product.port, post()).status == 200, what="a trial that works")
    wait_until(lambda: state() == 0, what="the closed breaker")
    assert product.figure("upstream_faults_total", upstream=upstream.url) == 2
    silence.set()


@pytest.mark.parametrize("chunked", [False, True])
def test_an_early_answer_stands_although_the_rest_of_the_request_finds_nobody(chunked, start, upstreams):
    """The upstream refuses a large upload and closes: its answer is the client's, not the failure of our next write."""
    upstream = upstreams(refuse_early)
    upstream.early = True
    product = start(upstream.url, breaker_faults=0)
    assert early_answers(product.port, chunked) == {413}


LIMITS = {
    "a chunk's line": (b"3;" + b"a" * 26 + b"\r\nabc\r\n0\r\n\r\n", b"3;" + b"a" * 29 + b"\r\nabc\r\n0\r\n\r\n", 400),
    "trailers": (b"0\r\nA: " + b"b" * 25 + b"\r\n\r\n", b"0\r\nA: " + b"b" * 26 + b"\r\n\r\n", 431),
}


@pytest.mark.parametrize("name", LIMITS)
def test_limits_of_chunks_are_settings(name, start, upstreams):
    within, beyond, status = LIMITS[name]
    upstream = upstreams()
    product = start(upstream.url, max_chunk_line=32, max_trailers=32)
    head = request("POST", "/c", "Transfer-Encoding: chunked")
    assert exchange(product.port, head + within).status == 200
    assert exchange(product.port, head + beyond).status == status
    # The same of answers, whose beginning the client has seen.
    for body, is_cut in ((within, False), (beyond, True)):
        upstream.answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body
        assert exchange(product.port, post()).is_cut == is_cut


REPEATED = {"GET": 2, "HEAD": 2, "POST": 1, "PUT": 1, "PATCH": 1, "DELETE": 1, "OPTIONS": 1, "PURGE": 1}


@pytest.mark.parametrize("method", REPEATED)
def test_what_is_asked_again_when_a_kept_connection_dies(method, start, upstreams):
    used, seen = set(), []

    def answer(wire, request):
        seen.append(request.target)
        if request.target == "/never" or request.target == "/again" and wire in used:
            return False
        used.add(wire)
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (2, b"" if request.method == "HEAD" else b"ok"))

    product = start(upstreams(answer).url, breaker_faults=0)
    client = connect(product.port)
    for target in ("/first", "/again", "/first", "/never"):
        client.send(request(method, target))
        said = client.answer(method)
        assert said.status == (502 if target == "/never" or target == "/again" and REPEATED[method] == 1 else 200)
    assert seen.count("/again") == REPEATED[method]
    # Once, and not when the connection was new.
    assert seen.count("/never") == REPEATED[method]


# Keys of upstreams


def test_a_key_from_a_file_is_known_to_edges_only(start, upstreams, tmp_path):
    canary = "canary" + os.urandom(8).hex()
    (tmp_path / "key").write_text(f"{canary}\n")
    upstream = upstreams(JSON_OK)
    product = start(f"{upstream.url} key=file:{tmp_path}/key key-field=x-goog-api-key", access_log="-", log_level="debug")
    said = exchange(product.port, post())
    assert said.status == 200 and upstream.requests[0].value("x-goog-api-key") == canary
    product.wait_at_rest(captured=1)
    everything = product.log + product.metrics() + json.dumps([product.stats(), product.status()]) + str(said.fields) + exchange(product.port, request("GET", "/v1/audits")).body.decode()
    assert canary not in everything
    for role in ("dispatcher", "auditor", "broadcaster"):
        assert not any(memory_holds(pid, canary.encode()) for pid in product.pids(role)), f"the key is in the memory of the {role}"
    assert any(memory_holds(pid, canary.encode()) for pid in product.pids("edge")), "the search finds nothing at all"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_the_clients_affair(status, start, upstreams):
    other = upstreams()
    first = upstreams(b"HTTP/1.1 %d Elsewhere\r\nLocation: %s/v1/x\r\nContent-Length: 0\r\n\r\n" % (status, other.url.encode()))
    product = start(f"{first.url} key=value:first-secret")
    said = exchange(product.port, post())
    assert said.status == status and said.value("Location") == f"{other.url}/v1/x"
    assert other.connections == 0 and "first-secret" not in str(said.fields)


def test_a_key_goes_to_its_own_upstream_whoever_fails(start, upstreams):
    """In turn each is the first; those that follow get heads of their own."""
    dead = free_port()
    two, three = upstreams(), upstreams()
    product = start(f"http://127.0.0.1:{dead} key=value:secret-one, {two.url} key=value:secret-two key-field=api-key, {three.url}", breaker_faults=0)
    for _ in range(12):
        assert exchange(product.port, post(b"{}", "Authorization: Bearer mine", "API-Key: mine-too", "X-Goog-API-Key: mine-three")).status == 200
    assert product.figure("upstream_failovers_total") == 4
    for seen in two.requests:
        assert seen.values("api-key") == ["secret-two"] and not any("mine" in value or "secret-one" in value for _, value in seen.fields)
    for seen in three.requests:
        assert seen.value("Authorization") == "Bearer mine" and seen.value("api-key") == "mine-too" and not any("secret" in value for _, value in seen.fields)


LOCAL = [([], 200), (["Origin: http://localhost:3000"], 200), (["Origin: http://127.0.0.1"], 200)]
FOREIGN = ["Origin: https://evil.example", "Origin: null", "Origin: http://localhost.evil.example", "Origin: file://", "X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.1"]


def test_who_spends_our_key(start, upstreams):
    upstream = upstreams()
    product = start(f"{upstream.url} key=value:ours")
    for lines, status in LOCAL:
        assert exchange(product.port, post(b"{}", *lines)).status == status, lines
    served = len(upstream.requests)
    for line in FOREIGN:
        said = exchange(product.port, post(b"{}", line))
        assert said.status == 403 and json.loads(said.body)["error"]["code"] in ("origin_not_allowed", "callers_need_keys"), line
    for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "192.0.2.1", "[::2]", "0.0.0.0"):
        assert exchange(product.port, request("POST", "/v1/x", body=b"{}", host=host)).status == 403, host
    assert exchange(product.port, b"POST http://evil.example/v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").status == 403
    assert len(upstream.requests) == served
    # Who says so in the settings may: pages of files by name, or everybody.
    listed = start(f"{upstream.url} key=value:ours", allowed_origins="local,null")
    assert exchange(listed.port, post(b"{}", "Origin: null")).status == 200
    anyone = start(f"{upstream.url} key=value:ours", serve_anyone="true")
    assert exchange(anyone.port, post(b"{}", "X-Forwarded-For: 192.0.2.1")).status == 200


@pytest.mark.parametrize("path", ["/stats", "/metrics", "/v1/audits", "/v1/audits/x"])
def test_own_paths_are_closed_to_whom_a_proxy_here_passes_on(path, product):
    for line in ("X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1"):
        assert exchange(product.port, request("GET", path, line)).status == 401
    assert exchange(product.ws_port, request("GET", "/", "X-Forwarded-For: 192.0.2.1")).status == 401


# Keys of callers


def key_file(path, keys):
    """`keys`: name → (requests per minute, concurrent streams); the key is its name."""
    lines = [f"{hashlib.sha256(name.encode()).hexdigest()} {name} {minute or '-'} {streams or '-'} now" for name, (minute, streams) in keys.items()]
    new = path.with_suffix(".new")
    new.write_text("\n".join(lines) + "\n")
    new.rename(path)


def reload(product, path, keys):
    before = product.log.count("Caller keys read")
    key_file(path, keys)
    wait_until(lambda: product.log.count("Caller keys read") > before, what="the new keys")


def ask_once(product, names, counts):
    """One request with each key, sent ahead on one connection."""
    client = connect(product.port, 30)
    names = list(names)
    for at in range(0, len(names), 100):
        client.send(b"".join(post(b"{}", f"x-api-key: {name}") for name in names[at : at + 100]))
        for name in names[at : at + 100]:
            status = client.answer("POST").status
            assert status in (200, 429)
            counts[name] += status == 200
    client.close()


@pytest.mark.parametrize("edges", [1, 2])
def test_a_thousand_keys_keep_what_they_have_used(edges, start, upstreams, tmp_path):
    """Through a change of the file, the death of the edge, and over two edges: exactly what is allowed, no more."""
    keys = {f"key-{number}": (2 + number % 3, None) for number in range(1000)}
    file = tmp_path / "keys"
    key_file(file, keys)
    product = start(upstreams().url, keys_file=file, audit_enabled="false", edge_count=edges)
    counts = dict.fromkeys(keys, 0)
    began = time.monotonic()
    ask_once(product, keys, counts)
    reload(product, file, keys | {"another": (1, None)})
    ask_once(product, keys, counts)
    product.kill("edge")
    wait_until(lambda: product.restarts("edge") == edges and product.is_ready(), what="the next edge")
    for _ in range(4):
        ask_once(product, keys, counts)
    took = time.monotonic() - began
    allowed = {name: minute for name, (minute, _) in keys.items()}
    if took < 60 / 4:  # before the first request of anybody's comes back
        assert counts == allowed
    else:  # a slow machine: nobody got more than what came back meanwhile
        assert all(allowed[name] <= count <= allowed[name] * (1 + took / 60) + 1 for name, count in counts.items())


def test_streams_are_held_through_a_change_of_the_file(start, upstreams, tmp_path):
    go = threading.Event()
    upstream = upstreams(lambda wire, request: go.wait(20) and wire.send(OK))
    file = tmp_path / "keys"
    key_file(file, {"bob": (None, 2)})
    product = start(upstream.url, keys_file=file)

    def begin():
        client = connect(product.port)
        client.send(post(b"{}", "x-api-key: bob"))
        return client

    first = begin()
    wait_until(lambda: len(upstream.requests) == 1)
    reload(product, file, {"bob": (None, 2), "carol": (None, None)})
    second = begin()
    wait_until(lambda: len(upstream.requests) == 2)
    assert exchange(product.port, post(b"{}", "x-api-key: bob")).status == 429
    second.close(reset=True)  # who leaves gives it back
    wait_until(lambda: product.figure("key_streams_open", key="bob") == 1)
    third = begin()
    wait_until(lambda: len(upstream.requests) == 3)
    # A revoked key's requests may finish, and new ones do not begin.
    reload(product, file, {"carol": (None, None)})
    assert exchange(product.port, post(b"{}", "x-api-key: bob")).status == 401
    go.set()
    assert first.answer("POST").status == third.answer("POST").status == 200
    wait_until(lambda: product.figure("key_streams_open", key="bob") == 0)


# An item of a list of structured fields (RFC 9651): a text with parameters that are whole numbers or texts.
POLICY = re.compile(r'"requests";q=\d+;w=60|"streams";q=\d+;qu="concurrent-requests"')
LIMIT = re.compile(r'"requests";r=0;t=\d+|"streams";r=0')


def test_streams_are_counted_over_all_edges(start, upstreams, tmp_path):
    """Whichever edge a request comes to; those of an edge that dies are free again."""
    go = threading.Event()
    upstream = upstreams(lambda wire, request: go.wait(20) and wire.send(OK))
    file = tmp_path / "keys"
    key_file(file, {"bob": (None, 3)})
    product = start(upstream.url, keys_file=file, edge_count=2)

    def ask(count):
        """One after the other; those that are under way, and how many were refused."""
        under_way, refused = [], 0
        for _ in range(count):
            arrived = len(upstream.requests)
            client = connect(product.port)
            client.send(post(b"{}", "x-api-key: bob"))
            wait_until(lambda: len(upstream.requests) > arrived or select.select([client.socket], [], [], 0)[0])
            if len(upstream.requests) > arrived:
                under_way.append(client)
            else:
                assert client.answer("POST").status == 429
                refused += 1
        return under_way, refused

    first, refused = ask(40)  # to one edge alone with a chance of 2 to the power of -39
    assert (len(first), refused) == (3, 37)
    product.kill("edge")
    wait_until(lambda: product.restarts("edge") == 2 and product.is_ready(), what="the next edges")
    second, refused = ask(10)
    assert (len(second), refused) == (3, 7)
    go.set()
    assert [client.answer("POST").status for client in second] == [200] * 3


def test_refusals_say_when_to_come_again(start, upstreams, tmp_path):
    """draft-ietf-httpapi-ratelimit-headers: `q` and `r` are a must, `t` tells seconds, and nobody comes too early by them."""
    go = threading.Event()
    upstream = upstreams(lambda wire, request: go.wait(20) and wire.send(OK))
    file = tmp_path / "keys"
    key_file(file, {"alice": (60, None), "bob": (None, 1), "dave": (1, None)})
    product = start(upstream.url, keys_file=file)
    held = connect(product.port)
    held.send(post(b"{}", "x-api-key: bob"))
    wait_until(lambda: len(upstream.requests) == 1)
    refused = exchange(product.port, post(b"{}", "x-api-key: bob"))
    assert refused.status == 429 and refused.value("Retry-After") == "1"
    assert POLICY.fullmatch(refused.value("RateLimit-Policy")) and LIMIT.fullmatch(refused.value("RateLimit"))
    go.set()
    client = connect(product.port)
    for name in ("dave", "dave"):
        client.send(post(b"{}", f"x-api-key: {name}"))
        refused = client.answer("POST")
    assert refused.status == 429 and refused.value("RateLimit-Policy") == '"requests";q=1;w=60'
    seconds = int(refused.value("Retry-After"))
    assert 55 <= seconds <= 60 and refused.value("RateLimit") == f'"requests";r=0;t={seconds}'
    error = json.loads(refused.body)["error"]
    assert error["code"] == "rate_limit_exceeded" and error["type"] == "rate_limit_error"
    # Who waits as long as it was told gets in.
    while True:
        client.send(post(b"{}", "x-api-key: alice"))
        refused = client.answer("POST")
        if refused.status == 429:
            break
    assert refused.value("Retry-After") == "1"
    stays(lambda: True, 1.0)
    client.send(post(b"{}", "x-api-key: alice"))
    assert client.answer("POST").status == 200


@pytest.mark.parametrize("lines", [
    ["Authorization: Bearer alice"], ["x-api-key: alice"], ["api-key: alice"], ["x-goog-api-key: alice"], ["Authorization: Bearer alice", "x-api-key: alice"],
    ["Authorization: Bearer alice", "api-key: bob"], ["x-api-key: alice", "x-api-key: alice"], ["Authorization: Bearer their-own", "x-api-key: alice"],
])
def test_keys_of_ours_are_sent_to_no_upstream(lines, start, upstreams, tmp_path):
    upstream = upstreams(JSON_OK)
    file = tmp_path / "keys"
    key_file(file, {"alice": (None, None), "bob": (None, None)})
    product = start(upstream.url, keys_file=file)
    assert exchange(product.port, post(b"{}", *lines)).status == 200
    [seen] = upstream.requests
    assert not any("alice" in value or "bob" in value for _, value in seen.fields)
    assert seen.value("Authorization") == ("Bearer their-own" if "their-own" in lines[0] else None)
    assert product.figure("key_requests_total", key="alice") == 1


@pytest.mark.parametrize("lines", [[], ["Authorization: Bearer "], ["Authorization: alice"], ["Authorization: Basic alice"], ["x-api-key: alice "], ["x-api-key: ALICE"], ["Cookie: key=alice"], ["x-api-key: " + "a" * 60_000]])
def test_what_is_no_key_opens_nothing(lines, start, upstreams, tmp_path):
    upstream = upstreams()
    file = tmp_path / "keys"
    key_file(file, {"alice": (None, None)})
    product = start(upstream.url, keys_file=file)
    said = exchange(product.port, post(b"{}", *lines))
    if lines == ["x-api-key: alice "]:  # white space around a value is none of it
        assert said.status == 200
    else:
        assert said.status == 401 and said.value("WWW-Authenticate") == "Bearer" and upstream.connections == 0
    # Neither does a parameter, nor the way round by another form of the target.
    assert exchange(product.port, request("GET", "/v1/models?key=alice&api_key=alice")).status == 401
    assert exchange(product.port, request("GET", "http://localhost/v1/models")).status == 401
    assert exchange(product.port, request("OPTIONS", "*")).status == 401


# Pages of other origins

PREFLIGHTS = {
    "one field": (["Access-Control-Request-Headers: authorization"], "authorization"),
    "no fields": ([], None),
    "an empty list": (["Access-Control-Request-Headers:"], ""),
    "many fields": (["Access-Control-Request-Headers: " + ",".join(f"x-{number}" for number in range(500))], ",".join(f"x-{number}" for number in range(500))),
    "bytes that are no names": (["Access-Control-Request-Headers: \xff\xfe"], None),
    "another network": (["Access-Control-Request-Private-Network: true"], None),
    "a body": (["Content-Length: 2"], None),
}


@pytest.mark.parametrize("name", PREFLIGHTS)
@pytest.mark.parametrize("keyed", [False, True])
def test_the_browsers_question_is_answered_here(name, keyed, start, upstreams, tmp_path):
    upstream = upstreams()
    file = tmp_path / "keys"
    file.write_text("")
    product = start(f"{upstream.url} key=value:ours", allowed_origins="https://app.example", **({"keys_file": file} if keyed else {}))
    lines, allowed = PREFLIGHTS[name]
    body = b"{}" if name == "a body" else b""
    for path in ("/v1/chat/completions", "/stats", "/health", "*"):
        client = connect(product.port)
        client.send("".join(f"{line}\r\n" for line in [f"OPTIONS {path} HTTP/1.1", "Host: localhost", "Origin: https://app.example", "Access-Control-Request-Method: POST", *lines, ""]).encode("latin-1") + body)
        said = client.answer("OPTIONS")
        assert said.status == 204 and said.value("Access-Control-Allow-Origin") == "https://app.example" and said.value("Access-Control-Allow-Credentials") == "true"
        assert "POST" in said.value("Access-Control-Allow-Methods") and said.value("Access-Control-Allow-Headers") == allowed
        assert said.value("Content-Length") is None and {"Origin", "Access-Control-Request-Headers"} <= set(said.values("Vary"))
        # The connection goes on.
        client.send(request("GET", "/livez"))
        assert client.answer().status == 200
        client.close()
    assert upstream.connections == 0


@pytest.mark.parametrize("origin", ["https://evil.example", "https://app.example.evil.example", "https://app.example:444", "http://app.example", "https://APP.example/", "null", "*", "x" * 1000])
def test_other_pages_read_nothing(origin, start, upstreams):
    upstream = upstreams(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nAccess-Control-Allow-Origin: *\r\nAccess-Control-Allow-Credentials: true\r\n\r\nok")
    product = start(upstream.url, allowed_origins="https://app.example")
    said = exchange(product.port, post(b"{}", f"Origin: {origin}"))
    assert said.status == 200 and not [name for name, _ in said.fields if name.lower().startswith("access-control-")] and "Origin" in said.values("Vary")
    asked = exchange(product.port, request("OPTIONS", "/v1/x", f"Origin: {origin}", "Access-Control-Request-Method: POST"))
    assert asked.status == 403 and not [name for name, _ in asked.fields if name.lower().startswith("access-control-")]
    # A plain OPTIONS is the upstream's.
    assert exchange(product.port, request("OPTIONS", "/v1/x", f"Origin: {origin}")).status == 200


# /v1/audits


@pytest.mark.parametrize("framing", ["length", "chunked", "in pieces"])
def test_a_wait_for_an_audit_outlives_the_time_of_a_body(framing, start):
    product = start(body_idle_timeout="300ms")
    client = connect(product.port)
    lines = ["Content-Length: 2"] if framing != "chunked" else ["Transfer-Encoding: chunked"]
    head = request("GET", "/v1/audits/unknown?wait=1s", *lines)
    if framing == "in pieces":
        client.send(head + b"{")
        client.send(b"}")
    else:
        client.send(head + (b"{}" if framing == "length" else b"2\r\n{}\r\n0\r\n\r\n"))
    began = time.monotonic()
    said = client.answer()
    assert said and said.status == 404 and time.monotonic() - began > 0.9
    client.send(request("GET", "/v1/audits?limit=1"))
    assert client.answer().status == 200


def test_a_body_that_stops_ends_the_wait(start):
    product = start(body_idle_timeout="300ms")
    client = connect(product.port)
    client.send(request("GET", "/v1/audits/unknown?wait=30s", "Content-Length: 2") + b"{")
    assert client.answer().status == 408 and client.ends()


PARAMETERS = {
    "limit=1": 200, "limit=100": 200, "limit=0": 400, "limit=101": 400, "limit=": 400, "limit=-1": 400, "limit=1.5": 400, "limit=65537": 400, "limit=99999999999999999999": 400, "limit=%31": 200,
    "since=0": 200, "since=999999999999999999": 200, "since=-1": 400, "since=": 400, "since=1e9": 400, "since=99999999999999999999": 400, "since=2026-01-01": 400,
    "grade=": 200, "grade=a": 200, "grade=F": 200, "grade=N/A": 200, "grade=n%2Fa": 200, "grade=E": 400, "grade=AA": 400, "grade=%00": 400, "grade=A%": 400,
    "before=": 400, "before=1-": 400, "before=-1": 400, "before=g-1": 400, "before=1-1-1": 400, "before=ffffffffffffffffff-1": 400,
    "unknown=1": 200, "&&=&": 200, "limit=1&limit=0": 200,
}


def test_parameters_at_their_edges(product):
    client = connect(product.port)
    for query, status in PARAMETERS.items():
        client.send(request("GET", f"/v1/audits?{query}"))
        said = client.answer()
        assert said.status == status, (query, said.body)
        assert isinstance(json.loads(said.body), dict)


@pytest.mark.parametrize("wait, status", [("0", 404), ("0s", 404), ("1ms", 404), ("2m", 404), ("121s", 400), ("-1s", 400), ("", 400), ("1", 400), ("1s1", 400), ("99999999999999999999s", 400), ("1%73", 404)])
def test_waits_at_their_edges(wait, status, product):
    client = connect(product.port)
    client.send(request("GET", f"/v1/audits/unknown?wait={wait}"))
    if wait == "2m":
        stays(lambda: True, 0.3)
        return client.close(reset=True)
    assert client.answer().status == status


@pytest.mark.parametrize("name", ["%00", "%zz", "%", "..", "%2e%2e%2fhealth", "a/b", "a" * 15_000, "%ff%fe", "%22%7d", "req_%0d%0aX-A:b"])
def test_odd_ids_are_no_audits(name, product):
    said = exchange(product.port, request("GET", f"/v1/audits/{name}"))
    assert said.status == 404 and "no such audit" in json.loads(said.body)["error"]


def test_a_wait_does_not_hold_up_the_end(start):
    product = start(auditor_count=1, auditor_hung_timeout="60s")
    stopped = product.kill("auditor", signal.SIGSTOP)
    looks, submits = connect(product.port, 30), connect(product.port, 30)
    looks.send(request("GET", "/v1/audits/unknown?wait=2m"))
    submits.send(post(b'{"response":"It is 3 metres long."}', target="/v1/audits?wait=2m"))
    wait_until(lambda: product.ledger()["pending"] == 1)
    began = time.monotonic()
    product.signal(signal.SIGTERM)
    said = looks.answer()
    assert (said.status, json.loads(said.body)) == (503, {"error": "worker pool is stopped"})
    said = submits.answer("POST")
    assert said.status == 504 and json.loads(said.body)["status"] == "pending"
    assert time.monotonic() - began < 12
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    assert product.wait() == 0
    ledger = json.loads(json.loads(re.findall(r"Final ledger ledger=(.*)", product.log)[-1]))
    assert ledger["audited"] == ledger["captured"] == 1, "the audit had the time that was left"


# Traces

PARENT = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"
TRACES = {  # W3C Trace Context, level 2, §3.2 and §4.3
    "valid": ([f"traceparent: 00-{PARENT}-01"], True),
    "name in capitals": ([f"TraceParent: 00-{PARENT}-01"], True),
    "white space around it": ([f"traceparent:  00-{PARENT}-01\t"], True),
    "flags that nobody knows": ([f"traceparent: 00-{PARENT}-ff"], True),
    "a later version": ([f"traceparent: cc-{PARENT}-01-what-the-future-will-be-like"], True),
    "a later version, no longer": ([f"traceparent: cc-{PARENT}-01"], True),
    "a later version, longer without a hyphen": ([f"traceparent: cc-{PARENT}-01.what"], False),
    "version 00, longer": ([f"traceparent: 00-{PARENT}-01-more"], False),
    "version ff": ([f"traceparent: ff-{PARENT}-01"], False),
    "version in capitals": ([f"traceparent: 0A-{PARENT}-01"], False),
    "version too short": ([f"traceparent: 0-{PARENT}-01"], False),
    "version too long": ([f"traceparent: 000-{PARENT}-01"], False),
    "trace id of zeros": (["traceparent: 00-" + "0" * 32 + "-b7ad6b7169203331-01"], False),
    "trace id in capitals": ([f"traceparent: 00-{PARENT.upper()}-01"], False),
    "trace id too short": (["traceparent: 00-" + "1" * 31 + "-b7ad6b7169203331-01"], False),
    "trace id too long": (["traceparent: 00-" + "1" * 33 + "-b7ad6b7169203331-01"], False),
    "trace id with a dot": (["traceparent: 00-." + "1" * 31 + "-b7ad6b7169203331-01"], False),
    "parent id of zeros": ([f"traceparent: 00-{PARENT[:32]}-0000000000000000-01"], False),
    "parent id too short": ([f"traceparent: 00-{PARENT[:32]}-123456789abcdef-01"], False),
    "flags too short": ([f"traceparent: 00-{PARENT}-1"], False),
    "flags too long": ([f"traceparent: 00-{PARENT}-001"], False),
    "flags with a dot": ([f"traceparent: 00-{PARENT}-.0"], False),
    "underscores": ([f"traceparent: 00_{PARENT.replace('-', '_')}_01"], False),
    "two of it": ([f"traceparent: 00-{PARENT}-01", f"traceparent: 00-{PARENT}-01"], False),
    "a list of two": ([f"traceparent: 00-{PARENT}-01,00-{PARENT}-01"], False),
    "empty": (["traceparent:"], False),
    "nothing": ([], False),
}
STATES = {
    "one member": (["a=1"], "a=1"),
    "several lines": (["a=1,b=2", "c=3"], "a=1,b=2,c=3"),
    "empty members": (["a=1,,b=2, "], "a=1,,b=2,"),
    "a key twice": (["a=1,a=2"], None),
    "a key twice, in two lines": (["a=1", "a=2"], None),
    "a key in capitals": (["A=1"], None),
    "no value": (["a"], None),
    "white space in a key": (["a b=1"], None),
    "33 members": ([",".join(f"k{number}=v" for number in range(33))], None),
    "a value too long": (["a=" + "v" * 257], None),
    "nothing": ([""], None),
}


def test_traces_are_continued_or_begun_by_the_recommendation(start, upstreams):
    upstream = upstreams()
    product = start(upstream.url)
    client = connect(product.port)

    def ask(lines):
        upstream.requests = []
        client.send(post(b"{}", *lines))
        assert client.answer("POST").status == 200
        [parent] = upstream.requests[0].values("traceparent")
        assert re.fullmatch(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[0-3]", parent)
        return parent, upstream.requests[0].values("tracestate")

    for name, (lines, continues) in TRACES.items():
        parent, states = ask([*lines, "tracestate: vendor=1"])
        assert (parent[3:35] == PARENT[:32]) == continues and parent[36:52] != PARENT[33:], name
        assert states == (["vendor=1"] if continues else []), name
        assert continues or parent.endswith("-03"), name
    for name, (values, passed) in STATES.items():
        parent, states = ask([f"traceparent: 00-{PARENT}-01", *(f"tracestate: {value}" for value in values)])
        assert parent[3:35] == PARENT[:32] and states == ([passed] if passed else []), name


# Ends


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_readiness_says_that_it_drains(start, upstreams):
    go = threading.Event()
    upstream = upstreams(lambda wire, request: go.wait(20) and wire.send(OK))
    product = start(upstream.url)
    busy, asks = connect(product.port), connect(product.port)
    busy.send(post())
    wait_until(lambda: upstream.requests)
    # One request has begun when the drain begins, and is whole after it.
    asks.send(b"GET /readyz HTTP/1.1\r\n")
    product.signal(signal.SIGTERM)
    wait_until(lambda: not listens(product.port), what="the closed listener")
    asks.send(b"Host: localhost\r\n\r\n")
    said = asks.answer()
    assert (said.status, json.loads(said.body), said.value("Connection")) == (503, {"status": "draining"}, "close")
    go.set()
    assert busy.answer("POST").status == 200
    assert product.wait() == 0


def test_a_tunnel_over_tls_that_drains_ends_in_order(start_tls, upstreams, context):
    def answer(wire, request):
        wire.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        wire.fill()
        return False

    product = start_tls(upstreams(answer).url)
    client = secure(product, context)
    client.send(request("GET", "/v1/realtime", "Connection: Upgrade", "Upgrade: websocket"))
    assert client.answer().status == 101
    product.signal(signal.SIGTERM)
    assert client.socket.recv(1) == b"", "close_notify, and no SSLEOFError"
    assert product.wait() == 0
