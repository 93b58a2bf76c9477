"""What people get wrong: one clear line each (what, where, the cure), the right exit code, and nobody else is disturbed."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import threading

import pytest

from product import BUILD, Product, ending, executable, free_port, is_alive, wait_until
from wire import connect, exchange

HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def run(tmp_path, *arguments, program="truthtable", **settings):
    """Runs a program to its end, which must come at once."""
    environment = {"PATH": os.environ["PATH"], "TRUTHTABLE_PORT": "0", "TRUTHTABLE_WS_PORT": "0", "TRUTHTABLE_RUNTIME_DIR": str(tmp_path / "run"), **settings}
    environment = {name: value for name, value in environment.items() if value is not None}
    return subprocess.run([executable(program), *arguments], env=environment, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10)


def one_line(result, code, *words):
    assert result.returncode == code, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.strip() and " info " not in line]
    assert len(lines) == 1, lines
    assert lines[0].startswith("truthtable: "), lines
    for word in words:
        assert word in lines[0], lines[0]
    assert result.stdout == ""
    return lines[0]


SETTINGS = {
    "a misspelled name": ({"TRUTHTABLE_UPSTREAM_ULR": "http://x"}, ["TRUTHTABLE_UPSTREAM_ULR", "did you mean TRUTHTABLE_UPSTREAM_URL"]),
    "an unknown name": ({"TRUTHTABLE_ZZZZZZZZZZZZ": "1"}, ["TRUTHTABLE_ZZZZZZZZZZZZ", "`truthtable run --help` lists all settings"]),
    "a name in small letters": ({"truthtable_port": "80"}, ["truthtable_port", "TRUTHTABLE_PORT"]),
    "a port that is no number": ({"TRUTHTABLE_PORT": "http"}, ["TRUTHTABLE_PORT", '"http"', "environment"]),
    "a port too large": ({"TRUTHTABLE_PORT": "65536"}, ["TRUTHTABLE_PORT"]),
    "a negative port": ({"TRUTHTABLE_WS_PORT": "-1"}, ["TRUTHTABLE_WS_PORT"]),
    "an upstream without scheme": ({"TRUTHTABLE_UPSTREAM_URL": "api.openai.com"}, ["TRUTHTABLE_UPSTREAM_URL", "http"]),
    "an upstream of another scheme": ({"TRUTHTABLE_UPSTREAM_URL": "ftp://x"}, ["TRUTHTABLE_UPSTREAM_URL"]),
    "an upstream with a query": ({"TRUTHTABLE_UPSTREAM_URL": "http://x/?a=b"}, ["TRUTHTABLE_UPSTREAM_URL"]),
    "a duration without unit": ({"TRUTHTABLE_UPSTREAM_TIMEOUT": "30"}, ["TRUTHTABLE_UPSTREAM_TIMEOUT", "30s"]),
    "a duration too long": ({"TRUTHTABLE_UPSTREAM_TIMEOUT": "30000h"}, ["TRUTHTABLE_UPSTREAM_TIMEOUT"]),
    "no workers": ({"TRUTHTABLE_WORKER_COUNT": "0"}, ["TRUTHTABLE_WORKER_COUNT"]),
    "too many auditors": ({"TRUTHTABLE_AUDITOR_COUNT": "65"}, ["TRUTHTABLE_AUDITOR_COUNT"]),
    "a flag that is none": ({"TRUTHTABLE_AUDIT_ENABLED": "maybe"}, ["TRUTHTABLE_AUDIT_ENABLED"]),
    "an engine that is none": ({"TRUTHTABLE_ENGINE": "magic"}, ["TRUTHTABLE_ENGINE"]),
    "a host that is no address": ({"TRUTHTABLE_HOST": "my.host.example"}, ["TRUTHTABLE_HOST"]),
    "a log level that is none": ({"TRUTHTABLE_LOG_LEVEL": "loud"}, ["TRUTHTABLE_LOG_LEVEL"]),
    "an access log in a missing folder": ({"TRUTHTABLE_ACCESS_LOG": "/nowhere/at/all.log"}, ["TRUTHTABLE_ACCESS_LOG", "/nowhere/at/all.log"]),
    "executables in a missing folder": ({"TRUTHTABLE_LIBEXEC_DIR": "/nowhere"}, ["/nowhere", "TRUTHTABLE_LIBEXEC_DIR"]),
    "a runtime directory in a missing folder": ({"TRUTHTABLE_RUNTIME_DIR": "/nowhere/at/all"}, ["/nowhere/at/all", "TRUTHTABLE_RUNTIME_DIR"]),
    "control characters": ({"TRUTHTABLE_PORT": "\x1b[31m\n80"}, ["TRUTHTABLE_PORT"]),
    "sampling beyond 1": ({"TRUTHTABLE_SAMPLE_RATE": "1.5"}, ["TRUTHTABLE_SAMPLE_RATE"]),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings(name, tmp_path):
    settings, words = SETTINGS[name]
    line = one_line(run(tmp_path, "run", **settings), 78, *words)
    assert "\x1b" not in line
    assert not (tmp_path / "run" / "control").exists()


def test_everything_wrong_is_said_at_once(tmp_path):
    result = run(tmp_path, "run", TRUTHTABLE_PORT="x", TRUTHTABLE_ENGINE="y", TRUTHTABLE_NONSENSE="z")
    assert result.returncode == 78
    assert len(result.stderr.splitlines()) == 3


def test_secrets_are_not_repeated(tmp_path):
    result = run(tmp_path, "run", TRUTHTABLE_ACCESS_TOKEN="bad token with spaces canary")
    if result.returncode == 78:
        assert "canary" not in result.stderr and "TRUTHTABLE_ACCESS_TOKEN" in result.stderr


@pytest.mark.parametrize("name", ["UPSTREAM_URL", "JUDGE_URL"])
@pytest.mark.parametrize("url", ["https://user:canary@host.example", "htps://user:canary@host.example"])
def test_passwords_in_urls_are_not_repeated(name, url, tmp_path):
    assert "canary" not in one_line(run(tmp_path, "run", **{f"TRUTHTABLE_{name}": url}), 78, f"TRUTHTABLE_{name}")


def test_empty_values_are_defaults(mock):
    with ending(Product(mock.url, worker_count="", log_level="", access_log="")) as product:
        assert product.stats()["audit_pool"]["queue_size"] == 1000


# Environment files.


def test_an_env_file_is_read(mock, tmp_path):
    file = tmp_path / "tt.env"
    file.write_text("# comment\nexport TRUTHTABLE_QUEUE_SIZE=7\nOTHER=1\nTRUTHTABLE_LOG_LEVEL='debug'\n")
    with ending(Product(mock.url, arguments=["--env-file", str(file)])) as product:
        assert product.stats()["audit_pool"]["queue_size"] == 7


def test_dot_env_is_read_and_the_environment_wins(mock, tmp_path):
    (tmp_path / ".env").write_text("TRUTHTABLE_QUEUE_SIZE=7\nTRUTHTABLE_PORT=1\n")
    environment = {"PATH": os.environ["PATH"], "TRUTHTABLE_PORT": "0", "TRUTHTABLE_WS_PORT": "0", "TRUTHTABLE_RUNTIME_DIR": str(tmp_path / "run"), "TRUTHTABLE_UPSTREAM_URL": mock.url}
    process = subprocess.Popen([executable("truthtable"), "run"], env=environment, cwd=tmp_path, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    try:
        product = Product.__new__(Product)
        product.process, product.runtime, product._ports = process, str(tmp_path / "run"), None
        wait_until(lambda: (status := product.status()) and all(entry["state"] == "ready" for entry in status["processes"]))
        assert product.stats()["audit_pool"]["queue_size"] == 7
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


@pytest.mark.parametrize("content, words", [
    ("TRUTHTABLE_PORT=abc\n", ["TRUTHTABLE_PORT", ":1"]), ("\n\nTRUTHTABLE_PROT=1\n", ["TRUTHTABLE_PROT", ":3", "TRUTHTABLE_PORT"]), ("TRUTHTABLE_PORT 80\n", [":1"]),
])
def test_faults_of_an_env_file_name_the_line(content, words, tmp_path):
    file = tmp_path / "tt.env"
    file.write_text(content)
    one_line(run(tmp_path, "run", "--env-file", str(file), TRUTHTABLE_PORT=None), 78, str(file), *words)


def test_an_env_file_that_is_missing(tmp_path):
    one_line(run(tmp_path, "run", "--env-file", "/nowhere/tt.env"), 78, "/nowhere/tt.env", "No such file")


def test_an_env_file_that_is_a_folder(tmp_path):
    one_line(run(tmp_path, "run", "--env-file", str(tmp_path)), 78, str(tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_env_file_that_may_not_be_read(tmp_path):
    file = tmp_path / "tt.env"
    file.touch(0)
    one_line(run(tmp_path, "run", "--env-file", str(file)), 78, str(file), "ermission")


# The command line.


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["run", "--nonsense"], ["run", "--env-file"], ["run", "extra"], ["status", "--nonsense"], ["--nonsense"], ["status", "extra"], ["status", "--env-file"],
                                       ["auditors"], ["auditors", "2", "3"], ["keys"], ["keys", "nonsense"]])
def test_usage(arguments, tmp_path):
    one_line(run(tmp_path, *arguments), 64, "--help")


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["help"], ["--version"], ["version"], ["run", "--help"], ["run", "--version"], ["status", "--help"]])
def test_help(arguments, tmp_path):
    result = run(tmp_path, *arguments)
    assert result.returncode == 0 and result.stdout.strip() and result.stderr == ""
    if arguments == ["run", "--help"]:
        for name in ("PORT", "WS_PORT", "UPSTREAM_URL", "GRPC_ADDRESS", "GRPC_TIMEOUT", "WORKER_COUNT", "QUEUE_SIZE", "UPSTREAM_TIMEOUT", "AUDIT_ENABLED", "HOST"):
            assert f"TRUTHTABLE_{name}" in result.stdout


@pytest.mark.parametrize("arguments", [["status", "--help"], ["watch", "--help"], ["auditors", "--help"], ["keys", "--help"], ["keys", "create", "--help"]])
def test_help_whatever_the_settings(arguments, tmp_path):
    result = run(tmp_path, *arguments, TRUTHTABLE_PORT="nonsense")
    assert result.returncode == 0 and "Usage" in result.stdout and result.stderr == ""


@pytest.mark.parametrize("role", ["edge", "dispatcher", "auditor", "broadcaster"])
def test_roles_say_how_they_are_started(role, tmp_path):
    result = run(tmp_path, program=f"truthtable-{role}")
    assert result.returncode == 64
    assert "truthtable run" in result.stderr and len(result.stderr.splitlines()) == 1
    assert run(tmp_path, "--place", "0", program=f"truthtable-{role}").returncode == 64


def test_mistakes_of_the_command_come_before_those_of_its_options(tmp_path):
    (tmp_path / "tt.env").touch()
    one_line(run(tmp_path, "auditors", "--env-file", "tt.env", "3"), 69, "no product answers")
    one_line(run(tmp_path, "keys"), 64, "create, list or revoke")
    one_line(run(tmp_path, "keys", "make"), 64, "keys has no make")


@pytest.mark.parametrize("arguments", [["--help"], ["version"], ["run", "--help"], ["run", "--version"], ["status"], ["status", "--json"], ["auditors", "2"]])
def test_what_cannot_be_written_is_no_success(arguments, product):
    with open("/dev/full", "wb") as full:
        result = product.command(*arguments, stdout=full)
    assert result.returncode == 74 and "standard output" in result.stderr and "No space left" in result.stderr


def test_a_key_that_nobody_could_see_is_taken_back(tmp_path):
    """It is shown once only: with the output lost it would be good for nothing, and its name would be taken."""
    command = [executable("truthtable"), "keys", "create", "--name", "alice", "--file", "keys"]
    reading, closed = os.pipe()
    os.close(reading)
    with open("/dev/full", "wb") as full:
        for output in (full, closed):
            result = subprocess.run(command, cwd=tmp_path, env={}, stdout=output, stderr=subprocess.PIPE, text=True, timeout=10)
            assert result.returncode == 74 and "standard output" in result.stderr
            assert "alice" not in (tmp_path / "keys").read_text()
    os.close(closed)
    assert subprocess.run(command, cwd=tmp_path, env={}, capture_output=True, text=True, timeout=10).stdout.startswith("ttk_")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write files of others")
def test_a_key_file_stays_with_its_owner(tmp_path):
    """Root adds a key to the file of the user that the product runs as."""
    run(tmp_path, "keys", "create", "--name", "alice", "--file", "keys")
    os.chown(tmp_path / "keys", 65534, 65534)
    (tmp_path / "keys").chmod(0o640)
    assert run(tmp_path, "keys", "create", "--name", "bob", "--file", "keys").returncode == 0
    file = (tmp_path / "keys").stat()
    assert (file.st_uid, file.st_gid, stat.S_IMODE(file.st_mode)) == (65534, 65534, 0o640)


def test_status_without_a_product(tmp_path):
    one_line(run(tmp_path, "status"), 69, "truthtable run", str(tmp_path / "run"))
    one_line(run(tmp_path, "status", "--json"), 69)
    (tmp_path / "run").mkdir()
    with socket.socket(socket.AF_UNIX) as killed:  # its socket stays behind
        killed.bind(str(tmp_path / "run" / "control"))
    one_line(run(tmp_path, "status"), 69, "no product answers", "truthtable run")


@pytest.mark.parametrize("arguments", [["status"], ["status", "--json"], ["auditors", "2"]])
def test_a_product_of_somebody_else(arguments, start):
    """Its runtime directory is closed to others: that is no missing product."""
    product = start()
    os.chmod(product.directory, 0o711)
    os.chmod(product.runtime, 0)
    somebody = {}
    if os.geteuid() == 0:  # whom no mode keeps out
        somebody = {"user": 65534, "group": 65534, "extra_groups": []}
        shutil.copy(executable("truthtable"), product.directory)
    else:
        os.link(executable("truthtable"), f"{product.directory}/truthtable")
    environment = {"PATH": os.environ["PATH"], "TRUTHTABLE_RUNTIME_DIR": product.runtime}
    result = subprocess.run([f"{product.directory}/truthtable", *arguments], cwd="/", env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10, **somebody)
    os.chmod(product.runtime, 0o700)
    one_line(result, 69, f"{product.runtime}/control", "permission denied", "as root or as the user")
    assert "no product" not in result.stderr


def test_a_supervisor_that_does_not_answer(start):
    product = start()
    product.signal(signal.SIGSTOP)
    try:
        one_line(product.command("status"), 69, product.runtime, "has not answered for 5 s", "supervisor")
    finally:
        product.signal(signal.SIGCONT)


def test_a_control_socket_that_hangs_up(tmp_path):
    """As the product's does with other users."""
    (tmp_path / "run").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "run" / "control"))
        server.listen()
        hang_up = threading.Thread(target=lambda: server.accept()[0].close())
        hang_up.start()
        one_line(run(tmp_path, "status"), 69, "hung up", "as that user or as root")
        hang_up.join()


# What is taken.


@pytest.mark.parametrize("setting", ["TRUTHTABLE_PORT", "TRUTHTABLE_WS_PORT"])
def test_a_port_in_use(setting, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        one_line(run(tmp_path, "run", **{setting: str(port)}), 69, "address already in use", str(port), setting)


def test_an_address_that_this_machine_has_not_yet(tmp_path):
    one_line(run(tmp_path, "run", TRUTHTABLE_HOST="192.0.2.1"), 69, "TRUTHTABLE_HOST", "192.0.2.1", "no address of this machine")


def test_the_same_port_twice(tmp_path):
    port = str(free_port())
    result = run(tmp_path, "run", TRUTHTABLE_PORT=port, TRUTHTABLE_WS_PORT=port)
    assert result.returncode in (69, 78) and len(result.stderr.splitlines()) == 1
    assert "TRUTHTABLE_WS_PORT" in result.stderr


def test_the_same_runtime_directory_twice(product, tmp_path):
    one_line(run(tmp_path, "run", TRUTHTABLE_RUNTIME_DIR=product.runtime), 69, product.runtime, "TRUTHTABLE_RUNTIME_DIR")
    assert exchange(product.port, HEALTH).status == 200
    assert product.is_ready()


def test_a_runtime_directory_that_is_a_file(tmp_path):
    (tmp_path / "run").write_text("mine")
    one_line(run(tmp_path, "run"), 78, "TRUTHTABLE_RUNTIME_DIR")
    assert (tmp_path / "run").read_text() == "mine"


def test_a_runtime_directory_that_others_can_write(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(0o777)
    one_line(run(tmp_path, "run"), 78, "TRUTHTABLE_RUNTIME_DIR")


def test_a_runtime_directory_that_is_a_link(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "elsewhere")
    one_line(run(tmp_path, "run"), 78, "TRUTHTABLE_RUNTIME_DIR")


def test_a_runtime_directory_with_a_long_name(tmp_path):
    one_line(run(tmp_path, "run", TRUTHTABLE_RUNTIME_DIR=str(tmp_path / ("x" * 120))), 78, "TRUTHTABLE_RUNTIME_DIR")


def test_a_runtime_directory_that_is_in_the_way_of_nothing_else(mock, tmp_path):
    """Files of other programs in the directory stay."""
    (tmp_path / "run").mkdir(0o700)
    (tmp_path / "run" / "other").write_text("mine")
    with ending(Product(mock.url, runtime_dir=tmp_path / "run")) as product:
        assert stat.S_IMODE((tmp_path / "run" / "control").stat().st_mode) == 0o600
        assert stat.S_IMODE((tmp_path / "run" / "broadcaster").stat().st_mode) == 0o600
        assert product.stop() == 0
    assert os.listdir(tmp_path / "run") == ["other"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_runtime_directory_that_may_not_be_made(tmp_path):
    tmp_path.chmod(0o500)
    one_line(run(tmp_path, "run", TRUTHTABLE_RUNTIME_DIR=str(tmp_path / "run")), 78, "TRUTHTABLE_RUNTIME_DIR", "ermission")


# Executables.


def a_build(tmp_path, without=None):
    """A copy of the executables, by links where that is possible."""
    build = tmp_path / "build"
    build.mkdir()
    for name in ("truthtable", "truthtable-supervisor", "truthtable-edge", "truthtable-dispatcher", "truthtable-auditor", "truthtable-broadcaster"):
        if name != without:
            try:
                os.link(BUILD / name, build / name)
            except OSError:  # another file system, or another mount of the same
                shutil.copy(BUILD / name, build / name)
    return build


@pytest.mark.parametrize("missing", ["truthtable-supervisor", "truthtable-edge", "truthtable-auditor", "truthtable-broadcaster"])
def test_a_missing_executable(missing, tmp_path):
    build = a_build(tmp_path, without=missing)
    with ending(Product("http://127.0.0.1:1", wait=False, build=build)) as product:
        assert product.wait(5) == 78
        lines = product.log.splitlines()
        assert len(lines) == 1 and missing in lines[0] and "TRUTHTABLE_LIBEXEC_DIR" in lines[0]


@pytest.mark.parametrize("role", ["edge", "broadcaster", "dispatcher"])
def test_a_role_that_never_works_ends_the_product(role, tmp_path):
    """DESIGN §1: never Ready after 5 starts: exit code 69, and the last line says what."""
    build = a_build(tmp_path, without=f"truthtable-{role}")
    shutil.copy("/bin/false", build / f"truthtable-{role}")
    with ending(Product("http://127.0.0.1:1", wait=False, build=build)) as product:
        assert product.wait(10) == 69
        assert product.log.count("Process ended role=" + role) == 5
        assert "giving up" in product.log


def test_an_auditor_that_never_works_is_not_the_end(mock, tmp_path):
    build = a_build(tmp_path, without="truthtable-auditor")
    shutil.copy("/bin/false", build / "truthtable-auditor")
    with ending(Product(mock.url, wait=False, build=build, drain_timeout="500ms")) as product:
        wait_until(lambda: product.status() and product.restarts("auditor") > 6, 20)
        assert exchange(product.port, HEALTH).status == 200
        assert exchange(product.port, b"POST /ask HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}").status == 200
        assert product.stop() == 0


def test_executables_are_those_of_the_start(mock, tmp_path):
    """An upgrade under a running product changes nothing before its restart."""
    build = a_build(tmp_path)
    with ending(Product(mock.url, build=build)) as product:
        for name in ("edge", "auditor", "dispatcher", "broadcaster"):
            os.unlink(build / f"truthtable-{name}")
            shutil.copy("/bin/false", build / f"truthtable-{name}")
        for role in ("edge", "auditor", "dispatcher", "broadcaster"):
            old = product.kill(role)
            wait_until(lambda: (now := product.pids(role)) and not set(now) & set(old) and product.is_ready())
        assert exchange(product.port, HEALTH).status == 200


# Side by side.


def test_two_products_side_by_side(product, start, mock):
    second = start()
    assert {product.port, product.ws_port}.isdisjoint({second.port, second.ws_port})
    before = product.wait_at_rest()["captured"]
    body = b"POST /ask HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
    assert exchange(second.port, body).status == 200
    assert second.wait_at_rest()["captured"] == 1
    assert product.ledger()["captured"] == before
    pids = product.pids()
    second.signal(signal.SIGKILL)
    second.wait()
    assert exchange(product.port, body).status == 200
    assert product.pids() == pids and all(is_alive(pid) for pid in pids)


def test_without_a_runtime_directory_status_finds_the_product_by_its_port(mock, tmp_path):
    port = free_port()
    with ending(Product(mock.url, wait=False, port=port, runtime_dir="")) as product:
        environment = {"PATH": os.environ["PATH"], "TRUTHTABLE_PORT": str(port)}
        wait_until(lambda: subprocess.run([executable("truthtable"), "status"], env=environment, cwd=tmp_path, capture_output=True).returncode == 0, 10)
        assert product.stop() == 0


# Clients of the control socket.


@pytest.mark.parametrize("line", [b"nonsense\n", b"\n", b"status", b"x" * 5000, b"\x00\xff\n", b""])
def test_nonsense_on_the_control_socket(line, product):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(f"{product.runtime}/control")
        try:
            connection.sendall(line)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(65536)
        except ConnectionError:
            answer = b""
        assert answer == b"" or b"error" in answer or line == b"status"
    assert product.is_ready()


def test_silent_clients_of_the_control_socket_keep_nobody_out(product):
    silent = []
    for _ in range(20):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(f"{product.runtime}/control")
        silent.append(connection)
    wait_until(product.status, 10, "a status beside twenty silent clients")
    for connection in silent:
        connection.close()


def test_garbage_on_every_port_harms_nobody(product):
    for port in (product.port, product.ws_port):
        for garbage in (b"\x00" * 1000, os.urandom(4096), b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", b"\r\n" * 1000):
            client = connect(port)
            try:
                client.send(garbage)
                client.finish()
                client.rest()
            except (ConnectionError, TimeoutError):
                pass
            client.close()
    assert exchange(product.port, HEALTH).status == 200
    assert product.is_ready()
    assert all(process["restarts"] == 0 for process in product.status()["processes"])
