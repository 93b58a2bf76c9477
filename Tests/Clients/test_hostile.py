"""Differential fuzzing of the edge: thousands of hostile requests and answers, judged by two parsers of others, h11 and llhttp.

What reaches the upstream is well-formed for both, which read the same requests from it; and it is no more, and nothing else, than
one of them reads from what the client sent. What reaches the client is well-formed, and no answer is another request's.
`TRUTHTABLE_SEED=n` repeats a run.
"""

import os
import random
import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import h11
import httptools
from product import Product, ending
from wire import Upstream

SEED = int(os.environ.get("TRUTHTABLE_SEED") or random.randrange(1 << 32))
MUTATED = 1800
WORKERS = 16
# Short ones, so that what never ends does not hold the test up.
LIMITS = {
    "head_timeout": "400ms", "body_idle_timeout": "400ms", "upstream_timeout": "2s", "answer_idle_timeout": "400ms", "exchange_timeout": "5s",
    "keepalive_timeout": "1s", "log_level": "error", "audit_enabled": "true", "trusted_proxies": "none",
}


# What parsers read.


class Llhttp:
    """The requests that llhttp reads; `error` is why it stopped."""

    def __init__(self):
        self.messages, self.error, self.has_opinion = [], None, True
        self.start()

    def start(self):
        self.url, self.body = b"", b""
        self.parser = httptools.HttpRequestParser(self)

    def on_url(self, url):
        self.url += url

    def on_body(self, body):
        self.body += body

    def on_message_complete(self):
        self.messages.append((self.parser.get_method(), self.url, self.body))
        self.url, self.body = b"", b""

    def feed(self, data):
        if self.error or not self.has_opinion:
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.start()  # it was not switched: requests go on
            self.feed(data[upgrade.args[0] :])
        except httptools.HttpParserInvalidMethodError:
            self.has_opinion = False  # it knows a list of methods only
        except httptools.HttpParserError as error:
            self.error = repr(error)


class H11:
    """The requests that h11 reads, each answered as soon as it is whole."""

    def __init__(self, answer=lambda request: None):
        self.connection = h11.Connection(h11.SERVER, max_incomplete_event_size=200_000)
        self.messages, self.error, self.is_over, self.has_opinion = [], None, False, True
        self.answer = answer

    def feed(self, data):
        if self.error or self.is_over:
            return
        try:
            self.connection.receive_data(data)
            self.read()
        except h11.RemoteProtocolError as error:
            self.error = repr(error)

    def read(self):
        while True:
            event = self.connection.next_event()
            if isinstance(event, h11.Request):
                self.request, self.body = event, b""
            elif isinstance(event, h11.Data):
                self.body += event.data
            elif isinstance(event, h11.EndOfMessage):
                self.messages.append((self.request.method, self.request.target, self.body))
                # 2xx would make a tunnel of CONNECT.
                self.connection.send(h11.Response(status_code=400 if self.request.method == b"CONNECT" else 200, headers=[("Content-Length", "0")]))
                self.connection.send(h11.EndOfMessage())
                self.answer(self.request)
                if self.connection.our_state is not h11.DONE:
                    self.is_over = True
                    return
                self.connection.start_next_cycle()
            else:
                return


def agrees(parser, said, seen):
    """Whether what was seen is what the parser reads first, as far as it has an opinion."""
    parser.feed(said)
    read = [normal(message) for message in parser.messages]
    return seen == read[: len(seen)] or (not parser.has_opinion and seen[: len(read)] == read)


def normal(message):
    """As a request leaves the edge: the target in origin form."""
    method, target, body = message
    target = re.sub(rb"^https?://[^/?]*", b"", target, flags=re.IGNORECASE)
    return method, target if target[:1] in (b"/", b"*") else (b"*" if method == b"OPTIONS" and not target else b"/" + target), body


# Hostile requests.


def request(*lines, body=b""):
    return b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


POST, HOST = b"POST /c HTTP/1.1", b"Host: x"
CHUNKED = b"5\r\nhello\r\n0\r\n\r\n"
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"

LENGTHS = [b"5", b"+5", b"-5", b"0x5", b"5 5", b"5,5", b"5, 6", b"05", b"5\x0b", b"5;", b"5.0", b"", b"99999999999999999999", b"5\t", b"\xef\xbc\x95", b"5e0", b"1_0"]
CODINGS = [
    b"chunked", b"chunked ", b"\tchunked", b"xchunked", b"chunked, chunked", b"identity, chunked", b"chunked, identity", b"chunked\x0b", b"CHUNKED",
    b"\"chunked\"", b"chunked;q=1", b"gzip, chunked", b"chunked,", b",chunked", b"", b"identity", b"chu nked", b"chunked\r\n\t", b"chunked\x00",
]
LENGTH_NAMES = [b"Content-Length:", b"content-length:", b"Content-Length :", b" Content-Length:", b"Content_Length:", b"Content-Length\t:", b"\x00Content-Length:", b"Content-Length\x0b:", b"X:\nContent-Length:", b"X:\rContent-Length:"]
CODING_NAMES = [b"Transfer-Encoding:", b"transfer-encoding:", b"Transfer-Encoding :", b" Transfer-Encoding:", b"Transfer_Encoding:", b"Transfer-Encoding\t:", b"X: y\nTransfer-Encoding:", b"Transfer\x00-Encoding:", b"X:\r Transfer-Encoding:"]
CHUNKS = [
    b"5\r\nhello\r\n0\r\n\r\n", b"5;a=b\r\nhello\r\n0\r\n\r\n", b"05\r\nhello\r\n0\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n", b"+5\r\nhello\r\n0\r\n\r\n", b"5 \r\nhello\r\n0\r\n\r\n",
    b" 5\r\nhello\r\n0\r\n\r\n", b"5\nhello\n0\n\n", b"5\r\nhello0\r\n\r\n", b"5\r\nhelloo\r\n0\r\n\r\n", b"5\r\nhell\r\n0\r\n\r\n", b"-1\r\n\r\n", b"ffffffffffffffff\r\nx",
    b"10000000000000005\r\nhello\r\n0\r\n\r\n", b"5;\nhello\r\n0\r\n\r\n", b"5;a\rb\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n", b"5\r\nhello\r\n0\r\n bad\r\n\r\n",
    b"5\r\nhello\r\n0\r\nT : v\r\n\r\n", b"5\r\nhello\r\n00\r\n\r\n", b"5\r\nhello\r\n0;x\r\n\r\n", b"5\r\nhello\n0\r\n\r\n", b"5\r\nhello\r\n0\n\n", b"0\r\n\r\n" + HIDDEN, b"\r\n5\r\nhello\r\n0\r\n\r\n",
    b"5" + b";x=" + b"y" * 300 + b"\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n0\r\nT: " + b"v" * 9000 + b"\r\n\r\n", b"a\r\nhello\r\n0\r\n\r\n", b"5\r\r\nhello\r\n0\r\n\r\n", b"5\x00\r\nhello\r\n0\r\n\r\n",
]
LINES = [
    b"GET /c HTTP/1.1", b"GET  /c HTTP/1.1", b"GET /c  HTTP/1.1", b"GET /c HTTP/1.1 ", b" GET /c HTTP/1.1", b"GET\t/c HTTP/1.1", b"GET /c\x00 HTTP/1.1", b"GET /c HTTP/1.2", b"GET /c HTTP/2.0",
    b"GET /c HTTP/1.10", b"GET /c http/1.1", b"GET /c HTTP/1,1", b"GET /c", b"GET c HTTP/1.1", b"GET http://x/c HTTP/1.1", b"GET http://a@x/c HTTP/1.1", b"GET ftp://x/c HTTP/1.1", b"GET //x/c HTTP/1.1",
    b"GET /c#f HTTP/1.1", b"GET /c\xff HTTP/1.1", b"G\x00T /c HTTP/1.1", b"get /c HTTP/1.1", b"GET, /c HTTP/1.1", b"CONNECT x:80 HTTP/1.1", b"OPTIONS * HTTP/1.1", b"GET * HTTP/1.1", b"OPTIONS http://x HTTP/1.1",
    b"PRI * HTTP/2.0", b"TRACE /c HTTP/1.1", b"GET /c?a=b&c=%00%0d%0a HTTP/1.1", b"GET /c%0d%0aX:y HTTP/1.1", b"GET /\"c\" HTTP/1.1", b"GET /c|d HTTP/1.1", b"\r\nGET /c HTTP/1.1", b"\nGET /c HTTP/1.1", b"GET /c HTTP/1.1\rX: y",
]
FIELDS = [
    b"Host: y", b"Host:", b"host : x", b"A b: c", b": c", b"A", b"A:b", b"A: b\r\n c", b"A: b\n c", b"A: \x00", b"A: \x7f", b"A: \x0c", b"A\xff: b", b"A: \xff", b"A: b\rC: d", b"Connection: close", b"Connection: Host", b"Connection: Content-Length",
    b"Connection: Transfer-Encoding", b"Connection: X-Forwarded-For", b"Connection: \"", b"Upgrade: websocket\r\nConnection: Upgrade", b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: x", b"Expect: 100-continue", b"Expect: x",
    b"TE: trailers, deflate", b"Trailer: Content-Length", b"Keep-Alive: 5", b"Proxy-Connection: close", b"X-Request-ID: a\tb", b"X-Forwarded-For: \"", b"Cookie: " + b"a" * 70_000, b"\r\n".join(b"F%d: x" % n for n in range(120)), b"(A): b", b"A@: b", b"A: b\r\n\r\n" + HIDDEN,
]


def hostile_requests():
    """The table: everything by which request smuggling was ever done, and its neighbours."""
    for value in LENGTHS:
        for name in LENGTH_NAMES:
            yield request(POST, HOST, name + b" " + value, body=b"hello")
    for value in CODINGS:
        for name in CODING_NAMES:
            yield request(POST, HOST, name + b" " + value, body=CHUNKED)
            yield request(POST, HOST, b"Content-Length: 4", name + b" " + value, body=CHUNKED)
    for one in (b"5", b"6", b"0"):
        for other in (b"5", b"6", b"0"):
            yield request(POST, HOST, b"Content-Length: " + one, b"Content-Length: " + other, body=b"hello")
    for body in CHUNKS:
        yield request(POST, HOST, b"Transfer-Encoding: chunked", body=body)
    for line in LINES:
        yield request(line, HOST)
        yield request(line, HOST, b"Content-Length: 5", body=b"hello")
    for field in FIELDS:
        yield request(b"GET /c HTTP/1.1", HOST, field)
        yield request(POST, field, HOST, b"Content-Length: 5", body=b"hello")
    yield request(b"GET /c HTTP/1.1")
    yield request(b"GET /c HTTP/1.0")
    yield request(b"POST /c HTTP/1.0", HOST, b"Transfer-Encoding: chunked", body=CHUNKED)
    yield request(b"GET /c HTTP/1.1", HOST, b"Content-Length: %d" % len(HIDDEN), body=HIDDEN)


PIECES = [b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b",", b";", b"0\r\n\r\n", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"\r\n\r\n", b"chunked", HIDDEN, b"Host: y\r\n", b"\x0b", b"\xff", b"5", b"HTTP/1.1"]


GOOD_REQUESTS = [
    request(b"GET /c?a=b HTTP/1.1", HOST, b"Accept: */*"), request(POST, HOST, b"Content-Length: 5", body=b"hello"), request(POST, HOST, b"Transfer-Encoding: chunked", body=CHUNKED),
    request(b"PUT /c HTTP/1.1", HOST, b"Content-Type: application/json", b"Content-Length: %d" % len(HIDDEN), body=HIDDEN), request(b"HEAD http://x/c HTTP/1.1", HOST, b"Connection: keep-alive"),
]


def mutations(table, good, count, dice):
    """Half of them of what is well-formed, so that some get through."""
    return [mutated(dice.choice(dice.choice([table, good])), dice) for _ in range(count)]


def mutated(data, dice):
    data = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(data) + 1)
        match dice.randrange(6):
            case 0 if at < len(data):
                data[at] = dice.randrange(256)
            case 1:
                del data[at : at + dice.randint(1, 3)]
            case 2:
                data[at:at] = data[at : at + dice.randint(1, 30)]
            case 3 if at < len(data):
                data[at] ^= 1 << dice.randrange(8)
            case _:
                data[at:at] = dice.choice(PIECES)
    return bytes(data)


class Judge(Upstream):
    """Answers what h11 reads, and has every connection read by llhttp as well. Clients are told apart by their address."""

    def __init__(self):
        self.lock = threading.Lock()
        self.seen = {}
        super().__init__()

    def _serve(self, wire):
        connection = wire.socket
        raw = b""
        answered = []

        def answer(head):
            address = dict(head.headers)[b"x-forwarded-for"].decode()
            with self.lock:
                self.seen.setdefault(address, []).append(first.messages[-1])
                number = len(self.seen[address])
            answered.append(first.messages[-1])
            body = b"" if head.method == b"HEAD" else b"seen %d" % number
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Seen: %d\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (number, len(body) or 6, body))

        first, second = H11(answer), Llhttp()
        try:
            while data := connection.recv(65536):
                raw += data
                second.feed(data)
                first.feed(data)
                if first.error or second.error:
                    break
        except OSError:
            pass
        finally:
            connection.close()
        same = not second.has_opinion or second.messages[: len(answered)] == answered
        if first.error or second.error or not same:
            with self.lock:
                self.violations.append((first.error, second.error, raw[-3000:]))


def address_of(number):
    return f"127.{1 + number // 62500}.{number // 250 % 250}.{1 + number % 250}"


def converse(port, address, data):
    """Says all, hears all until the edge ends the connection."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.bind((address, 0))
        client.settimeout(20)
        client.connect(("127.0.0.1", port))
        heard = b""
        try:
            client.sendall(data)
            while piece := client.recv(65536):
                heard += piece
        except (ConnectionResetError, BrokenPipeError):
            pass
        return heard


LAST = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def test_no_malformed_request_leaves_the_edge():
    dice = random.Random(SEED)
    print(f"seed {SEED}")
    table = list(hostile_requests())
    cases = table + mutations(table, GOOD_REQUESTS, MUTATED, dice)
    sent = [request(b"GET /first HTTP/1.1", HOST) + case + LAST for case in cases]
    judge = Judge()
    with ending(Product(judge.url, **LIMITS)) as product:
        with ThreadPoolExecutor(WORKERS) as pool:
            heard = list(pool.map(lambda number: converse(product.port, address_of(number), sent[number]), range(len(sent))))
        assert product.restarts("edge") == 0
        answers = refused = 0
        for number, (said, got) in enumerate(zip(sent, heard)):
            what = f"seed {SEED}, case {number}: {said[:600]!r} was answered by {got[:600]!r}"
            seen = [normal(message) for message in judge.seen.get(address_of(number), [])]
            # Answers in order, one for each request that was seen, then at most one refusal.
            numbers = [int(text) for text in re.findall(rb"\r\nX-Seen: (\d+)\r\n", got)]
            assert numbers == list(range(1, len(numbers) + 1)), what
            assert len(seen) - 1 <= len(numbers) <= len(seen), f"{what}: {seen}"
            statuses = [int(text) for text in re.findall(rb"(?:^|\n|seen \d+)HTTP/1\.1 (\d+) ", got)]
            assert all(status == 200 for status in statuses[:-1] if status >= 200), what
            if statuses and statuses[-1] >= 400:
                refused += 1
                assert (b"GET", b"/last", b"") not in seen[1:], f"{what}: a request behind a refused one was sent on"
            # No more, and nothing else, than one of the parsers reads.
            parsers = [H11(), Llhttp()]
            assert any(agrees(parser, said, seen) for parser in parsers), f"{what}: {seen} is none of {[parser.messages for parser in parsers]}"
            answers += len(numbers)
        print(f"{len(sent)} connections, {answers} requests answered by the upstream, {refused} refused")
        assert not judge.violations, f"seed {SEED}: {judge.violations[:3]}"
        assert len(sent) >= 2000 and refused > 500 and answers > len(sent)
        assert product.get("/health").status == 200
    judge.close()


# Hostile answers.

OK = b"HTTP/1.1 200 OK"
EVIL = b"HTTP/1.1 200 OK\r\nX-Evil: 1\r\nContent-Length: 4\r\n\r\nevil"
STATUS_LINES = [
    OK, b"HTTP/1.1 200", b"HTTP/1.1  200 OK", b"HTTP/1.1 2000 OK", b"HTTP/1.1 20 OK", b"HTTP/1.1 099 OK", b"HTTP/1.1 600 OK", b"HTTP/1.1 +20 OK", b"HTTP/2.0 200 OK", b"HTTP/1.0 200 OK", b"http/1.1 200 OK",
    b"ICY 200 OK", b"HTTP/1.1 200 O\x00K", b"HTTP/1.1 200 O\rK", b"HTTP/1.1 200 \xff", b"HTTP/1.1 204 No Content", b"HTTP/1.1 304 Not Modified", b"HTTP/1.1 101 Switching Protocols", b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
    b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK, b" " + OK, b"\r\n" + OK, b"\n" + OK, b"HTTP/1.1 205 Reset", b"HTTP/1.1\t200 OK", b"",
]


def hostile_answers():
    for line in STATUS_LINES:
        yield request(line, b"Content-Length: 5", body=b"hello")
        yield request(line, b"Content-Length: 5", body=b"hello" + EVIL)
        yield request(line, body=b"hello")
    for value in LENGTHS:
        for name in LENGTH_NAMES:
            yield request(OK, name + b" " + value, body=b"hello")
    for value in CODINGS:
        for name in CODING_NAMES:
            yield request(OK, name + b" " + value, body=CHUNKED)
            yield request(OK, b"Content-Length: 4", name + b" " + value, body=CHUNKED)
    for body in CHUNKS:
        yield request(OK, b"Transfer-Encoding: chunked", body=body)
        yield request(OK, b"Transfer-Encoding: chunked", body=body + EVIL)
    for field in FIELDS:
        yield request(OK, field, b"Content-Length: 5", body=b"hello")
    yield request(OK, b"Content-Length: 2", body=b"hello")
    yield request(OK, b"Content-Length: 50", body=b"hello")
    yield request(OK, b"Content-Length: 0", body=EVIL)
    yield b"HTTP/1.1 103 Early Hints\r\n\r\n" * 50 + request(OK, b"Content-Length: 2", body=b"ok")
    yield os.urandom(300)


GOOD_ANSWERS = [
    request(OK, b"Content-Length: 5", body=b"hello"), request(OK, b"Transfer-Encoding: chunked", body=CHUNKED), request(OK, b"Content-Type: text/event-stream", body=b"data: x\n\n"),
    request(b"HTTP/1.1 103 Early Hints") + request(b"HTTP/1.1 404 Not Found", b"Content-Length: 3", b"Connection: close", body=b"no\n"), request(b"HTTP/1.0 200 OK", b"ETag: x", body=b"hello"),
]


def lying(answers):
    """Says to `/lie/N` what row N of a list is, and then ends or waits; all else it answers with the target."""

    def answer(wire, request):
        kind, _, number = request.target[1:].partition("/")
        if kind == "lie":
            wire.send(answers[int(number)])
            return int(number) % 2 == 0
        body = request.target.encode()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    return answer


def answers_by_h11(heard, requests):
    """Status and body of each whole answer, and the error; an end too early is none."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=200_000)
    connection.receive_data(heard)
    found = []
    try:
        for _ in range(requests):
            connection.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
            connection.send(h11.EndOfMessage())
            status, body = None, b""
            while True:
                event = connection.next_event()
                if isinstance(event, h11.Response):
                    status = event.status_code
                elif isinstance(event, h11.Data):
                    body += event.data
                elif isinstance(event, h11.EndOfMessage):
                    found.append((status, bytes(body)))
                    break
                elif not isinstance(event, h11.InformationalResponse):
                    return found, None
            if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                return found, None
            connection.start_next_cycle()
    except h11.RemoteProtocolError as error:
        return found, repr(error)
    return found, None


class Answers:
    """The statuses that llhttp reads."""

    def __init__(self, heard):
        self.statuses, self.error = [], None
        self.parser = httptools.HttpResponseParser(self)
        try:
            self.parser.feed_data(heard)
        except httptools.HttpParserError as error:
            self.error = repr(error)

    def on_message_complete(self):
        self.statuses.append(self.parser.get_status_code())


def test_no_malformed_answer_reaches_a_client():
    dice = random.Random(SEED + 1)
    print(f"seed {SEED}")
    table = list(hostile_answers())
    answers = table + mutations(table, GOOD_ANSWERS, MUTATED, dice)
    liar = Upstream(lying(answers))
    with ending(Product(liar.url, breaker_faults=0, **LIMITS)) as product:

        def ask(number):
            said = request(b"GET /lie/%d HTTP/1.1" % number, HOST) + request(b"GET /true/%d HTTP/1.1" % number, HOST, b"Connection: close")
            return converse(product.port, "127.0.0.1", said)

        with ThreadPoolExecutor(WORKERS) as pool:
            heard = list(pool.map(ask, range(len(answers))))
        assert product.restarts("edge") == 0
        refused = 0
        for number, got in enumerate(heard):
            what = f"seed {SEED}, answer {number}: {answers[number][:600]!r} reached the client as {got[:800]!r}"
            found, error = answers_by_h11(got, 2)
            second = Answers(got)
            assert error is None and second.error is None, f"{what}: {error}, {second.error}"
            assert 1 <= len(found) <= 2 or got.startswith(b"HTTP/1.1 "), what
            assert [status for status in second.statuses if status >= 200] == [status for status, _ in found], f"{what}: {second.statuses}"
            # The next request's answer is its own, or there is none: the connection has shown a cut.
            if len(found) == 2:
                assert found[1] == (200, b"/true/%d" % number), what
            refused += bool(found) and found[0][0] == 502
        print(f"{len(answers)} answers, {refused} refused")
        assert len(answers) >= 2000 and refused > 500
        assert liar.violations == []
        assert product.get("/health").status == 200
    liar.close()
