"""Events as third-party clients get them: WebSocket with and without compression, server-sent events by curl, filters, resuming,
and the ticket of the banner (docs/EVENTS.md)."""

import json
import re
import subprocess

import pytest
from product import wait_until
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.sync.client import connect
from wire import exchange

TEXT = "The bridge is 148 metres long. It was opened in 1931. " * 4


def ask(product, model="m"):
    """One answered request, which is audited."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "?"}], "test_response": TEXT}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    assert exchange(product.port, head.encode() + body).status == 200


def numbered(socket, count, limit=10):
    """The next messages that have a number."""
    found = []
    while len(found) < count:
        message = json.loads(socket.recv(limit))
        if "seq" in message:
            found.append(message)
    return found


class Curl:
    """`curl -N` of the stream of events, as people use it."""

    def __init__(self, product, path="/events", *options):
        self.process = subprocess.Popen(
            ["curl", "-sN", *options, f"http://127.0.0.1:{product.ws_port}{path}"], stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def event(self):
        """The next event: its id and its JSON."""
        fields = {}
        for line in self.process.stdout:
            if line == "\n" and "data" in fields:
                return fields.get("id"), json.loads(fields["data"])
            name, _, value = line.rstrip("\n").partition(": ")
            fields[name] = value
        raise AssertionError("the stream ended")


@pytest.mark.parametrize("compression", [
    None, [ClientPerMessageDeflateFactory()], [ClientPerMessageDeflateFactory(server_max_window_bits=15)], [ClientPerMessageDeflateFactory(server_max_window_bits=12, client_max_window_bits=12)],
    [ClientPerMessageDeflateFactory(server_max_window_bits=9)], [ClientPerMessageDeflateFactory(server_max_window_bits=8)],
])
def test_compressed_and_plain_messages_say_the_same(compression, product):
    with connect(product.ws_url, compression=None) as plain, connect(product.ws_url, compression=None, extensions=compression) as other:
        asked_for_8 = compression is not None and compression[0].server_max_window_bits == 8
        assert len(other.protocol.extensions) == (0 if compression is None or asked_for_8 else 1)
        for socket in (plain, other):
            assert json.loads(socket.recv(10))["type"] == "connected"
        ask(product)
        assert numbered(plain, 1) == numbered(other, 1)
        other.send(json.dumps({"type": "subscribe", "types": ["audit_started"], "path": "/v1/*"}) + " " * 200)
        assert json.loads(other.recv(10))["data"] == {"types": ["audit_started"], "path": "/v1/*"}


def test_compression_is_agreed_on_through_the_proxy_too(product):
    with connect(f"ws://127.0.0.1:{product.port}/api/ws") as socket:
        assert len(socket.protocol.extensions) == 1
        ask(product)
        assert [message["type"] for message in numbered(socket, 2)] == ["audit_started", "audit_complete"]


def test_a_bomb_is_refused(product):
    with connect(product.ws_url) as socket:
        socket.send(" " * (512 * 1024 + 1))
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                socket.recv(10)
        assert closed.value.rcvd.code == 1009


def test_curl_gets_events_and_resumes(product):
    with Curl(product) as curl:
        assert curl.event()[1]["type"] == "connected"
        ask(product, "one")
        ask(product, "two")
        (first, one), (second, two) = curl.event(), curl.event()
        assert (one["type"], one["data"]["model"], two["data"]["model"]) == ("audit_result", "one", "two")
        assert first == f"{one['epoch']}:{one['seq']}"
    with Curl(product, "/events", "-H", f"Last-Event-ID: {first}") as curl:
        assert curl.event()[1]["type"] == "connected"
        assert curl.event() == (second, two)
    with Curl(product, f"/events?envelope=payload&since={first}&types=audit_complete&model=tw*") as curl:
        assert curl.event()[1]["type"] == "connected"
        identifier, message = curl.event()
        assert (identifier, message["type"], message["payload"]) == (second, "audit_complete", two["data"])


def test_events_survive_the_death_of_the_broadcaster(start):
    product = start(test_mode="true")
    with connect(product.ws_url) as socket:
        ask(product)
        last = numbered(socket, 1)[0]
        ask(product, "missed")
        missed = numbered(socket, 1)[0]
        product.kill("broadcaster")
        with pytest.raises(ConnectionClosed):
            while True:
                socket.recv(10)
    wait_until(product.is_ready, what="the next broadcaster")
    with connect(f"{product.ws_url}?since={last['epoch']}:{last['seq']}") as socket:
        assert numbered(socket, 1) == [missed]


def test_the_banner_has_a_ticket_that_opens_the_dashboard_once(start):
    product = start(access_token="secret-token-0123456789", test_mode="true")
    ticket = re.search(r"Dashboard\s+\S+/\?ticket=(\S+)", product.log)[1]
    say = lambda port, target, fields="": exchange(port, f"GET {target} HTTP/1.1\r\nHost: other.example\r\nConnection: close\r\n{fields}\r\n".encode())
    assert say(product.ws_port, "/").status == 401
    assert say(product.ws_port, "/?ticket=" + "0" * len(ticket)).status == 401
    answer = say(product.ws_port, f"/?ticket={ticket}")
    assert answer.status == 303
    cookie = re.fullmatch(r"(truthtable_token=[^;]+); HttpOnly; SameSite=Strict; Path=/", answer.value("Set-Cookie"))[1]
    assert say(product.ws_port, f"/?ticket={ticket}").status == 401
    # The cookie opens both ports, for pages of ours only.
    assert say(product.ws_port, "/", f"Cookie: {cookie}\r\n").status == 200
    assert say(product.port, "/stats", f"Cookie: a=b; {cookie}\r\n").status == 200
    assert say(product.port, "/stats", "Cookie: truthtable_token=wrong\r\n").status == 401
    assert say(product.port, "/stats", f"Cookie: {cookie}\r\nOrigin: https://evil.example\r\n").status == 403
    with connect(f"ws://127.0.0.1:{product.port}/ws", additional_headers={"Cookie": cookie}) as socket:
        assert json.loads(socket.recv(10))["type"] == "connected"
    # Nor does a restart make the ticket good again.
    product.kill("broadcaster")
    wait_until(product.is_ready, what="the next broadcaster")
    assert say(product.ws_port, f"/?ticket={ticket}").status == 401
