"""Traffic that notices everything: paced short requests and open streams, each answer compared with what the upstream says itself.
And a dashboard that keeps every announcement, through restarts of whatever it is connected to."""

import asyncio
import json
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect as websocket

from product import questions, wait_until

FINAL = {"audit_complete", "audit_failed", "audit_skipped"}


# What each mock answers itself, asked once.
references = {}


@dataclass
class Failure:
    request_id: str
    kind: str
    began: float
    at: float
    detail: str

    def __str__(self):
        return f"{self.request_id}: {self.kind} after {self.at - self.began:.3f} s: {self.detail}"


class Load:
    """`rate` short requests per second and `streams` open streams at a time, in a thread of its own, until it is stopped.
    At most `most` requests are under way; a client that cannot keep its pace says so (`late`)."""

    def __init__(self, port, mock, rate=50, streams=5, most=200, prefix="load"):
        self.port, self.mock, self.rate, self.streams, self.most, self.prefix = port, mock, rate, streams, most, prefix
        self.requests = [json.dumps({**question["request"], "user": "load"}).encode() for question in questions()]
        self.flows = [json.dumps({**question["request"], "stream": True, "mock": {"pace_ms": 40, "chunk": 3}}).encode() for question in questions()]
        self.expected = {}
        self.delivered = []
        self.failures = []
        self.latencies = []  # (due, seconds since then) of short requests: one that the client sends late has waited for it
        self.under_way = {}
        self.late = 0
        self.reconnects = 0
        self._idle = deque()
        self._number = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self):
        self._thread.start()
        wait_until(lambda: self.delivered and len(self.under_way) >= min(1, self.streams), 10, "the first answers")
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Starts nothing more and waits for what is under way."""
        self._stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive(), f"requests never ended: {list(self.under_way)[:5]}"

    def wait_more(self, count=20, limit=10.0):
        """Until so many more answers have been delivered."""
        target = len(self.delivered) + count
        wait_until(lambda: len(self.delivered) >= target, limit, f"{count} more answers")

    def percentile(self, share, since=0.0, until=float("inf")):
        chosen = sorted(seconds for due, seconds in self.latencies if since <= due < until)
        return chosen[min(len(chosen) - 1, int(share * len(chosen)))] if chosen else float("nan")

    async def _run(self):
        bodies = self.requests + self.flows
        if self.mock.url not in references:
            references[self.mock.url] = await asyncio.gather(*(self._once(self.mock.port, body, "reference") for body in bodies))
        self.expected = dict(zip(bodies, references[self.mock.url]))
        workers = [asyncio.create_task(self._flow(number)) for number in range(self.streams)]
        tasks = set()
        next_at = time.monotonic()
        while not self._stop.is_set():
            if len(tasks) < self.most:
                task = asyncio.create_task(self._ask(self.requests[self._number % len(self.requests)], due=next_at))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            else:
                self.late += 1
            next_at += 1 / self.rate  # the pace is the load itself: nothing is waited for
            await asyncio.sleep(max(0, next_at - time.monotonic()))
        await asyncio.gather(*tasks, *workers)
        for _, writer in self._idle:
            writer.close()

    async def _flow(self, number):
        await asyncio.sleep(number * 0.05)  # so that streams do not go in step
        while not self._stop.is_set():
            if not await self._ask(self.flows[number % len(self.flows)]):
                await asyncio.sleep(0.02)  # a client's rest after a failure, which is counted

    async def _ask(self, body, due=None):
        self._number += 1
        request_id = f"{self.prefix}-{self._number}"
        began = time.monotonic()
        self.under_way[request_id] = began
        try:
            answer = await self._once(self.port, body, request_id)
            if answer != self.expected[body]:
                raise ValueError(f"another answer: {answer[0]} {answer[1][:200]!r}")
            self.delivered.append(request_id)
            if due is not None:
                self.latencies.append((due, time.monotonic() - due))
            return True
        except (OSError, EOFError, ValueError, asyncio.IncompleteReadError, asyncio.TimeoutError) as error:
            self.failures.append(Failure(request_id, type(error).__name__, began, time.monotonic(), str(error)))
            return False
        finally:
            del self.under_way[request_id]

    async def _once(self, port, body, request_id):
        """Status and body; connections are kept, those of the product only."""
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nX-Request-ID: {request_id}\r\nContent-Length: {len(body)}\r\n\r\n"
        is_ours = port == self.port
        while True:
            reader = writer = None
            while is_ours and self._idle and reader is None:
                reader, writer = self._idle.popleft()
                if reader.at_eof() or writer.transport.is_closing():
                    writer.close()
                    reader = None
            is_used = reader is not None
            if reader is None:
                reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
            first = b""
            try:
                writer.write(head.encode() + body)
                first = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
                status, answer, keeps = await asyncio.wait_for(self._answer(reader, first), 60)
            except (OSError, asyncio.IncompleteReadError) as error:
                writer.close()
                if is_used and not first and not getattr(error, "partial", b""):
                    # As every client does: the connection had ended while it was idle.
                    self.reconnects += 1
                    continue
                raise
            except BaseException:
                writer.close()
                raise
            if keeps and is_ours:
                self._idle.append((reader, writer))
            else:
                writer.close()
            return status, answer

    async def _answer(self, reader, head):
        lines = head[:-4].split(b"\r\n")
        status = int(lines[0].split(b" ")[1])
        fields = {line.split(b":", 1)[0].lower(): line.split(b":", 1)[1].strip() for line in lines[1:]}
        keeps = fields.get(b"connection", b"").lower() != b"close"
        if b"content-length" in fields:
            return status, await reader.readexactly(int(fields[b"content-length"])), keeps
        assert fields.get(b"transfer-encoding") == b"chunked", head
        body = []
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body.append((await reader.readexactly(size + 2))[:-2])
        if await reader.readexactly(2) != b"\r\n":
            raise ValueError("no end of the chunks")
        return status, b"".join(body), keeps


def assert_only(load, kills=(), slack=0.1):
    """No failure but those of requests that an edge had in hand when it was killed; nobody was refused."""
    for failure in load.failures:
        assert "Refused" not in failure.kind, f"refused: {failure}"
        # A kill takes a moment to reach the process; idle connections end with it.
        assert any(failure.began <= kill + slack and kill <= failure.at + slack for kill in kills), f"a failure that nobody caused: {failure}"


class Announcements:
    """Every announcement of a product's audits, by a dashboard that reconnects and resumes."""

    def __init__(self, product):
        self.product = product
        self.messages = []
        self.reconnects = -1
        self._last = None
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(10)

    def _run(self):
        while not self._stop.is_set():
            since = f"&since={self._last}" if self._last else ""
            try:
                with websocket(f"{self.product.ws_url}?envelope=payload{since}", open_timeout=5, close_timeout=1) as socket:
                    self.reconnects += 1
                    self._ready.set()
                    while not self._stop.is_set():
                        try:
                            message = json.loads(socket.recv(timeout=0.2))
                        except TimeoutError:
                            continue
                        if "seq" in message:
                            self._last = f"{message['epoch']}:{message['seq']}"
                        self.messages.append(message)
            except (OSError, WebSocketException):
                self._stop.wait(0.02)

    def final(self):
        """Final announcements by audit; resumed ones that came twice with one number are one."""
        seen = {}
        for message in list(self.messages):
            if message["type"] in FINAL:
                audit = message["payload"]
                seen.setdefault(audit.get("audit_id") or audit["request_id"], set()).add((message.get("epoch"), message.get("seq"), message["type"]))
        return seen

    def requests(self):
        """How many audits of each request have been announced as final."""
        audits = {}
        for message in list(self.messages):
            if message["type"] in FINAL:
                audits.setdefault(message["payload"]["request_id"], set()).add(message["payload"].get("audit_id"))
        return Counter({request: len(ids) for request, ids in audits.items()})
