"""The front door: upstreams that fail, breakers, routes, callers' keys and pages, with real processes (docs/GATEWAY.md)."""

import json
import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import httpx
import pytest

from product import Mock, ending, wait_until
from wire import Upstream

CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}


def ask(product, body=None, path="/v1/chat/completions", limit=10.0, **fields):
    return httpx.post(product.url + path, json=body or CHAT, headers={name.replace("_", "-"): value for name, value in fields.items()}, timeout=limit)


@pytest.fixture
def mocks():
    with ExitStack() as stack:
        yield lambda *options: stack.enter_context(ending(Mock(*options)))


# Upstreams that fail


def test_a_killed_upstream_is_passed_by_and_used_again(start, mocks):
    one, two = mocks("--size", "11"), mocks("--size", "22")
    product = start(f"{one.url}, {two.url}", breaker_faults=3, breaker_open_time="300ms")

    def said():
        return len(ask(product).json()["choices"][0]["message"]["content"])

    assert [said() for _ in range(6)] == [11, 22] * 3
    port = one.port
    one.signal(signal.SIGKILL)
    one.wait()
    # Nothing could be sent to the dead one: all requests are answered, and soon without asking it.
    assert {said() for _ in range(12)} == {22}
    wait_until(lambda: product.figure("upstream_breaker_openings_total", upstream=one.url) >= 1, what="the breaker's opening")
    assert product.figure("upstream_faults_total", upstream=two.url) == 0
    assert product.figure("responses_total", **{"class": "5xx"}) == 0
    mocks("--port", str(port), "--size", "33")
    wait_until(lambda: said() == 33, what="the upstream to be used again")
    wait_until(lambda: product.figure("upstream_breaker_state", upstream=one.url) == 0, what="the breaker's closing")
    assert product.wait_logged("Upstream is left alone") and product.wait_logged("Upstream is used again")


def test_garbage_and_silence_open_the_breaker(start):
    def silence(wire, request):
        wire.rest()
        return False

    for answer, cause in ((b"\x00\x01 this is no HTTP\r\n\r\n", "malformed answer"), (silence, "no answer within")):
        with closing(Upstream(answer)) as upstream:
            url = upstream.url
            product = start(url, breaker_faults=2, breaker_open_time="60s", upstream_timeout="300ms")
            for _ in range(2):
                refused = ask(product, X_Request_ID="mine")
                assert (refused.status_code, refused.json(), refused.headers["x-request-id"]) == (502, {"error": "upstream unavailable"}, "mine")
            assert product.wait_logged("Upstream failed", "/v1/chat/completions", cause)
            wait_until(lambda: product.figure("upstream_breaker_state", upstream=url) == 2, what="the open breaker")
            asked = product.figure("upstream_requests_total", upstream=url)
            assert ask(product).status_code == 502
            assert product.figure("upstream_requests_total", upstream=url) == asked == 2
            assert product.wait_logged("left alone after its faults")


def test_what_was_sent_goes_to_nobody_else(start, mocks):
    with closing(Upstream(lambda wire, request: False)) as upstream:
        product = start(f"{upstream.url}, {mocks().url}", breaker_faults=0)
        codes = [ask(product).status_code for _ in range(4)]
        assert sorted(codes) == [200, 200, 502, 502]
        assert product.figure("upstream_failovers_total") == 0


def test_clients_that_leave_are_no_faults(start, mock):
    product = start(breaker_faults=2)
    for _ in range(4):
        with pytest.raises(httpx.ReadTimeout):
            ask(product, CHAT | {"mock": {"delay_ms": 5000}}, limit=0.1)
    wait_until(lambda: product.figure("client_aborts_total") == 4, what="the clients' ends")
    assert ask(product).status_code == 200
    assert product.figure("upstream_faults_total") == 0


# Routes and keys of upstreams


def test_routes_and_injected_keys(start, mocks):
    with closing(Upstream()) as default, closing(Upstream()) as path, closing(Upstream()) as model:
        routes = f"/v1/messages => {path.url} key=value:path-secret key-field=x-api-key; model llama* => {model.url}/base"
        product = start(f"{default.url} key=value:default-secret", routes=routes, access_log="-", log_level="debug")
        ask(product, Authorization="Bearer callers")
        ask(product, path="/v1/messages", Authorization="Bearer callers")
        ask(product, {"messages": [{"role": "user", "content": "x" * 9000}], "model": "llama3"}, Authorization="Bearer callers")
        (by_default,), (by_path,), (by_model,) = default.requests, path.requests, model.requests
        assert by_default.value("Authorization") == "Bearer default-secret"
        assert by_path.value("X-API-Key") == "path-secret" and by_path.value("Authorization") is None
        # Its upstream gets no key of ours: the caller's own passes through.
        assert by_model.start.startswith(b"POST /base/v1/chat/completions ") and by_model.value("Authorization") == "Bearer callers"
        assert not any("callers" in value or "default-secret" in value for _, value in by_path.fields)
        assert not any("callers" in value for _, value in by_default.fields)
        product.wait_at_rest()
        everything = product.log + product.metrics() + json.dumps(product.stats()) + json.dumps(product.status())
        assert "default-secret" not in everything and "path-secret" not in everything


def test_a_key_that_is_not_there_ends_the_start(start):
    product = start("http://127.0.0.1:1 key=env:NOT_SET", wait=False)
    assert product.wait() == 78
    assert "TRUTHTABLE_UPSTREAM_URL: the key of http://127.0.0.1:1 is to come from NOT_SET" in product.log
    product = start(keys_file="/nowhere/keys", wait=False)
    assert product.wait() == 78 and "cannot read /nowhere/keys" in product.log


# Callers


def make_key(product, name, *limits):
    made = product.command("keys", "create", "--name", name, *limits)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


@pytest.fixture
def keyed(start, tmp_path):
    file = tmp_path / "keys"
    file.write_text("")
    return start(keys_file=file, access_log="-")


def test_keys_are_made_used_and_revoked_while_it_runs(keyed):
    key = make_key(keyed, "alice")
    assert re.fullmatch(r"ttk_[0-9A-Za-z]{49}", key)
    wait_until(lambda: ask(keyed, Authorization=f"Bearer {key}").status_code == 200, what="the new key")
    refused = ask(keyed)
    assert refused.status_code == 401 and refused.json()["error"]["code"] == "missing_api_key" and refused.headers["www-authenticate"] == "Bearer"
    assert ask(keyed, x_api_key=key).status_code == 200
    assert keyed.wait_logged('"key":"alice"')
    assert keyed.figure("key_requests_total", key="alice") >= 2
    assert json.loads(keyed.command("keys", "list", "--json").stdout)[0]["name"] == "alice"
    refused = keyed.command("keys", "list", "alice")
    assert refused.returncode == 64 and "keys list takes no name" in refused.stderr
    assert keyed.command("keys", "revoke", "alice").returncode == 0
    wait_until(lambda: ask(keyed, Authorization=f"Bearer {key}").status_code == 401, what="the revocation")
    keyed.wait_at_rest()
    assert key not in keyed.log + keyed.metrics()


def test_a_broken_key_file_changes_nothing(keyed):
    key = make_key(keyed, "alice")
    wait_until(lambda: ask(keyed, Authorization=f"Bearer {key}").status_code == 200, what="the new key")
    with open(keyed.settings["TRUTHTABLE_KEYS_FILE"], "a") as file:
        file.write("nonsense\n")
    refused = ("Cannot use the key file", "is no line of a key file")
    assert keyed.wait_logged(*refused)
    assert ask(keyed, Authorization=f"Bearer {key}").status_code == 200
    # Whoever reloads looks for the answer behind that line.
    keyed.signal(signal.SIGHUP)
    wait_until(lambda: keyed.log.count(refused[0]) == 2, what="the second refusal")
    os.unlink(keyed.settings["TRUTHTABLE_KEYS_FILE"])
    wait_until(lambda: keyed.log.count("No such file") == 1, what="the loss of the file")
    keyed.signal(signal.SIGHUP)
    wait_until(lambda: keyed.log.count("No such file") == 2, what="its second refusal")
    assert ask(keyed, Authorization=f"Bearer {key}").status_code == 200


def test_a_reload_tells_of_unchanged_keys(keyed):
    make_key(keyed, "alice")
    keyed.wait_logged("Caller keys read", "keys=1")
    keyed.signal(signal.SIGHUP)
    wait_until(lambda: keyed.log.count("Caller keys read keys=1") == 2, what="the keys read again")


def test_a_thousand_keys_at_their_limits_admit_exactly_what_is_allowed(start, tmp_path):
    import hashlib

    keys = {f"key-{number}": 1 + number % 3 for number in range(1000)}
    lines = [f"{hashlib.sha256(name.encode()).hexdigest()} {name} {limit} - now" for name, limit in keys.items()]
    (tmp_path / "keys").write_text("\n".join(lines) + "\n")
    product = start(keys_file=tmp_path / "keys", audit_enabled="false")
    admitted = dict.fromkeys(keys, 0)
    # Less than the time in which the first of a minute's 3 requests comes back.
    with httpx.Client(base_url=product.url, timeout=30) as client:
        began = time.monotonic()
        for _ in range(4):
            for name in keys:
                answer = client.post("/v1/chat/completions", json=CHAT, headers={"x-api-key": name})
                assert answer.status_code in (200, 429)
                admitted[name] += answer.status_code == 200
        took = time.monotonic() - began
    if took < 20:
        assert admitted == keys
    else:  # a slow machine: nobody got more than what came back meanwhile
        assert all(keys[name] <= count <= keys[name] * (1 + took / 60) + 1 for name, count in admitted.items())
    assert product.figure("key_requests_total") == sum(admitted.values())
    assert product.figure("key_rate_limited_total") == 4000 - sum(admitted.values())
    assert len(re.findall(r"^truthtable_key_requests_total\{", product.metrics(), re.M)) == 65


def test_concurrent_streams_are_limited_and_given_back(keyed):
    key = make_key(keyed, "bob", "--concurrent-streams", "2")
    wait_until(lambda: ask(keyed, x_api_key=key).status_code == 200, what="the new key")
    slow = CHAT | {"mock": {"delay_ms": 1500}}
    with ThreadPoolExecutor(8) as pool:
        codes = [answer.status_code for answer in pool.map(lambda _: ask(keyed, slow, x_api_key=key), range(8))]
    assert sorted(codes) == [200] * 2 + [429] * 6
    assert ask(keyed, x_api_key=key).status_code == 200
    wait_until(lambda: keyed.figure("key_streams_open", key="bob") == 0, what="all streams to be over")


def test_pages_ask_beforehand_and_read_what_they_may(start):
    product = start(allowed_origins="local,https://app.example")
    question = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    told = httpx.options(product.url + "/v1/chat/completions", headers=question)
    assert told.status_code == 204 and told.headers["access-control-allow-origin"] == "https://app.example" and told.headers["access-control-allow-headers"] == "authorization"
    answer = ask(product, Origin="https://app.example")
    assert answer.headers["access-control-allow-credentials"] == "true" and answer.headers["vary"] == "Origin"
    assert "access-control-allow-origin" not in ask(product, Origin="https://evil.example").headers
    assert httpx.get(product.url + "/health", headers={"Origin": "http://localhost:3000"}).headers["access-control-allow-origin"] == "http://localhost:3000"


# What is audited


def test_answers_without_a_text_are_skipped(start):
    product = start(capture_paths="/v1/*,!/v1/private/*")
    assert ask(product, {"model": "m", "input": "a"}, "/v1/embeddings").status_code == 200
    assert httpx.get(product.url + "/v1/models").status_code == 200
    ask(product, path="/v1/private/chat/completions")
    assert product.wait_at_rest()["skipped"]["not_auditable"] == 2
    assert product.ledger()["captured"] == 2
