"""CPU time per proxied request: TruthTable's edge beside HAProxy and nginx, one worker each, interleaved rounds.

    python3 bench/bench.py [--rounds 5] [--seconds 3] [--connections 64] [--answer-bytes 1024] [--build .build/release]

The upstream is nginx answering from memory; the load is wrk with keep-alive. A figure is the CPU time (user and system) that the
proxy's process used, from /proc/PID/schedstat, over the requests that wrk counted. Readings of ours count only if at least
99.9 % of the answers were captured and reached the dispatcher. Only loopback is used; everything started here is ended here.
"""
import argparse, json, os, re, shutil, signal, socket, statistics, subprocess, sys, tempfile, time, urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))


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
    """A proxy under test: where it listens and which process does the work."""
    def __init__(self, name, port, pid):
        self.name, self.port, self.pid = name, port, pid
        self.readings = []


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
        port = free_port()
        text = "The bridge is 148 metres long. "
        head = '{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"bench","choices":[{"index":0,"message":{"role":"assistant","content":"'
        tail = '"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}'
        fill = max(0, self.options.answer_bytes - len(head) - len(tail))
        os.makedirs(f"{self.work}/www/v1/chat", exist_ok=True)
        with open(f"{self.work}/www/v1/chat/completions", "w") as f:
            f.write(head + (text * (fill // len(text) + 1))[:fill] + tail)
        self.nginx("upstream", f"server {{ listen 127.0.0.1:{port} backlog=4096; root {self.work}/www; default_type application/json; "
                   f"client_max_body_size 64m; error_page 405 =200 $uri; open_file_cache max=16; location / {{ }} }}")
        wait_for(listening(port), "the upstream")
        return port

    def peers(self, upstream):
        o, peers = self.options, []
        for name, captures in (("ours", "true"), ("ours, captures off", "false")):
            port, ws = free_port(), free_port()
            env = {"PATH": os.environ["PATH"], "TRUTHTABLE_PORT": str(port), "TRUTHTABLE_WS_PORT": str(ws), "TRUTHTABLE_LOG_LEVEL": "error",
                   "TRUTHTABLE_UPSTREAM_URL": f"http://127.0.0.1:{upstream}", "TRUTHTABLE_RUNTIME_DIR": f"{self.work}/{ws}",
                   "TRUTHTABLE_AUDIT_ENABLED": captures, "TRUTHTABLE_AUDITOR_COUNT": "1", "TRUTHTABLE_MAX_CONNECTIONS": "9000",
                   "TRUTHTABLE_UPSTREAM_IDLE_CONNECTIONS": "9000"}
            self.start([f"{o.build}/truthtable", "run"], env=env, cwd=self.work)
            def ready():
                out = subprocess.run([f"{o.build}/truthtable", "status", "--json"], env=env, cwd=self.work, capture_output=True, text=True)
                processes = json.loads(out.stdout)["processes"] if out.returncode == 0 else []
                return processes if processes and all(p["state"] == "ready" for p in processes) else None
            processes = wait_for(ready, "the product's start")
            peer = Peer(name, port, next(p["pid"] for p in processes if p["role"] == "edge"))
            peer.all = [p["pid"] for p in processes]
            peers.append(peer)
        port = free_port()
        with open(f"{self.work}/haproxy.cfg", "w") as f:
            f.write(f"global\n  nbthread 1\n  maxconn 9000\ndefaults\n  mode http\n  timeout connect 10s\n  timeout client 75s\n  timeout server 120s\n"
                    f"  option forwardfor\n  http-reuse always\n  unique-id-format %{{+X}}o\\ %ci:%cp_%fi:%fp_%Ts_%rt:%pid\n  unique-id-header X-Request-ID\n"
                    f"frontend f\n  bind 127.0.0.1:{port}\n  default_backend b\nbackend b\n  server u 127.0.0.1:{upstream} pool-max-conn 9000\n")
        process = self.start(["haproxy", "-f", f"{self.work}/haproxy.cfg", "-db"])
        wait_for(listening(port), "HAProxy")
        peers.append(Peer("HAProxy", port, process.pid))
        port = free_port()
        pid = self.nginx("proxy", f"upstream u {{ server 127.0.0.1:{upstream}; keepalive 9000; keepalive_requests 100000000; }} server {{ listen 127.0.0.1:{port} backlog=4096; client_max_body_size 64m; location / {{ "
                         f"proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; "
                         f"proxy_set_header X-Request-ID $request_id; proxy_buffering on; }} }}")
        wait_for(listening(port), "nginx")
        peers.append(Peer("nginx", port, pid))
        return peers

    def load(self, port, seconds):
        o = self.options
        out = subprocess.run(["wrk", "-t1", f"-c{o.connections}", f"-d{seconds}s", "--timeout", "20s", "-s", f"{HERE}/post.lua", "--latency", f"http://127.0.0.1:{port}"],
                             capture_output=True, text=True, timeout=seconds + 60).stdout
        done = int(re.search(r"(\d+) requests in", out).group(1))
        bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
        failed = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", out)
        problems = (int(bad.group(1)) if bad else 0) + (sum(map(int, failed.groups())) if failed else 0)
        p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", out)
        return done, problems, float(p99.group(1)) * {"us": 1, "ms": 1e3, "s": 1e6}[p99.group(2)] if p99 else float("nan")

    def ledger(self, port):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/stats", timeout=5) as answer:
            return json.load(answer)["ledger"]

    def reading(self, peer):
        before = self.ledger(peer.port) if peer.name == "ours" else None
        cpu, user = cpu_seconds(peer.pid), user_seconds(peer.pid)
        all_before = sum(map(cpu_seconds, peer.all)) if hasattr(peer, "all") else 0
        done, problems, p99 = self.load(peer.port, self.options.seconds)
        result = {"us": (cpu_seconds(peer.pid) - cpu) / done * 1e6, "user": (user_seconds(peer.pid) - user) / done * 1e6, "rps": done / self.options.seconds,
                  "p99": p99, "problems": problems}
        if before:
            time.sleep(0.3)
            after = self.ledger(peer.port)
            captured = after["captured"] - before["captured"]
            lost = sum(after["dropped"].get(k, 0) - before["dropped"].get(k, 0) for k in ("capture_backlog", "channel_lost", "edge_lost"))
            result["share"] = (captured - lost) / done
            result["all"] = (sum(map(cpu_seconds, peer.all)) - all_before) / done * 1e6
        return result

    def run(self):
        o = self.options
        upstream = self.upstream()
        peers = self.peers(upstream)
        for peer in peers:
            self.load(peer.port, 1)
        for round in range(o.rounds):
            for peer in peers:
                peer.readings.append(self.reading(peer))
                r = peer.readings[-1]
                print(f"  round {round + 1} {peer.name:<20} {r['us']:6.2f} µs" + (f"  problems {r['problems']}" if r["problems"] else ""), file=sys.stderr)
        self.report(peers)

    def report(self, peers):
        o = self.options
        haproxy = statistics.median(r["us"] for p in peers if p.name == "HAProxy" for r in p.readings)
        nginx = statistics.median(r["us"] for p in peers if p.name == "nginx" for r in p.readings)
        print(f"\nCPU per request: POST 1 KB, answer {o.answer_bytes} B, {o.connections} connections, one worker each, {o.rounds} interleaved rounds of {o.seconds} s\n")
        print(f"| {'proxy':<20} | µs, median (range)     | user µs | × HAProxy | × nginx | requests/s | p99 µs |")
        print(f"|{'-' * 22}|{'-' * 24}|---------|-----------|---------|------------|--------|")
        for p in peers:
            us = [r["us"] for r in p.readings]
            median = statistics.median(us)
            print(f"| {p.name:<20} | {median:6.2f} ({min(us):.2f} to {max(us):.2f})".ljust(47) + f"| {statistics.median(r['user'] for r in p.readings):7.2f} | {median / haproxy:9.2f} | {median / nginx:7.2f} "
                  f"| {statistics.median(r['rps'] for r in p.readings):10.0f} | {statistics.median(r['p99'] for r in p.readings):6.0f} |")
        ours = next(p for p in peers if p.name == "ours")
        share = min(r["share"] for r in ours.readings)
        print(f"\ncaptured and received by the dispatcher: at least {share:.2%} of the answers" + ("" if share >= 0.999 else "  (below 99.9 %: the reading does not count)"))
        print(f"all processes of the product, audits included: {statistics.median(r['all'] for r in ours.readings):.1f} µs per request")
        problems = sum(r["problems"] for p in peers for r in p.readings)
        if problems:
            print(f"requests that failed or were not 2xx: {problems}")
        os.makedirs(f"{HERE}/results", exist_ok=True)
        with open(f"{HERE}/results/{time.strftime('%Y%m%d-%H%M%S')}.json", "w") as f:
            json.dump({"options": vars(o), "peers": {p.name: p.readings for p in peers}}, f, indent=1)

    def finish(self):
        for process in reversed(self.started):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.started:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(self.work, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--answer-bytes", type=int, default=1024)
    parser.add_argument("--build", default=os.path.abspath(f"{HERE}/../.build/release"))
    bench = Bench(parser.parse_args())
    try:
        bench.run()
    finally:
        bench.finish()


main()
