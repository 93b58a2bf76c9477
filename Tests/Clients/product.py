"""The product as a user starts it, and what stands around it in the tests: a mock LLM, ports, a runtime directory, a log."""

import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("TRUTHTABLE_BUILD", ROOT / ".build/release")).resolve()

# Everything that runs, so that the logs of a failed test can be shown.
running = []


def executable(name):
    path = BUILD / name
    assert path.exists(), f"{path} is missing: run `make build` or set TRUTHTABLE_BUILD"
    return str(path)


def wait_until(condition, limit=10.0, what="the condition", pause=0.01):
    """The first true value of `condition()`. The only place where tests wait for something to become true; it is polled, as files and
    other processes tell nobody when they change."""
    deadline = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"{what} did not come true within {limit} s; last seen: {value!r}")
        time.sleep(pause)


def stays(condition, span, what="the condition", pause=0.02):
    """`condition()` holds during all of `span` seconds."""
    deadline = time.monotonic() + span
    while time.monotonic() < deadline:
        assert condition(), f"{what} did not hold for {span} s"
        time.sleep(pause)


def settled(value, span=0.5, limit=10.0):
    """`value()` once it has not changed for `span` seconds."""
    state = {"value": value(), "since": time.monotonic()}

    def quiet():
        now = value()
        if now != state["value"]:
            state.update(value=now, since=time.monotonic())
        return time.monotonic() - state["since"] >= span

    wait_until(quiet, limit, "a value that no longer changes")
    return state["value"]


def free_port():
    """A port that nobody listens on; held by nobody either, so use it at once."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_alive(pid):
    """Whether a process runs (a zombie does not)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rsplit(")", 1)[1].split()[0] not in "ZX"


def memory_bytes(pid):
    """Resident memory of a process."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) * 1024


def memory_holds(pid, needle):
    """Whether readable, writable memory of a process holds the bytes."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            if not rights.startswith("rw"):
                continue
            begin, end = (int(text, 16) for text in span.split("-"))
            try:
                memory.seek(begin)
                if needle in memory.read(end - begin):
                    return True
            except (OSError, ValueError, OverflowError):
                continue
    return False


class Process:
    """One started program with its output in a file; ended by its pid."""

    def __init__(self, arguments, environment, log, cwd=None, descriptors=()):
        self.log_path = Path(log)
        self.arguments = arguments
        with open(log, "wb") as output:
            self.process = subprocess.Popen(
                arguments, env=environment, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
                pass_fds=descriptors,
            )
        self.pid = self.process.pid
        running.append(self)

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_logged(self, *texts, limit=10.0):
        """The first line that holds all the texts: lines are written by a thread of their own, a little later."""
        return wait_until(lambda: [line for line in self.log.splitlines() if all(text in line for text in texts)], limit, f"a line with {texts}")[0]

    @property
    def exit_code(self):
        return self.process.poll()

    def signal(self, number):
        if self.exit_code is None:
            os.kill(self.pid, number)

    def wait(self, limit=20.0):
        try:
            return self.process.wait(limit)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.arguments[0]} did not end within {limit} s") from None

    def end(self):
        self.signal(signal.SIGKILL)
        self.process.wait()
        if self in running:
            running.remove(self)


class Mock(Process):
    """`truthtable-mockllm` on a free port."""

    def __init__(self, *options):
        self.directory = tempfile.mkdtemp(prefix="tt-mock-")
        super().__init__([executable("truthtable-mockllm"), "--port", "0", *options], {}, f"{self.directory}/log")
        self.url = wait_until(lambda: re.search(r"listening on (http://\S+)", self.log), what="the mock's address")[1]
        self.port = int(self.url.rsplit(":", 1)[1])

    def end(self):
        super().end()
        shutil.rmtree(self.directory, ignore_errors=True)


class Engine(Process):
    """The reference engine in examples/engine, a real peer over grpcio."""

    def __init__(self, *options, port=0):
        self.directory = tempfile.mkdtemp(prefix="tt-engine-")
        super().__init__([sys.executable, str(ROOT / "examples/engine/engine.py"), "--port", str(port), *options], {}, f"{self.directory}/log")
        self.port = int(wait_until(lambda: re.search(r"listening on \S+:(\d+)", self.log), 30, "the engine's port")[1])
        self.address = f"localhost:{self.port}"

    def counts(self):
        """How often it was asked: calls of SubmitAudit, of GetAuditResult."""
        before = self.log
        self.signal(signal.SIGUSR1)
        line = wait_until(lambda: re.search(r"submitted (\d+) polled (\d+)", self.log[len(before):]), 5, "the engine's counts")
        return int(line[1]), int(line[2])

    def end(self):
        super().end()
        shutil.rmtree(self.directory, ignore_errors=True)


class Product(Process):
    """`truthtable run` with its own runtime directory and free ports, or with listening sockets passed on as systemd does."""

    # sd_listen_fds(3): the sockets are the descriptors from 3 on.
    PASS_ON = "import os, sys\nnumbers = sys.argv[1].split(',')\nfor at, number in enumerate(numbers): os.dup2(int(number), 3 + at)\nos.execve(sys.argv[2], sys.argv[2:], {**os.environ, 'LISTEN_PID': str(os.getpid()), 'LISTEN_FDS': str(len(numbers))})"

    def __init__(self, upstream, arguments=(), wait=True, build=None, environment=None, sockets=(), **settings):
        self.directory = tempfile.mkdtemp(prefix="tt-")
        self.runtime = str(settings.pop("runtime_dir", f"{self.directory}/run"))
        self.settings = {
            "TRUTHTABLE_PORT": "0",
            "TRUTHTABLE_WS_PORT": "0",
            "TRUTHTABLE_RUNTIME_DIR": self.runtime,
            "TRUTHTABLE_UPSTREAM_URL": upstream,
        }
        self.settings |= {f"TRUTHTABLE_{name.upper()}": str(value) for name, value in settings.items() if value is not None}
        for name in [name for name, value in settings.items() if value is None]:
            self.settings.pop(f"TRUTHTABLE_{name.upper()}", None)
        command = build / "truthtable" if build else executable("truthtable")
        line = [str(command), "run", *arguments]
        descriptors = [fcntl.fcntl(listening, fcntl.F_DUPFD_CLOEXEC, 50) for listening in sockets]  # beyond those that they become
        if descriptors:
            line = [sys.executable, "-c", self.PASS_ON, ",".join(map(str, descriptors)), *line]
        super().__init__(line, {"PATH": os.environ["PATH"], **self.settings, **(environment or {})}, f"{self.directory}/log", cwd=self.directory, descriptors=descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        self._ports = None
        if wait:
            self.wait_ready()

    # What it says of itself

    def status(self):
        """The answer of the control socket, which `truthtable status --json` prints; None while there is none."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(5)
                connection.connect(f"{self.runtime}/control")
                connection.sendall(b"status\n")
                answer = b""
                while piece := connection.recv(65536):
                    answer += piece
        except (FileNotFoundError, ConnectionError):
            return None
        return json.loads(answer) if answer else None

    def is_ready(self):
        if self.exit_code is not None:
            raise AssertionError(f"truthtable ended with {self.exit_code}:\n{self.log}")
        status = self.status()
        return status and all(process["state"] == "ready" for process in status["processes"]) and status

    def wait_ready(self, limit=15.0):
        return wait_until(self.is_ready, limit, "every process ready")

    def _listener(self, name):
        if self._ports is None:
            listeners = {entry["name"]: entry["address"] for entry in wait_until(self.status)["listeners"]}
            self._ports = {name: int(listeners[name].rsplit(":", 1)[1]) for name in ("proxy", "websocket")}
        return self._ports[name]

    @property
    def port(self):
        return self._listener("proxy")

    @property
    def ws_port(self):
        return self._listener("websocket")

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self):
        return f"ws://127.0.0.1:{self.ws_port}/ws"

    def command(self, *arguments, stdout=subprocess.PIPE, **environment):
        """Runs `truthtable …` with this product's settings."""
        return subprocess.run(
            [executable("truthtable"), *arguments], env={"PATH": os.environ["PATH"], **self.settings, **environment}, cwd=self.directory,
            stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=30,
        )

    def get(self, path, headers=(), limit=10.0):
        """A GET of the product's own paths: status, fields, body."""
        from wire import exchange

        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nConnection: close\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers)
        return exchange(self.port, head.encode() + b"\r\n", limit=limit)

    def stats(self):
        return json.loads(self.get("/stats").body)

    def metrics(self):
        return self.get("/metrics").body.decode()

    def figure(self, name, **labels):
        """The sum of a metric over all processes, of the samples with these labels; a metric that is none is an error."""
        samples = [match for match in re.finditer(r"^truthtable_(\w+)\{(.*)\} (\S+)$", self.metrics(), re.M) if match[1] == name]
        assert samples, f"there is no metric {name}"
        return sum(float(match[3]) for match in samples if all(f'{label}="{value}"' in match[2] for label, value in labels.items()))

    # Its processes

    def processes(self, role):
        return [process for process in (self.status() or {"processes": []})["processes"] if process["role"] == role]

    def pids(self, role=None):
        """Pids of a role's processes that live now."""
        processes = (self.status() or {"processes": []})["processes"]
        return [process["pid"] for process in processes if process["pid"] > 0 and role in (None, process["role"])]

    def restarts(self, role):
        return sum(process["restarts"] for process in self.processes(role))

    def kill(self, role, number=signal.SIGKILL):
        """Sends a signal to every process of a role; the pids."""
        pids = self.pids(role)
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
        return pids

    # Its ledger

    def ledger(self):
        return self.status()["ledger"]

    def wait_at_rest(self, limit=15.0, captured=0):
        """The ledger once nothing is pending and all that was captured has an outcome; at least `captured`, as an edge counts an
        answer only when its last byte has left: a client may have it a moment earlier."""
        return wait_until(
            lambda: is_at_rest(ledger := self.ledger()) and ledger["captured"] >= captured and ledger, limit, "a balanced ledger with nothing pending")

    # Its end

    def stop(self, limit=20.0):
        """SIGTERM; the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(limit)

    def end(self):
        if self.exit_code is None:
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(0.1)
            except subprocess.TimeoutExpired:
                self.signal(signal.SIGTERM)  # at once
                try:
                    self.process.wait(5)
                except subprocess.TimeoutExpired:
                    pass
        super().end()
        shutil.rmtree(self.directory, ignore_errors=True)


def outcomes(ledger):
    """Everything that captures became, pending ones included."""
    reasons = (count for group in ("skipped", "dropped", "failed") for count in ledger[group].values())
    return ledger["audited"] + ledger["quarantined"] + ledger["pending"] + sum(reasons)


def is_at_rest(ledger):
    return ledger["pending"] == 0 and ledger["captured"] == outcomes(ledger)


@contextmanager
def ending(process):
    """Ends what was started, whatever happens."""
    try:
        yield process
    finally:
        process.end()


def questions():
    """The mock's questions with their answers' true and false claims."""
    return json.loads(subprocess.run([executable("truthtable-mockllm"), "--questions", "--json"], capture_output=True, check=True).stdout)


