"""`truthtable watch` as a person has it open: what is wrong with each audit, colours on a terminal only, and no gap when the product is away."""

import json
import os
import pty
import re
import signal
import subprocess
from contextlib import contextmanager

import httpx

from product import executable, questions, wait_until


class Watch:
    """A running `truthtable watch`; what it wrote so far, to its output and to its error output."""

    def __init__(self, product, *arguments, on_terminal=False, **environment):
        master, slave = pty.openpty() if on_terminal else os.pipe()
        self.reader = master
        self.output, self._errors = b"", open(f"{product.directory}/watch", "w+b")
        self.process = subprocess.Popen(
            [executable("truthtable"), "watch", *arguments], stdin=subprocess.DEVNULL, stdout=slave, stderr=self._errors,
            env={"PATH": os.environ["PATH"], "TZ": "UTC", "TRUTHTABLE_WS_PORT": str(product.ws_port), **environment},
        )
        os.close(slave)
        os.set_blocking(master, False)

    @property
    def text(self):
        try:
            while piece := os.read(self.reader, 65536):
                self.output += piece
        except (BlockingIOError, OSError):
            pass
        return self.output.decode(errors="replace").replace("\r\n", "\n")

    @property
    def errors(self):
        self._errors.seek(0)
        return self._errors.read().decode()

    def wait(self, pattern):
        return wait_until(lambda: re.search(pattern, self.text, re.S), what=f"{pattern!r} in the output of watch")

    def end(self):
        self.process.kill()
        self.process.wait()
        os.close(self.reader)
        self._errors.close()


@contextmanager
def watching(product, *arguments, **options):
    watch = Watch(product, *arguments, **options)
    try:
        wait_until(lambda: "truthtable_clients_open{" in product.metrics() and re.search(r'truthtable_clients_open\{.*\} 1\n', product.metrics()), what="a connected watch")
        yield watch
    finally:
        watch.end()


def ask(product, question):
    answer = httpx.post(product.url + "/v1/chat/completions", json=question["request"], timeout=30)
    return answer.headers["x-truthtable-request-id"]


def test_what_is_wrong_is_shown_with_its_evidence(start):
    product = start()
    with watching(product, "--once") as watch:
        request = ask(product, questions()[0])
        watch.wait("✓ \\d supported\n")
        assert watch.process.wait(10) == 0
        lines = watch.text.splitlines()
        assert re.fullmatch(r"\d\d:\d\d:\d\d  [CD]     \d\d  1 of 5 claims contradicts the documents: .*", lines[0]), lines[0]
        assert lines[1].strip() == questions()[0]["question"]
        assert lines[2].split(" · ")[1:3] == ["/v1/chat/completions", request]
        assert [line.strip() for line in lines[3:6]] == [
            "✗ contradicted  It is a cable-stayed bridge of steel with a length of 184 metres.",
            "The answer says 184 metres, document 1 says 148 metres.",
            'document 1: "It is a cable-stayed bridge of steel with a length of 148 metres and a deck that is 4 metres wide."',
        ]
        assert "\x1b" not in watch.text, "no colours in a pipe"
    with watching(product, "--claims") as watch:
        ask(product, questions()[0])
        watch.wait("✗ contradicted  It is.*✓ supported  Building it cost 3.2 million euros")


def test_colours_on_a_terminal_unless_refused(start):
    product = start()
    with watching(product, on_terminal=True) as watch:
        ask(product, questions()[0])
        watch.wait("supported")
        assert re.search("\x1b\\[3[13]m[CD]  \x1b\\[0m", watch.text) and "\x1b[31m✗ contradicted\x1b[0m" in watch.text
    with watching(product, on_terminal=True, NO_COLOR="1") as watch:
        ask(product, questions()[0])
        watch.wait("supported")
        assert "\x1b" not in watch.text


def test_it_goes_on_where_it_was(start):
    product = start()
    with watching(product, "--json") as watch:
        asked = [ask(product, questions()[0])]
        watch.wait(asked[0])
        restarts = product.restarts("broadcaster")
        product.kill("broadcaster")
        asked += [ask(product, question) for question in questions()]
        wait_until(lambda: product.restarts("broadcaster") > restarts, what="another broadcaster")
        asked.append(ask(product, questions()[1]))
        watch.wait(asked[-1] + '".*"audit_complete"|"audit_complete"[^\n]*' + asked[-1])
        completed = [json.loads(line)["payload"]["request_id"] for line in watch.text.splitlines() if '"type":"audit_complete"' in line]
        assert sorted(completed) == sorted(asked), "each audit once"
        assert "trying again" in watch.errors and "connected again" in watch.errors
    assert watch.process.returncode == -signal.SIGKILL, "it was still there"


def test_what_cannot_be_written_ends_it_with_the_reason(start):
    product = start()
    with open("/dev/full", "wb") as full:
        result = product.command("watch", "--json", TRUTHTABLE_WS_PORT=str(product.ws_port), stdout=full)
    assert result.returncode == 74 and "standard output: No space left" in result.stderr


def test_nothing_to_watch_says_the_cure(start):
    product = start(access_token="sesame")
    elsewhere = product.command("watch", TRUTHTABLE_WS_PORT="1")
    assert elsewhere.returncode == 69 and "truthtable run" in elsewhere.stderr
    refused = product.command("watch", TRUTHTABLE_WS_PORT=str(product.ws_port), TRUTHTABLE_ACCESS_TOKEN="wrong")
    assert refused.returncode == 69 and "401: set TRUTHTABLE_ACCESS_TOKEN" in refused.stderr and "truthtable run" not in refused.stderr
