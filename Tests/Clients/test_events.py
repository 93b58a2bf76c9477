"""Events as third-party clients get them: WebSocket with and without compression, server-sent events by curl, filters, resuming,
and the ticket of the banner (docs/EVENTS.md)."""

import json
import random
import re
import socket
import struct
import subprocess
import zlib

import pytest
from product import memory_bytes, wait_until
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


def numbered(client, count, limit=10):
    """The next messages that have a number."""
    found = []
    while len(found) < count:
        message = json.loads(client.recv(limit))
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
        for client in (plain, other):
            assert json.loads(client.recv(10))["type"] == "connected"
        ask(product)
        assert numbered(plain, 1) == numbered(other, 1)
        other.send(json.dumps({"type": "subscribe", "types": ["audit_started"], "path": "/v1/*"}) + " " * 200)
        assert json.loads(other.recv(10))["data"] == {"types": ["audit_started"], "path": "/v1/*"}


def test_compression_is_agreed_on_through_the_proxy_too(product):
    with connect(f"ws://127.0.0.1:{product.port}/api/ws") as client:
        assert len(client.protocol.extensions) == 1
        ask(product)
        assert [message["type"] for message in numbered(client, 2)] == ["audit_started", "audit_complete"]


def test_a_bomb_is_refused(product):
    with connect(product.ws_url) as client:
        client.send(" " * (512 * 1024 + 1))
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                client.recv(10)
        assert closed.value.rcvd.code == 1009


def frame(rng):
    """A masked frame that is often right and sometimes anything."""
    payload = rng.choice([b"", b"{}", rng.randbytes(rng.randrange(200)), b"x" * rng.choice([125, 126, 65535, 65536]), bytes.fromhex("f248cdc9c90700"), zlib.compress(b" " * 600000)[2:-4]])
    first = rng.choice([0x81, 0x82, 0xC1, 0xC2, 0x01, 0x41, 0x80, 0x00, 0x88, 0x89, 0x8A, rng.randrange(256)])
    length = len(payload)
    size = bytes([0x80 | length]) if length < 126 else b"\xfe" + struct.pack("!H", length) if length < 65536 else b"\xff" + struct.pack("!Q", length)
    mask = rng.randbytes(4)
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes((mask * (length // 4 + 1))[:length], "big")).to_bytes(length, "big")
    return bytes([first]) + size + mask + masked


def test_garbage_ends_connections_with_a_code_and_costs_no_memory(product):
    rng = random.Random(7)
    pid = product.pids("broadcaster")[0]
    upgrade = (f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{product.ws_port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n").encode()

    def garbage(connections):
        codes = set()
        for _ in range(connections):
            with socket.create_connection(("127.0.0.1", product.ws_port), timeout=10) as client:
                client.sendall(upgrade)
                data = b"".join(frame(rng) for _ in range(10)) + b"\x83\x80...."  # the last one is wrong for certain
                received = b""
                try:
                    while data:
                        client.sendall(data[: (cut := rng.randrange(1, 70000))])
                        data = data[cut:]
                    while piece := client.recv(65536):
                        received += piece
                except ConnectionError:
                    pass
                if close := re.search(rb"\x88[\x02-\x7d](..)[ -~]*$", received, re.S):
                    codes.add(struct.unpack("!H", close[1])[0])
        return codes

    garbage(40)
    before = memory_bytes(pid)
    codes = garbage(160)
    assert {1002, 1007, 1009} <= codes
    assert product.pids("broadcaster") == [pid]
    assert memory_bytes(pid) - before < 4 << 20


def test_curl_gets_events_and_resumes(product):
    with Curl(product) as curl:
        assert curl.event()[1]["type"] == "connected"
        ask(product, "one")
        first, one = curl.event()
        ask(product, "two")  # two auditors would race
        second, two = curl.event()
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
    with connect(product.ws_url) as client:
        ask(product)
        last = numbered(client, 1)[0]
        ask(product, "missed")
        missed = numbered(client, 1)[0]
        product.kill("broadcaster")
        with pytest.raises(ConnectionClosed):
            while True:
                client.recv(10)
    wait_until(product.is_ready, what="the next broadcaster")
    with connect(f"{product.ws_url}?since={last['epoch']}:{last['seq']}") as client:
        assert numbered(client, 1) == [missed]


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
    with connect(f"ws://127.0.0.1:{product.port}/ws", additional_headers={"Cookie": cookie}) as client:
        assert json.loads(client.recv(10))["type"] == "connected"
    # Nor does a restart make the ticket good again.
    product.kill("broadcaster")
    wait_until(product.is_ready, what="the next broadcaster")
    assert say(product.ws_port, f"/?ticket={ticket}").status == 401
