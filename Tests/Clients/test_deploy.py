"""The product as a service and in an image, as far as can be seen without systemd and Docker: what the service manager is told
(sd_notify(3)), what it passes on (sd_listen_fds(3)), what deploy/install.sh puts where, and that unit and Dockerfile name what there is."""

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import threading
from fnmatch import fnmatch

import pytest

from product import BUILD, ROOT, Process, free_port, wait_until
from wire import connect, exchange

DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text()


@pytest.fixture(params=["a path", "an abstract name"])
def manager(request, tmp_path):
    """The service manager's socket, and what NOTIFY_SOCKET says of it."""
    name = str(tmp_path / "notify") if request.param == "a path" else f"@truthtable-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(name.replace("@", "\0"))
        receiver.settimeout(15)
        yield receiver, {"NOTIFY_SOCKET": name}


def test_the_service_manager_is_told_of_start_and_end(manager, start):
    receiver, environment = manager
    product = start(environment=environment, drain_timeout="75s", wait=False)
    assert receiver.recv(4096) == b"READY=1"
    assert product.get("/health").status == 200
    product.wait_ready()
    product.kill("edge")  # the next edge's readiness is no news
    wait_until(lambda: product.restarts("edge") == 1 and product.is_ready())
    assert product.stop() == 0
    state = dict(line.split("=") for line in receiver.recv(4096).decode().splitlines())
    assert state.keys() == {"STOPPING", "EXTEND_TIMEOUT_USEC"}
    assert int(state["EXTEND_TIMEOUT_USEC"]) > 75_000_000


def test_auditors_that_never_start_do_not_hold_up_the_service(manager, start, tmp_path):
    receiver, environment = manager
    folder = tmp_path / "libexec"
    folder.mkdir()
    for file in BUILD.glob("truthtable*"):
        if os.access(file, os.X_OK) and file.is_file() and file.name != "truthtable-auditor":
            (folder / file.name).symlink_to(file)
    (folder / "truthtable-auditor").symlink_to(shutil.which("false"))
    product = start(environment=environment, libexec_dir=folder, wait=False)
    assert receiver.recv(4096) == b"READY=1"
    assert product.get("/health").status == 200
    assert product.processes("auditor")[0]["state"] != "ready"


@pytest.mark.parametrize("name", ["/nowhere/notify", "/" + "x" * 200, "@"])
def test_a_service_manager_that_cannot_be_told(name, start):
    product = start(environment={"NOTIFY_SOCKET": name})
    product.wait_logged("warn", "Cannot tell the service manager that the product is ready")
    assert product.get("/health").status == 200
    assert product.stop() == 0


# Sockets that the service manager holds (sd_listen_fds(3)).


@pytest.fixture
def held():
    """Two listening sockets, for the proxy and for dashboards, and the settings that say the same."""
    sockets = [socket.create_server(("127.0.0.1", 0), backlog=128) for _ in range(2)]
    yield sockets, dict(zip(("port", "ws_port"), (listening.getsockname()[1] for listening in sockets)))
    for listening in sockets:
        listening.close()


def test_no_client_is_refused_or_lost_while_the_product_is_restarted(held, start):
    sockets, ports = held
    question = f"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1:{ports['port']}\r\nConnection: close\r\n\r\n".encode()
    product = start(sockets=sockets, **ports)
    assert (product.port, product.ws_port) == (ports["port"], ports["ws_port"])
    statuses, failures, over = [], [], threading.Event()

    def ask():
        while not over.is_set():
            try:
                statuses.append(exchange(ports["port"], question, limit=30).status)
            except Exception as error:
                failures.append(repr(error))

    clients = [threading.Thread(target=ask) for _ in range(4)]
    for client in clients:
        client.start()
    try:
        for _ in range(3):
            wait_until(lambda count=len(statuses) + 20: len(statuses) >= count)
            assert product.stop() == 0
            waiting = connect(ports["port"], 30), connect(ports["ws_port"], 30)
            waiting[0].send(question)
            waiting[1].send(f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{ports['ws_port']}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
            product = start(sockets=sockets, **ports)
            assert waiting[0].answer("GET").status == 200
            assert waiting[1].answer("GET").status == 101
            for wire in waiting:
                wire.close()
    finally:
        over.set()
        for client in clients:
            client.join()
    assert not failures and set(statuses) == {200}


def test_a_socket_that_the_settings_do_not_name_ends_the_start(held, start):
    sockets, ports = held
    product = start(sockets=sockets, **{**ports, "ws_port": 0}, wait=False)
    assert product.wait() == 78
    assert f"a socket of port {ports['ws_port']} that is not among 127.0.0.1:{ports['port']}, 127.0.0.1:0" in product.log
    # Open to more clients than the settings say.
    with socket.create_server(("0.0.0.0", 0)) as wide:
        product = start(sockets=[wide], port=wide.getsockname()[1], wait=False)
        assert product.wait() == 78
        assert f"a socket of port {wide.getsockname()[1]} that is not among 127.0.0.1:{wide.getsockname()[1]}" in product.log


@pytest.mark.parametrize("variables", [{"LISTEN_PID": "1", "LISTEN_FDS": "1"}, {"LISTEN_FDS": "2"}, {"LISTEN_PID": "x"}])
def test_sockets_for_somebody_else_are_left_alone(variables, start):
    assert start(environment=variables).get("/health").status == 200


@pytest.mark.parametrize("count", ["", "-1", "65", "x"])
def test_a_number_of_sockets_that_is_none(count, tmp_path):
    line = f"LISTEN_PID=$$ LISTEN_FDS={count} exec {BUILD}/truthtable run"
    ended = subprocess.run(["sh", "-c", line], env={"TRUTHTABLE_PORT": "0", "TRUTHTABLE_WS_PORT": "0", "TRUTHTABLE_RUNTIME_DIR": str(tmp_path / "run")}, cwd=tmp_path, capture_output=True, text=True, timeout=10)
    assert ended.returncode == 78 and "LISTEN_FDS is no number from 0 to 64" in ended.stderr


def test_systemd_s_own_activation(mock, tmp_path):
    port, ws_port = free_port(), free_port()
    settings = {"PORT": port, "WS_PORT": ws_port, "UPSTREAM_URL": mock.url, "RUNTIME_DIR": tmp_path / "run"}
    process = Process(
        ["systemd-socket-activate", *(f"--listen=127.0.0.1:{number}" for number in (port, ws_port)), *(f"--setenv=TRUTHTABLE_{name}={value}" for name, value in settings.items()),
         str(BUILD / "truthtable"), "run"],
        {"PATH": os.environ["PATH"]}, tmp_path / "log", cwd=tmp_path)
    try:
        wait_until(lambda: process.log.count("Listening on") == 2, what="systemd-socket-activate")
        # The first client is whom the product is started for.
        assert exchange(port, f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode(), limit=20).status == 200
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
    finally:
        process.end()


def test_systemd_takes_the_sockets(install, tmp_path):
    root = install("--prefix", "/opt/tt-1.0")
    unit = (root / "etc/systemd/system/truthtable.socket").read_text()
    assert "file:/opt/tt-1.0/share/doc" in unit
    defaults = dict(re.findall(r"^(TRUTHTABLE_\w+)=(.*)$", (ROOT / ".example.env").read_text().replace("#TRUTHTABLE", "TRUTHTABLE"), re.M))
    assert re.findall(r"^ListenStream=(.+)$", unit, re.M) == [f"{defaults['TRUTHTABLE_HOST']}:{defaults[name]}" for name in ("TRUTHTABLE_PORT", "TRUTHTABLE_WS_PORT")]
    service = (root / "etc/systemd/system/truthtable.service").read_text()
    (tmp_path / "truthtable.service").write_text(service.replace("=/opt/", f"={root}/opt/"))
    (tmp_path / "truthtable.socket").write_text(unit)
    verified = subprocess.run(["systemd-analyze", "verify", "--man=no", tmp_path / "truthtable.socket", tmp_path / "truthtable.service"], capture_output=True, text=True)
    assert (verified.returncode, verified.stderr) == (0, "")


# What is installed.


@pytest.fixture
def install(tmp_path):
    """deploy/install.sh into a folder; called again it installs again. The folder."""
    root = tmp_path / "image"

    def install(*arguments):
        subprocess.run([ROOT / "deploy/install.sh", "--build", BUILD, *arguments], env={**os.environ, "DESTDIR": str(root)}, check=True, capture_output=True, text=True)
        return root

    return install


def test_installed_files(install):
    root = install()
    command = root / "usr/local/bin/truthtable"
    assert not os.path.isabs(os.readlink(command))  # or it would lead out of DESTDIR
    assert subprocess.run([command, "version"], capture_output=True, text=True, check=True).stdout.startswith("truthtable ")
    assert stat.S_IMODE((root / "etc/truthtable/env").stat().st_mode) == 0o640
    (root / "etc/truthtable/env").write_text("TRUTHTABLE_PORT=81\n")
    before = command.resolve().stat().st_ino
    install()
    assert (root / "etc/truthtable/env").read_text() == "TRUTHTABLE_PORT=81\n"
    assert command.resolve().stat().st_ino != before  # a process that runs keeps the old file whole
    assert not list(root.rglob("*.new"))


@pytest.mark.parametrize("prefix", ["/usr/local", "/opt/tt-1.0"])
def test_systemd_takes_the_unit(prefix, install, tmp_path):
    root = install("--prefix", prefix)
    unit = (root / "etc/systemd/system/truthtable.service").read_text()
    assert f"ExecStart={prefix}/lib/truthtable/truthtable run\n" in unit
    copy = tmp_path / "truthtable.service"
    copy.write_text(unit.replace(f"={prefix}/lib/", f"={root}{prefix}/lib/"))
    verified = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True)
    assert (verified.returncode, verified.stderr) == (0, "")
    # 2.0 of 10: "OK", with room for what an administrator opens.
    hardened = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20", copy], capture_output=True, text=True)
    assert hardened.returncode == 0, hardened.stdout + hardened.stderr


def test_the_service_s_settings_are_settings(start, tmp_path):
    examples = re.findall(r"^#(TRUTHTABLE_\w+)=", (ROOT / "deploy/env").read_text(), re.M)
    assert examples
    known = set(re.findall(r"(TRUTHTABLE_\w+)=", (ROOT / ".example.env").read_text()))
    assert set(examples) <= known


# What the image is made of.


def test_what_the_dockerfile_copies_is_there():
    ignored = (ROOT / ".dockerignore").read_text().split()
    sources = [name for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.M) for name in line.split()[:-1]]
    assert {"Package.swift", "Sources"} <= set(sources)
    for name in sources:
        assert (ROOT / name).exists(), name
        assert not any(fnmatch(name, pattern) for pattern in ignored), f"{name} is left out by .dockerignore"


def test_the_dockerfile_installs_what_the_build_and_the_executables_need():
    def installed(stage):
        return set(re.search(r"--no-install-recommends (.+?) \\", stage)[1].split())

    build, final = DOCKERFILE.split("\nFROM debian", 1)
    headers = set(re.findall(r"\S+-dev(?=\s)", (ROOT / "scripts/setup.sh").read_text()))
    assert headers and headers == {name for name in installed(build) if name.endswith("-dev")}
    needed = {
        match[1]
        for name in ("truthtable", "truthtable-edge", "truthtable-auditor", "truthtable-dispatcher", "truthtable-broadcaster", "truthtable-supervisor")
        for match in re.finditer(r"=> (/\S+)", subprocess.run(["ldd", BUILD / name], capture_output=True, text=True, check=True).stdout)
    }
    owners = {owner(path) for path in needed}
    assert owners - installed(final) - dependencies(installed(final)) == set()


def owner(path):
    """The Debian package of a library; dpkg knows it by the name before /lib became /usr/lib, or after."""
    for name in (path, path.removeprefix("/usr"), "/usr" + path):
        found = subprocess.run(["dpkg-query", "-S", name], capture_output=True, text=True)
        if found.returncode == 0:
            return found.stdout.split(":")[0]
    raise AssertionError(f"{path} belongs to no package")


def dependencies(packages):
    text = subprocess.run(["dpkg-query", "-W", "-f", "${Depends},", *packages], capture_output=True, text=True).stdout
    return {entry.split()[0].split(":")[0] for entry in text.split(",") if entry.strip()}
