"""The long forms of test_crash.py, under 200 requests/s and 20 open streams, with figures. Run by scripts/chaos.sh.

Exit code 1 when a promise is broken. Bars of speed are printed, met or not: they depend on the machine."""

import argparse
import gc
import json
import os
import random
import re
import signal
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from load import Announcements, Load, assert_only  # noqa: E402
from product import Engine, Mock, Product, is_alive, memory_bytes, running, wait_until  # noqa: E402
from wire import Upstream, exchange  # noqa: E402

ROLES = ["broadcaster", "dispatcher", "auditor", "edge"]
RATE, STREAMS = 200, 20
broken = []


def say(text):
    print(text, flush=True)


def promise(kept, text):
    say(f"  {'kept  ' if kept else 'BROKEN'}  {text}")
    if not kept:
        broken.append(text)


def bar(met, text):
    say(f"  {'met   ' if met else 'missed'}  {text}")


def pause(seconds):
    """The time that a round lasts."""
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= end, seconds + 5)


def wait_replaced(product, role, old):
    wait_until(
        lambda: (processes := product.processes(role)) and all(process["state"] == "ready" and process["pid"] not in old for process in processes), 30,
        f"new {role} processes",
    )


def check_traffic(load, kills=()):
    try:
        assert_only(load, kills)
        promise(True, f"no traffic error but those of a killed edge's requests: {len(load.delivered)} answers, {len(load.failures)} broken, {load.reconnects} reconnects")
    except AssertionError as error:
        promise(False, f"traffic: {error}")
    promise(load.late == 0, f"the load kept its pace (late {load.late})")


def check_ledger(product, load, announcements, nothing_lost, others=0):
    """`others`: answers beside the load's."""
    try:
        ledger = product.wait_at_rest(60)
    except AssertionError:
        ledger = product.ledger()
        return promise(False, f"at rest nothing pending, ledger balanced: {ledger}")
    promise(True, "at rest nothing pending, ledger balanced")
    captured, delivered = ledger["captured"], len(load.delivered) + others
    # An answer that broke with its edge may have been captured; one that came whole may have been booked by nobody.
    promise(delivered - (1 if load.failures else 0) <= captured <= delivered + len(load.failures), f"captured = answers delivered: {captured} and {delivered}")
    lost = sum(ledger["dropped"].values()) + ledger["failed"]["dispatcher_lost"]
    if nothing_lost:
        promise(lost == 0, f"nothing lost ({lost})")
    else:
        say(f"          lost with killed processes: {lost} of {captured}: " + ", ".join(f"{name} {count}" for name, count in {**ledger["dropped"], **ledger["failed"]}.items() if count))
    if ledger["quarantined"]:
        say(f"          quarantined: {ledger['quarantined']}")
    if announcements is None:
        return
    # What a killed dispatcher held may have been announced as failed, too.
    try:
        wait_until(lambda: sum(announcements.requests().values()) >= captured - lost, 20)
    except AssertionError:
        pass
    announced = announcements.requests()
    promise(sum(announced.values()) >= captured - lost, f"each audit announced: {sum(announced.values())} of {captured - lost}")
    twice = [audit for audit, numbers in announcements.final().items() if len(numbers) > 1]
    promise(not twice and max(announced.values(), default=0) == 1, f"none announced twice ({len(twice)})")


def every_role_in_turn(mock, rounds):
    say(f"\nkill -9 of every role in turn, {rounds} rounds")
    product = Product(mock.url)
    kills = []
    with Announcements(product) as announcements, Load(product.port, mock, RATE, STREAMS) as load:
        for _ in range(rounds):
            for role in ROLES:
                pause(1.5)
                if role == "edge":
                    kills.append(time.monotonic())
                wait_replaced(product, role, product.kill(role))
        pause(2)
        load.stop()
        check_traffic(load, kills)
        check_ledger(product, load, announcements, nothing_lost=False)
    product.end()


def auditors_again_and_again(mock, seconds):
    say(f"\nkill -9 of all auditors each 200 ms for {seconds} s")
    product = Product(mock.url)
    with Announcements(product) as announcements, Load(product.port, mock, RATE, STREAMS) as load:
        end = beat = time.monotonic()
        end += seconds
        killed = 0
        while time.monotonic() < end:
            beat += 0.2
            killed += len(product.kill("auditor"))
            pause(max(0, beat - time.monotonic()))
        load.stop()
        say(f"          {killed} auditors killed, {product.ledger()['pending']} audits pending at the end of the traffic")
        check_traffic(load)
        ledger = product.ledger()
        check_ledger(product, load, announcements, nothing_lost=False)
        promise(ledger["dropped"]["channel_lost"] + ledger["dropped"]["edge_lost"] == 0, "no capture lost between edge and dispatcher")
    product.end()


def auditors_stopped(mock, seconds):
    say(f"\nSIGSTOP of all auditors for {seconds} s, beside three undisturbed rounds")
    product = Product(mock.url, auditor_hung_timeout="120s", audit_timeout="120s", queue_size=20_000)
    edge = product.pids("edge")[0]
    with Announcements(product) as announcements, Load(product.port, mock, RATE, STREAMS) as load:
        pause(2)
        calm = []
        for _ in range(3):
            began = time.monotonic()
            pause(seconds)
            calm.append(load.percentile(0.99, began, time.monotonic()))
        memory = memory_bytes(edge)
        began = time.monotonic()
        pids = product.kill("auditor", signal.SIGSTOP)
        pause(seconds)
        stopped = load.percentile(0.99, began, time.monotonic())
        pending = product.ledger()["pending"]
        grown = memory_bytes(edge) - memory
        promise(all(is_alive(pid) for pid in pids) and pending > 0, f"the auditors were stopped all the time ({pending} audits waited)")
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        load.stop()
        check_traffic(load)
        check_ledger(product, load, announcements, nothing_lost=True)
        shown = ", ".join(f"{value * 1000:.2f}" for value in calm)
        bar(stopped <= max(calm) + 0.002, f"p99 {stopped * 1000:.2f} ms; undisturbed {shown} ms; bar: {max(calm) * 1000 + 2:.2f} ms")
        say(f"          the edge grew by {grown / 1024:.0f} KiB meanwhile")
    product.end()


def auditors_hung(mock):
    say("\nSIGSTOP of all auditors under the default limits: they are replaced")
    product = Product(mock.url)
    with Announcements(product) as announcements, Load(product.port, mock, RATE, STREAMS) as load:
        pause(1)
        began = time.monotonic()
        wait_replaced(product, "auditor", product.kill("auditor", signal.SIGSTOP))
        say(f"          replaced after {time.monotonic() - began:.1f} s")
        pause(2)
        load.stop()
        check_traffic(load)
        check_ledger(product, load, announcements, nothing_lost=True)
    product.end()


def successors(mock, count):
    say(f"\nkill -9 of a healthy auditor to its successor's Ready, {count} times")
    places = 8
    product = Product(mock.url, auditor_count=places)
    pause(10.5)  # ten seconds of health forget earlier deaths
    seen, said = [], []
    for number in range(count):
        victim = next(process for process in product.processes("auditor") if process["id"] == number % places)
        began = time.monotonic()
        os.kill(victim["pid"], signal.SIGKILL)

        def successor():
            process = next(process for process in product.processes("auditor") if process["id"] == number % places)
            return process if process["pid"] not in (0, victim["pid"]) and process["state"] == "ready" else None

        pid = wait_until(successor, 5, pause=0.0005)["pid"]
        seen.append((time.monotonic() - began) * 1000)
        line = wait_until(lambda: re.search(rf"Process ready role=auditor\[{number % places}\] pid={pid} after=([\d.]+)(µs|us|ms|s)\b", product.log))
        said.append(float(line[1]) * {"µs": 0.001, "us": 0.001, "ms": 1, "s": 1000}[line[2]])
        pause(10.5 / places)
    for what, values in (("kill to Ready by status", seen), ("fork to Ready by the log", said)):
        bar(max(values) <= 50, f"{what}: median {statistics.median(values):.1f} ms, worst {max(values):.1f} ms (bar 50 ms)")
    product.end()


TROUBLES = {
    "slow": ["--seconds", "1.5"], "hung": ["--hang"], "resetting": ["--raw", "reset"], "silent": ["--raw", "silent"], "garbage": ["--raw", "garbage"],
    "refusing": ["--refuse", "UNAVAILABLE"], "absent": None,
}


def engines_in_trouble(mock, seconds):
    say(f"\nan engine behind gRPC in trouble for {seconds} s each, beside three undisturbed rounds")
    engine = Engine()
    port = engine.port
    product = Product(mock.url, grpc_address=engine.address, grpc_timeout="2s", queue_size=20_000)
    with Announcements(product) as announcements, Load(product.port, mock, RATE, STREAMS) as load:
        pause(2)

        def p99():
            began = time.monotonic()
            pause(seconds)
            return load.percentile(0.99, began, time.monotonic())

        calm = [p99() for _ in range(3)]
        limit = max(calm) + 0.002
        say(f"          undisturbed: p99 {', '.join(f'{value * 1000:.2f}' for value in calm)} ms; bar: {limit * 1000:.2f} ms")
        for name, options in TROUBLES.items():
            engine.end()
            if options is not None:
                engine = Engine(*options, port=port)
            failed = sum(product.ledger()["failed"].values())
            value = p99()
            bar(value <= limit, f"{name}: p99 {value * 1000:.2f} ms; {sum(product.ledger()['failed'].values()) - failed} audits failed meanwhile")
        engine.end()
        engine = Engine(port=port)
        audited = product.ledger()["audited"]
        wait_until(lambda: product.ledger()["audited"] > audited, 40, "audits by the engine that came back")
        load.stop()
        check_traffic(load)
        check_ledger(product, load, announcements, nothing_lost=True)
    product.end()
    engine.end()


class LongAnswers:
    """An upstream that answers with 256 KiB of prose, half of which stands in the request's documents; and its client."""

    bytes = 256 << 10  # TRUTHTABLE_CAPTURE_BODY_LIMIT

    def __init__(self):
        sentences = list(self._prose(random.Random(1), self.bytes - 1024))
        answer = json.dumps({"model": "m", "choices": [{"message": {"role": "assistant", "content": " ".join(sentences)}, "finish_reason": "stop"}]})
        known = random.Random(2).sample(sentences, len(sentences) // 2)
        documents = [{"id": f"part-{at}", "content": " ".join(known[at:at + 100])} for at in range(0, len(known), 100)]
        body = json.dumps({"model": "m", "documents": documents, "messages": [{"role": "user", "content": "What is known of these buildings?"}]})
        assert max(len(answer), len(body)) <= self.bytes
        self.upstream = Upstream(f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}\r\n\r\n{answer}".encode())
        self.request = f"POST /long HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        self.answer_bytes = len(answer)
        self.asked = 0

    @staticmethod
    def _prose(dice, size):
        things, places = "bridge mill harbour library tower station museum school".split(), "Marrowby Tannock Elverton Quill Haverstock Dunmere".split()
        people = ["Ilse Tornqvist", "Edwin Pascoe", "Mara Lindqvist", "Owen Hartley", "Signe Aalto"]
        while size > 0:
            thing, place, person, year = dice.choice(things), dice.choice(places), dice.choice(people), dice.randint(1800, 2020)
            sentence = dice.choice([
                f"The {thing} of {place} was designed by {person} and opened in {year}.",
                f"Building the {thing} of {place} cost {dice.randint(2, 90)}.{dice.randint(1, 9)} million crowns, of which the region paid {dice.randint(10, 60)} percent.",
                f"In {year} {person} counted {dice.randint(100, 9000)} visitors of the {thing} in {place} within {dice.randint(2, 40)} days.",
                f"The {thing} stands {dice.randint(3, 80)} metres above the river, and {person} measured it twice before {place} accepted it.",
            ])
            size -= len(sentence) + 1
            if size > 0:
                yield sentence

    def ask(self, product, count):
        for _ in range(count):
            answer = exchange(product.port, self.request, limit=30)
            assert answer.status == 200 and len(answer.body) == self.answer_bytes
            self.asked += 1


def run_and_wait_seconds(pid):
    """How long a process has run, and how long it would have run if a core had been free."""
    ran, waited = Path(f"/proc/{pid}/schedstat").read_text().split()[:2]
    return int(ran) / 1e9, int(waited) / 1e9


def audits_of_long_answers(mock, seconds):
    auditors = os.cpu_count()
    say(f"\n{auditors} auditors busy with answers of 256 KiB for {seconds} s, three times, each beside an undisturbed round; no streams")
    long_answers = LongAnswers()
    product = Product(mock.url, auditor_count=auditors, routes=f"/long => {long_answers.upstream.url}", queue_size=20_000, queue_bytes="2GiB")
    # How many audits fill the time if nothing else wants the cores.
    spent = sum(run_and_wait_seconds(pid)[0] for pid in product.pids("auditor"))
    long_answers.ask(product, 10 * auditors)
    product.wait_at_rest(60, long_answers.asked)
    spent = sum(run_and_wait_seconds(pid)[0] for pid in product.pids("auditor")) - spent
    count = int(1.2 * seconds * auditors * long_answers.asked / spent)
    calm, busy = [], []
    with Load(product.port, mock, RATE, streams=0) as load:
        pause(2)
        for _ in range(3):
            began = time.monotonic()
            pause(seconds)
            calm.append((began, time.monotonic()))
            long_answers.ask(product, count)
            began = time.monotonic()
            before = [run_and_wait_seconds(pid) for pid in product.pids("auditor")]
            pause(seconds)
            after = [run_and_wait_seconds(pid) for pid in product.pids("auditor")]
            ended = time.monotonic()
            busy.append((began, ended))
            pending = product.ledger()["pending"]
            ran = [(now[0] - then[0]) / (ended - began) for then, now in zip(before, after)]
            wanted = [share + (now[1] - then[1]) / (ended - began) for share, then, now in zip(ran, before, after)]
            say(f"          auditors ran {', '.join(f'{share:.0%}' for share in ran)} of the time, the rest is what traffic and its clients took")
            promise(min(wanted) >= 0.9 and pending > auditors, f"they ran or waited for a core {', '.join(f'{share:.0%}' for share in wanted)} of the time; {pending} audits pending at the end")
            wait_until(lambda: product.ledger()["pending"] < auditors, 20 * seconds, "an empty queue", pause=0.1)
        load.stop()
        check_traffic(load)
        check_ledger(product, load, None, nothing_lost=True, others=long_answers.asked)
    # Only now: what had not been answered at the end of its round counts, too.
    calm, busy = ([load.percentile(0.99, *span) for span in spans] for spans in (calm, busy))
    for what, values in (("undisturbed", calm), ("beside busy auditors", busy)):
        say(f"          p99 {what}: {', '.join(f'{value * 1000:.2f}' for value in values)} ms")
    limit = max(calm) + 0.002
    value = statistics.median(busy)
    promise(value <= limit, f"p99 beside busy auditors, median of the rounds: {value * 1000:.2f} ms; at most {limit * 1000:.2f} ms")
    product.end()
    long_answers.upstream.close()


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--short", action="store_true", help="a tenth of the time, to try the script itself")
    options.add_argument("--only", choices=["turn", "again", "stopped", "hung", "successors", "engines", "audits"], help="one part")
    options = options.parse_args()
    scale = 10 if options.short else 1
    # This process keeps every announcement; collecting among them would stop its clients for 100 ms and more; cycles are few.
    gc.disable()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends what was started, too
    mock = Mock()
    parts = {
        "turn": lambda: every_role_in_turn(mock, max(1, 5 // scale)),
        "again": lambda: auditors_again_and_again(mock, 60 // scale),
        "stopped": lambda: auditors_stopped(mock, 20 // scale),
        "hung": lambda: auditors_hung(mock),
        "successors": lambda: successors(mock, 20 // (scale // 2 or 1)),
        "engines": lambda: engines_in_trouble(mock, 20 // scale),
        "audits": lambda: audits_of_long_answers(mock, max(2, 10 // scale)),
    }
    say(f"load: {RATE} requests/s and {STREAMS} open streams; {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}")
    try:
        for name, part in parts.items():
            if options.only in (None, name):
                part()
    finally:
        for process in list(running):
            process.end()
    say(f"\n{len(broken)} promises broken" if broken else "\nevery promise kept")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
