"""What TruthTable's edge costs, beside HAProxy and nginx with one worker each, in interleaved rounds.

    python3 bench/bench.py [MEASURE…] [--rounds 5] [--seconds 3] [--build .build/release]

    cpu      CPU time per request: POST 1 KB, answer 1 KB, 64 connections (the default)
    gateway  the plain path beside the same with callers' keys and routes on
    growth   the same with 1, 64, 1,000 and 10,000 connections (or as many as the limit of open files allows), and with answers of 16, 64 and 256 KB
    latency  latency at one connection, also without a proxy
    streams  500 streams of 64 events, 20 ms apart: CPU per event, stalls over 200 ms, added time to the first event
    idle     resident memory per idle keep-alive connection
    tls      clients by TLS 1.3: CPU per request over kept connections, and per new connection, with a full and a resumed
             handshake; every proxy with the same OpenSSL and the same certificate (ECDSA P-256)
    broadcast  one event of 2 KB to 1,000 and 10,000 dashboards, beside uWebSockets and Python's websockets (see broadcast.py)

The upstream is nginx answering from memory; the load is wrk with keep-alive. A figure is the CPU time (user and system) that the
proxy's process used, from /proc/PID/schedstat, over the requests that wrk counted. Readings of ours count only if at least
99.9 % of the answers were captured and reached the dispatcher. Only loopback is used; everything started here is ended here.
"""
import argparse, asyncio, hashlib, json, os, re, resource, shutil, signal, socket, ssl, statistics, subprocess, sys, tempfile, time, urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
# Connections at once: a proxy has two descriptors for each, and some for itself.
MOST = min(10_000, (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 500) // 2)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(condition, what, limit=15):
    end = time.monotonic() + limit
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    sys.exit(f"bench: {what} did not happen within {limit} s")


def listening(port):
    def probe():
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", port)) == 0
    return probe


def cpu_seconds(pid):
    """CPU time of all threads of a process so far."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat") as f:
            total += int(f.read().split()[0])
    return total / 1e9


def user_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        return int(f.read().rsplit(")", 1)[1].split()[11]) / os.sysconf("SC_CLK_TCK")


def children(pid):
    return [int(p) for p in subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()]


class Peer:
    """A proxy under test: where it listens and which process does the work (`all`: the product's every process)."""
    def __init__(self, name, port, pid, all=()):
        self.name, self.port, self.pid, self.all = name, port, pid, all
        self.readings = []
        self.scheme = "http"

    def median(self, figure):
        return statistics.median(r[figure] for r in self.readings)

    def text(self, figure):
        values = [r[figure] for r in self.readings]
        return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


class Bench:
    def __init__(self, options):
        self.options = options
        self.work = tempfile.mkdtemp(prefix="truthtable-bench-")
        self.started = []

    def start(self, arguments, **more):
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=more.pop("stderr", subprocess.DEVNULL), **more)
        self.started.append(process)
        return process

    def nginx(self, name, http):
        path = f"{self.work}/{name}.conf"
        with open(path, "w") as f:
            f.write(f"daemon off; master_process on; worker_processes 1; pid {self.work}/{name}.pid; error_log /dev/null;\n"
                    f"events {{ worker_connections 20000; }}\nhttp {{ access_log off; keepalive_requests 100000000; "
                    f"client_body_temp_path {self.work}; proxy_temp_path {self.work}; fastcgi_temp_path {self.work}; uwsgi_temp_path {self.work}; scgi_temp_path {self.work};\n{http}\n}}\n")
        process = self.start(["nginx", "-c", path, "-p", self.work])
        return wait_for(lambda: children(process.pid), f"a worker of nginx ({name})")[0]

    def upstream(self):
        """nginx that answers POST /v1/chat/completions?N with about N KB from memory."""
        port = free_port()
        text = "The bridge is 148 metres long. "
        head = '{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"bench","choices":[{"index":0,"message":{"role":"assistant","content":"'
        tail = '"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}'
        for kilobytes in (1, 16, 64, 256):
            fill = max(0, (kilobytes << 10) - len(head) - len(tail))
            os.makedirs(f"{self.work}/www/{kilobytes}/v1/chat", exist_ok=True)
            with open(f"{self.work}/www/{kilobytes}/v1/chat/completions", "w") as f:
                f.write(head + (text * (fill // len(text) + 1))[:fill] + tail)
        self.nginx("upstream", f"server {{ listen 127.0.0.1:{port} backlog=8192; root {self.work}/www; default_type application/json; "
                   f"client_max_body_size 64m; error_page 405 =200 $uri; open_file_cache max=16; output_buffers 2 512k; location / {{ }} }}")
        wait_for(listening(port), "the upstream")
        return port

    def certificate(self):
        """A self-signed certificate, its key, and both in one file."""
        cert, key, both = (f"{self.work}/{name}.pem" for name in ("cert", "key", "both"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert, "-days", "2",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
        with open(both, "w") as f:
            f.write(open(cert).read() + open(key).read())
        return cert, key, both

    def product(self, name, upstream, role="edge", **settings):
        """The product with these settings besides those of every measure; the process that does the work is that of `role`."""
        port, ws, build = free_port(), free_port(), self.options.build
        env = {"PATH": os.environ["PATH"], "TRUTHTABLE_PORT": str(port), "TRUTHTABLE_WS_PORT": str(ws), "TRUTHTABLE_LOG_LEVEL": "error",
               "TRUTHTABLE_UPSTREAM_URL": f"http://127.0.0.1:{upstream}", "TRUTHTABLE_RUNTIME_DIR": f"{self.work}/{ws}",
               "TRUTHTABLE_AUDITOR_COUNT": "1", "TRUTHTABLE_MAX_CONNECTIONS": str(MOST + 50), "TRUTHTABLE_UPSTREAM_IDLE_CONNECTIONS": str(MOST + 50)}
        env |= {f"TRUTHTABLE_{setting.upper()}": value for setting, value in settings.items()}
        self.start([f"{build}/truthtable", "run"], env=env, cwd=self.work)
        def ready():
            out = subprocess.run([f"{build}/truthtable", "status", "--json"], env=env, cwd=self.work, capture_output=True, text=True)
            processes = json.loads(out.stdout)["processes"] if out.returncode == 0 else []
            return processes if processes and all(p["state"] == "ready" for p in processes) else None
        processes = wait_for(ready, "the product's start")
        return Peer(name, port, next(p["pid"] for p in processes if p["role"] == role), [p["pid"] for p in processes])

    def haproxy(self, name, upstream, certificate="", options=""):
        port = free_port()
        with open(f"{self.work}/{name}.cfg", "w") as f:
            f.write(f"global\n  nbthread 1\n  maxconn {MOST + 50}\ndefaults\n  mode http\n  timeout connect 10s\n  timeout client 75s\n  timeout server 120s\n"
                    f"  option forwardfor\n{options}  http-reuse always\n  unique-id-format %{{+X}}o\\ %ci:%cp_%fi:%fp_%Ts_%rt:%pid\n  unique-id-header X-Request-ID\n"
                    f"frontend f\n  bind 127.0.0.1:{port}{f' ssl crt {certificate} alpn http/1.1' if certificate else ''}\n  default_backend b\nbackend b\n  server u 127.0.0.1:{upstream} pool-max-conn {MOST + 50}\n")
        process = self.start(["haproxy", "-f", f"{self.work}/{name}.cfg", "-db"])
        wait_for(listening(port), name)
        return Peer(name, port, process.pid)

    def relay(self, upstream):
        """What no proxy can do without: bytes from one socket to the other, by epoll, in C (relay.c)."""
        subprocess.run(["cc", "-O2", "-o", f"{self.work}/relay", f"{HERE}/relay.c"], check=True)
        port = free_port()
        process = self.start([f"{self.work}/relay", str(port), str(upstream)])
        wait_for(listening(port), "the relay")
        return Peer("a relay that looks at no byte", port, process.pid)

    def peers(self, upstream, with_captures_off=False, certificate=None):
        cert, key, both = certificate or ("", "", "")
        peers = [self.product("ours", upstream, audit_enabled="true", tls_cert=cert, tls_key=key)]
        if with_captures_off:
            peers.append(self.product("ours, captures off", upstream, audit_enabled="false", tls_cert=cert, tls_key=key))
        peers.append(self.haproxy("HAProxy", upstream, both))
        port = free_port()
        pid = self.nginx("proxy", f"upstream u {{ server 127.0.0.1:{upstream}; keepalive {MOST + 50}; keepalive_requests 100000000; }} server {{ listen 127.0.0.1:{port} backlog=4096{f' ssl; ssl_certificate {cert}; ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3' if cert else ''}; client_max_body_size 64m; location / {{ "
                         f"proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; "
                         f"proxy_set_header X-Request-ID $request_id; proxy_buffering on; }} }}")
        wait_for(listening(port), "nginx")
        peers.append(Peer("nginx", port, pid))
        for peer in peers:
            peer.scheme = "https" if certificate else "http"
        return peers

    def load(self, port, seconds, connections=64, kilobytes=1, scheme="http"):
        """wrk; requests done, problems, and the latency's percentiles in µs."""
        out = subprocess.run(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", f"{HERE}/post.lua", "--latency", f"{scheme}://127.0.0.1:{port}", "--", str(kilobytes)],
            capture_output=True, text=True, timeout=seconds + 120).stdout
        done = int(re.search(r"(\d+) requests in", out).group(1))
        bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
        failed = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", out)
        problems = (int(bad.group(1)) if bad else 0) + (sum(map(int, failed.groups())) if failed else 0)
        unit = {"us": 1, "ms": 1e3, "s": 1e6}
        percentiles = {int(float(p)): float(v) * unit[u] for p, v, u in re.findall(r"^\s+(\d+)%\s+([\d.]+)(us|ms|s)\s*$", out, re.M)}
        return max(1, done), problems, percentiles  # one where none came through: it shows as a very dear one

    def ledger(self, peer):
        with urllib.request.urlopen(f"{peer.scheme}://127.0.0.1:{peer.port}/stats", timeout=5, context=ssl._create_unverified_context()) as answer:
            return json.load(answer)["ledger"]

    def reading(self, peer, connections=64, kilobytes=1):
        before = self.ledger(peer) if peer.name == "ours" else None
        cpu, user = cpu_seconds(peer.pid), user_seconds(peer.pid)
        all_before = sum(map(cpu_seconds, peer.all)) if peer.all else 0
        done, problems, percentiles = self.load(peer.port, self.options.seconds, connections, kilobytes, peer.scheme)
        result = {"us": (cpu_seconds(peer.pid) - cpu) / done * 1e6, "user": (user_seconds(peer.pid) - user) / done * 1e6, "rps": done / self.options.seconds,
                  "p99": percentiles.get(99, float("nan")), "problems": problems}
        if before:
            time.sleep(0.5)
            after = self.ledger(peer)
            captured = after["captured"] - before["captured"]
            lost = sum(after["dropped"].get(k, 0) - before["dropped"].get(k, 0) for k in ("capture_backlog", "channel_lost", "edge_lost"))
            result["share"] = (captured - lost) / done
            result["all"] = (sum(map(cpu_seconds, peer.all)) - all_before) / done * 1e6
        return result

    def rounds(self, peers, connections=64, kilobytes=1):
        for peer in peers:
            peer.readings = []
            self.load(peer.port, 1, connections, kilobytes, peer.scheme)
        for _ in range(self.options.rounds):
            for peer in peers:
                peer.readings.append(self.reading(peer, connections, kilobytes))

    def cpu(self, upstream):
        peers = self.peers(upstream, with_captures_off=True) + [self.relay(upstream)]
        self.rounds(peers)
        haproxy, nginx = (next(p.median("us") for p in peers if p.name == n) for n in ("HAProxy", "nginx"))
        print(f"\nCPU per request: POST 1 KB, answer 1 KB, 64 connections, one worker each, {self.options.rounds} interleaved rounds of {self.options.seconds} s\n")
        print("| proxy | µs, median (range) | user µs | × HAProxy | × nginx | requests/s |\n|---|---|---|---|---|---|")
        for p in peers:
            print(f"| {p.name} | {p.text('us')} | {p.median('user'):.2f} | {p.median('us') / haproxy:.2f} | {p.median('us') / nginx:.2f} | {p.median('rps'):.0f} |")
        self.tell_captures(peers[0])
        print(f"all processes of the product, audits included: {peers[0].median('all'):.1f} µs per request")
        self.keep("cpu", peers)

    def tell_captures(self, ours):
        share = min(r["share"] for r in ours.readings)
        problems = sum(r["problems"] for r in ours.readings)
        print(f"\ncaptured and received by the dispatcher: at least {share:.2%}" + ("" if share >= 0.999 else " (below 99.9 %: the reading does not count)")
              + (f"; requests with problems: {problems}" if problems else ""))

    def gateway(self, upstream):
        """The plain path beside the same with routes and callers' keys on, captures on in all."""
        keys = f"{self.work}/keys"
        with open(keys, "w") as f:
            for number in range(1000):
                name = f"sk-bench-{number}" if number else "sk-bench-0123456789abcdef0123456789abcdef"
                f.write(f"{hashlib.sha256(name.encode()).hexdigest()} key-{number} 1000000 10000 now\n")
        here = f"http://127.0.0.1:{upstream}"
        elsewhere = "/v1/messages => http://127.0.0.1:9; /api/ => http://127.0.0.1:9; "
        peers = [
            self.product("plain", upstream),
            self.product("plain, once more", upstream),  # what differs here is noise
            self.product("1,000 keys, 3 routes by path", upstream, keys_file=keys, routes=f"{elsewhere}/1 => {here}"),
            self.product("the same, the last route by model", upstream, keys_file=keys, routes=f"{elsewhere}model bench* => {here}"),
            self.product("... and two upstreams in it", upstream, keys_file=keys, routes=f"{elsewhere}model bench* => {here}, {here}/"),
        ]
        self.rounds(peers)
        print(f"\nWhat the gateway costs: CPU per request, POST 1 KB, answer 1 KB, 64 connections, {self.options.rounds} interleaved rounds of {self.options.seconds} s\n")
        print("| settings | µs, median (range) | × plain, median of rounds (range) | requests with problems |\n|---|---|---|---|")
        for p in peers:
            ratios = [mine["us"] / plain["us"] for mine, plain in zip(p.readings, peers[0].readings)]
            print(f"| {p.name} | {p.text('us')} | {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}) | {sum(r['problems'] for r in p.readings)} |")
        self.keep("gateway", peers)

    def growth(self, upstream):
        peers = self.peers(upstream)
        print("\nHow the cost grows: CPU µs per request, median (× HAProxy)\n")
        print("| connections | answer | " + " | ".join(p.name for p in peers) + " | captured |\n|---|---|" + "---|" * (len(peers) + 1))
        for connections, kilobytes in ((1, 1), (64, 1), (1000, 1), (MOST, 1), (64, 16), (64, 64), (64, 256)):
            self.rounds(peers, connections, kilobytes)
            haproxy = next(p.median("us") for p in peers if p.name == "HAProxy")
            share = min(r["share"] for r in peers[0].readings)
            print(f"| {connections} | {kilobytes} KB | " + " | ".join(f"{p.text('us')} ({p.median('us') / haproxy:.2f})" for p in peers) + f" | {share:.2%} |", flush=True)
            self.keep(f"growth-{connections}-{kilobytes}", peers)

    def latency(self, upstream):
        peers = self.peers(upstream)
        direct = Peer("direct", upstream, os.getpid())
        readings = {p.name: [] for p in [direct] + peers}
        for _ in range(self.options.rounds):
            for p in [direct] + peers:
                readings[p.name].append(self.load(p.port, self.options.seconds, connections=1)[2])
        print(f"\nLatency at one connection, µs (median of {self.options.rounds} rounds)\n\n| | p50 | p99 | added p50 | added p99 |\n|---|---|---|---|---|")
        base = {q: statistics.median(r[q] for r in readings["direct"]) for q in (50, 99)}
        for name, values in readings.items():
            p50, p99 = (statistics.median(r[q] for r in values) for q in (50, 99))
            print(f"| {name} | {p50:.0f} | {p99:.0f} | {p50 - base[50]:.0f} | {p99 - base[99]:.0f} |")

    def streams(self, _):
        mock = self.start([f"{self.options.build}/truthtable-mockllm", "--port", str(port := free_port()), "--pace-ms", "20", "--chunk-tokens", "1"])
        wait_for(listening(port), "mockllm")
        peers = self.peers(port)
        # By itself HAProxy holds what looks like a part of something back for up to 200 ms (MSG_MORE).
        peers.insert(1, self.haproxy("HAProxy, http-no-delay", port, options="  option http-no-delay\n"))
        direct = Peer("direct", port, mock.pid)
        print("\nStreams: 500 at once of 64 events, 20 ms apart, medians\n\n| | CPU µs per event | gaps over 200 ms | first event after, ms (median, p99) |\n|---|---|---|---|")
        for p in [direct] + peers:
            p.readings = []
        for _ in range(min(3, self.options.rounds)):
            for p in [direct] + peers:
                cpu = cpu_seconds(p.pid)
                events, stalls, first = asyncio.run(run_streams(p.port, 500))
                first.sort()
                p.readings.append({"us": (cpu_seconds(p.pid) - cpu) / max(1, events) * 1e6, "stalls": stalls, "first": first[len(first) // 2] * 1e3, "last": first[len(first) * 99 // 100] * 1e3})
        for p in [direct] + peers:
            cost = "" if p is direct else f"{p.text('us')}"
            print(f"| {p.name} | {cost} | {p.median('stalls'):.0f} | {p.median('first'):.1f}, {p.median('last'):.1f} |")
        self.keep("streams", peers)

    def idle(self, upstream):
        peers, count = self.peers(upstream), MOST - 50
        print(f"\nResident memory with {count} idle keep-alive connections, each after one exchange\n\n| proxy | KiB before | KiB with them | bytes each |\n|---|---|---|---|")
        for p in peers:
            before = resident(p.pid)
            sockets = []
            for _ in range(count):
                s = socket.create_connection(("127.0.0.1", p.port))
                s.sendall(b"POST /1/v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
                sockets.append(s)
                s.recv(65536)
            time.sleep(0.5)
            after = resident(p.pid)
            print(f"| {p.name} | {before} | {after} | {(after - before) * 1024 / count:.0f} |")
            for s in sockets:
                s.close()

    def tls(self, upstream):
        certificate = self.certificate()
        peers = self.peers(upstream, certificate=certificate)
        print(f"\nTLS from clients, CPU µs, median (range), {self.options.rounds} interleaved rounds of {self.options.seconds} s\n")
        print("| | " + " | ".join(p.name for p in peers) + " | ours × HAProxy |\n|---|" + "---|" * (len(peers) + 1))

        def tell(what, name):
            ours, haproxy = peers[0], next(p for p in peers if p.name == "HAProxy")
            print(f"| {what} | " + " | ".join(p.text("us") for p in peers) + f" | {ours.median('us') / haproxy.median('us'):.2f} |", flush=True)
            self.keep(name, peers)

        for kilobytes in (1, 64):
            self.rounds(peers, kilobytes=kilobytes)
            tell(f"request, {kilobytes} KB answer, 64 kept connections", f"tls-{kilobytes}")
        for resumed in (False, True):
            for peer in peers:
                peer.readings = []
                new_connections(peer, certificate[0], 0.5, resumed)
            for _ in range(self.options.rounds):
                for peer in peers:
                    cpu = cpu_seconds(peer.pid)
                    done = new_connections(peer, certificate[0], self.options.seconds, resumed)
                    peer.readings.append({"us": (cpu_seconds(peer.pid) - cpu) / done * 1e6, "connections": done})
            tell(f"new connection, {'resumed' if resumed else 'full'} handshake, one request", "tls-resumed" if resumed else "tls-full")
        self.rounds(peers)
        self.tell_captures(peers[0])

    def broadcast(self, _):
        import broadcast  # its clients need packages that the other measures do not
        broadcast.run(self, sys.modules[__name__])

    def keep(self, name, peers):
        os.makedirs(f"{HERE}/results", exist_ok=True)
        with open(f"{HERE}/results/{time.strftime('%Y%m%d-%H%M%S')}-{name}.json", "w") as f:
            json.dump({"options": vars(self.options), "peers": {p.name: p.readings for p in peers}}, f, indent=1)

    def finish(self):
        for process in reversed(self.started):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.started:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(self.work, ignore_errors=True)


def resident(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


def new_connections(peer, certificate, seconds, resumed):
    """One connection after another, each with a handshake of the wanted kind and one request; how many there were."""
    context = ssl.create_default_context(cafile=certificate)
    context.set_alpn_protocols(["http/1.1"])
    body = b"x" * 1024
    request = b"POST /1/v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    end, done, session = time.monotonic() + seconds, 0, None
    while time.monotonic() < end:
        with socket.create_connection(("127.0.0.1", peer.port)) as plain, context.wrap_socket(plain, server_hostname="localhost", session=session if resumed else None) as s:
            s.sendall(request)
            answer = b""
            while piece := s.recv(65536):
                answer += piece
            if not answer.startswith(b"HTTP/1.1 200") or s.session_reused != (resumed and session is not None):
                sys.exit(f"bench: {peer.name}: {'resumed' if s.session_reused else 'full'} handshake, answer {answer[:60]!r}")
            session = s.session
            done += 1
    return done


async def run_streams(port, count):
    """Opens `count` streams at once; events seen, gaps between two of more than 200 ms, and the time to each first event."""
    body = json.dumps({"model": "bench", "stream": True, "messages": [{"role": "user", "content": "stream"}], "mock": {"answer": " ".join(["word"] * 64)}}).encode()
    request = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    totals = {"events": 0, "stalls": 0, "first": []}

    async def one():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        began = last = time.monotonic()
        writer.write(request)
        seen, rest = 0, b""
        while True:
            piece = await asyncio.wait_for(reader.read(65536), 30)
            if not piece:
                break
            now = time.monotonic()
            events = (rest + piece).count(b"data: ") - rest.count(b"data: ")
            if events and not seen:
                totals["first"].append(now - began)
            elif events and now - last > 0.2:
                totals["stalls"] += 1
            if events:
                last, seen = now, seen + events
            rest = (rest + piece)[-64:]
            if b"[DONE]" in rest:
                break
        totals["events"] += seen
        writer.close()

    await asyncio.gather(*(one() for _ in range(count)))
    return totals["events"], totals["stalls"], totals["first"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measures", nargs="*", metavar="MEASURE", help="cpu, gateway, growth, latency, streams, idle, tls, broadcast, or all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--build", default=os.path.abspath(f"{HERE}/../.build/release"))
    options = parser.parse_args()
    known = ["cpu", "gateway", "growth", "latency", "streams", "idle", "tls", "broadcast"]
    measures = known if options.measures == ["all"] else options.measures or ["cpu"]
    for measure in measures:
        if measure not in known:
            parser.error(f"unknown measure {measure}: choose from {', '.join(known)}, all")
    for measure in measures:
        bench = Bench(options)
        try:
            getattr(bench, measure)(None if measure == "broadcast" else bench.upstream())
        finally:
            bench.finish()


main()
