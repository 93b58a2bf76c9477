"""`bench.py broadcast`: one event of 2 KB to many dashboards, beside uWebSockets and the Python library `websockets`.

The clients are one C program (listeners.c). Our events are real ones: a request to the proxy is answered in test mode, audited and
told to all. The others are told by one more client to send as many bytes. Rounds are interleaved; CPU is the time of the process
that sends, the time in which nothing is sent taken off (nobody polls).
"""
import json, os, statistics, subprocess, sys, time, urllib.request

from websockets.sync.client import connect

HERE = os.path.dirname(os.path.abspath(__file__))
EVENTS = 40
PAUSE = 0.03
CLAIM = "The bridge over the river was opened to traffic in 1931 and is 148 metres long. "


class Sender:
    """A server under test; `tell` makes it send one event to all."""
    def __init__(self, name, port, pid, tell):
        self.name, self.port, self.pid, self.tell = name, port, pid, tell


class Ours:
    def __init__(self, bench, port, clients):
        self.port = port
        product = bench.product("ours", 9, role="broadcaster", ws_port=str(port), test_mode="1", max_connections=str(clients + 100))
        self.pid, self.url = product.pid, f"http://127.0.0.1:{product.port}/v1/chat/completions"

    def tell(self):
        body = {"model": "bench", "messages": [{"role": "user", "content": "How long is the bridge?"}], "test_response": CLAIM * 4}
        urllib.request.urlopen(urllib.request.Request(self.url, json.dumps(body).encode(), {"Content-Type": "application/json"}), timeout=10).read()

    def event_bytes(self):
        """The length of one message, as a dashboard gets it."""
        with connect(f"ws://127.0.0.1:{self.port}/ws", compression=None) as socket:
            socket.recv(10)
            self.tell()
            return len(socket.recv(10).encode())


def measure(bench, tools, sender, clients, stalled=0):
    """One round: CPU µs per delivery, time of deliveries, memory per client."""
    memory = tools.resident(sender.pid)
    process = subprocess.Popen([f"{bench.work}/listeners", str(sender.port), "/ws", str(clients), str(stalled), str(EVENTS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    bench.started.append(process)
    def said(word):
        line = process.stdout.readline()
        if not line.startswith(word):
            sys.exit(f"bench: {sender.name}: the clients said {line!r} instead of {word!r}")
        return line
    said("open")
    time.sleep(0.5)
    each = (tools.resident(sender.pid) - memory) * 1024 / (clients + stalled)
    began, idle = time.monotonic(), tools.cpu_seconds(sender.pid)
    time.sleep(1)
    idle = (tools.cpu_seconds(sender.pid) - idle) / (time.monotonic() - began)
    cpu, began, busy = tools.cpu_seconds(sender.pid), time.monotonic(), 0
    for _ in range(EVENTS):
        at = time.monotonic()
        sender.tell()
        said("event")
        busy += time.monotonic() - at
        time.sleep(PAUSE)
    cpu = tools.cpu_seconds(sender.pid) - cpu - idle * (time.monotonic() - began)
    words = said("deliveries").split()
    process.stdin.close()
    process.wait(10)
    time.sleep(0.5)
    deliveries = int(words[1])
    return {"us": cpu / deliveries * 1e6, "rate": deliveries / busy, "p50": int(words[3]) / 1e3, "p99": int(words[5]) / 1e3, "max": int(words[7]) / 1e3, "bytes": each}


def run(bench, tools):
    subprocess.run(["cc", "-O2", "-o", f"{bench.work}/listeners", f"{HERE}/listeners.c"], check=True)
    ours = Ours(bench, tools.free_port(), 10_000)
    length = ours.event_bytes()
    text = "!" + "x" * length
    senders = [Sender("ours", ours.port, ours.pid, ours.tell)]
    for name, kind in (("uWebSockets", "uws"), ("Python websockets", "websockets")):
        port = tools.free_port()
        process = bench.start([sys.executable, f"{HERE}/broadcast_peer.py", kind, str(port)])
        tools.wait_for(tools.listening(port), name)
        control = connect(f"ws://127.0.0.1:{port}/ws", compression=None, ping_interval=None, max_size=None)
        def tell(control=control):
            control.send(text)
            control.recv(10)  # it is one of all
        senders.append(Sender(name, port, process.pid, tell))
    print(f"\nOne event of {length} bytes to all, {EVENTS} times per round, {bench.options.rounds} interleaved rounds: medians (range of CPU)\n")
    print("| clients | server | CPU µs per delivery | × uWebSockets | deliveries/s | p50, p99, last delivery in ms | bytes per client |\n|---|---|---|---|---|---|---|")
    for clients, stalled in ((1000, 0), (1000, 1), (10_000, 0)):
        readings = {s.name: [] for s in senders}
        for _ in range(bench.options.rounds):
            for sender in senders:
                # A stalled client shows what it costs the others; ours is the question.
                if not stalled or sender is senders[0]:
                    readings[sender.name].append(measure(bench, tools, sender, clients, stalled))
        for sender in senders:
            values = readings[sender.name]
            if not values:
                continue
            median = {k: statistics.median(v[k] for v in values) for k in values[0]}
            peer = readings["uWebSockets"]
            ratio = f"{median['us'] / statistics.median(v['us'] for v in peer):.2f}" if peer else ""
            cpu = [v["us"] for v in values]
            # Sockets' memory is reused from round to round: the first round tells what a client takes.
            print(f"| {clients}{' and 1 stalled' if stalled else ''} | {sender.name} | {median['us']:.2f} ({min(cpu):.2f} to {max(cpu):.2f}) | {ratio} | {median['rate']:.0f} | "
                  f"{median['p50']:.1f}, {median['p99']:.1f}, {median['max']:.1f} | {values[0]['bytes']:.0f} |", flush=True)
