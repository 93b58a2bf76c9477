"""Runs the public WebSocket conformance suite (PyPI `autobahntestsuite`, Apache 2.0) against a server, on Python 3.

    python3 conformance.py SUITE URL [--only 1,2,12] [--report FILE]

SUITE is the folder `autobahntestsuite` of its unpacked source distribution, whose cases are Python 2. They are translated while
they are loaded and otherwise run as they are: a byte string of Python 2 becomes a text whose characters are those bytes
(Latin-1), and bytes again where the protocol sends it. The client is the current `autobahn` package, an independent implementation.
Behaviours are the suite's: each case and its closing end as OK, NON-STRICT, INFORMATIONAL or in some kind of failure, which this
program then ends with.
"""
import argparse, importlib.abc, importlib.util, json, sys, types, warnings
from pathlib import Path

warnings.simplefilter("ignore")
from lib2to3.refactor import RefactoringTool, get_fixers_from_package  # noqa: E402

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol  # noqa: E402
from autobahn.websocket.utf8validator import Utf8Validator  # noqa: E402
from twisted.internet import reactor  # noqa: E402

PASSED = {"OK", "NON-STRICT", "INFORMATIONAL"}
# For one case, in seconds; the longest gives itself 1,000.
CASE_LIMIT = 1100


def octets(value):
    return value.encode("latin-1") if isinstance(value, str) else value


# Loading the cases

class Translated(importlib.abc.Loader):
    """A module of the suite, from Python 2."""

    tool = RefactoringTool(get_fixers_from_package("lib2to3.fixes"))

    def __init__(self, path):
        self.path = path

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        text = self.path.read_bytes().decode("latin-1").replace("# coding=utf-8", "").replace("# -*- coding: utf-8 -*-", "")
        text = text.replace("import binascii", "from autobahn_octets import binascii").replace(".tostring()", ".tobytes().decode('latin-1')")
        text = text.replace("import copy, os, pkg_resources, hashlib, binascii", "import copy, os, hashlib\nfrom autobahn_octets import binascii, pkg_resources")
        text = text.replace("import copy, os, pkg_resources, hashlib, from", "import copy, os, hashlib\nfrom")
        text = text.replace("from zope.interface import implements", "implements = lambda *_: None").replace("(object, Case, )", "(Case,)").replace("len(self.payload) / self", "len(self.payload) // self")
        text = text.replace("from autobahn.websocket.utf8validator import Utf8Validator", "from autobahn_octets import Utf8Validator")
        for old, new in (("NoContextTakeover", "_no_context_takeover"), ("MaxWindowBits", "_max_window_bits")):
            for verb in ("request", "accept"):
                text = text.replace(verb + old, verb + new)  # the client's names today
        exec(compile(str(self.tool.refactor_string(text + "\n", str(self.path))), str(self.path), "exec"), module.__dict__)


class Finder(importlib.abc.MetaPathFinder):
    """`case` is the suite's package of that name; its modules name each other as Python 2 lets them."""

    def __init__(self, folder):
        self.folder = folder

    def find_spec(self, name, path=None, target=None):
        last = name.rsplit(".", 1)[-1]
        if name == "case":
            return importlib.util.spec_from_loader("case", Translated(self.folder / "__init__.py"), is_package=True)
        file = self.folder / f"{last}.py"
        if name == f"case.{last}" and file.exists() or last.startswith("case") and file.exists():
            return importlib.util.spec_from_loader(name, Translated(file))
        return None


def load(suite):
    """All case classes, in order."""
    import binascii
    support = types.ModuleType("autobahn_octets")
    support.binascii = types.SimpleNamespace(
        b2a_hex=lambda text: binascii.b2a_hex(octets(text)).decode(), hexlify=lambda text: binascii.hexlify(octets(text)).decode(),
        a2b_hex=lambda text: binascii.a2b_hex(text).decode("latin-1"))
    support.pkg_resources = types.SimpleNamespace(resource_filename=lambda _, name: str(suite / name))

    class Validator(Utf8Validator):
        def validate(self, text):
            return Utf8Validator.validate(self, octets(text))

    support.Utf8Validator = Validator
    sys.modules["autobahn_octets"] = support
    sys.meta_path.insert(0, Finder(suite / "case"))
    sys.path.insert(0, str(suite / "case"))
    import case
    base = sys.modules["case.case"].Case
    base.compare = lambda self, ours, theirs: ours == theirs
    return case.Cases


# Running them

class FuzzingClient(WebSocketClientProtocol):
    """What the cases call on their protocol, as the suite's own driver has it."""

    def connectionMade(self):
        self.connectionWasOpen = False
        self.createWirelog = False
        self.txFrameStats = {}
        self.runCase = self.factory.case(self)
        WebSocketClientProtocol.connectionMade(self)

    def enableWirelog(self, enable):
        self.createWirelog = enable

    def continueLater(self, delay, function, tag=None):
        reactor.callLater(delay, lambda: self.state != self.STATE_CLOSED and function())

    def killAfter(self, delay):
        reactor.callLater(delay, lambda: self.state != self.STATE_CLOSED and self.failConnection())

    def failConnection(self):
        self._fail_connection(self.CLOSE_STATUS_CODE_GOING_AWAY, "Going Away")

    def closeAfter(self, delay):
        reactor.callLater(delay, lambda: self.state != self.STATE_CLOSED and self.sendClose())

    def sendFrame(self, opcode, payload="", **more):
        self.txFrameStats[opcode] = self.txFrameStats.get(opcode, 0) + 1
        mask = more.pop("mask", None)
        WebSocketClientProtocol.sendFrame(self, opcode, octets(payload), mask=octets(mask) if mask else None, **more)

    def sendMessage(self, payload, isBinary=False, **more):
        WebSocketClientProtocol.sendMessage(self, octets(payload), bool(isBinary), **more)

    def sendMessageFrameData(self, payload, sync=False):
        return WebSocketClientProtocol.sendMessageFrameData(self, octets(payload), sync)

    def sendCloseFrame(self, code=None, reasonUtf8=None, isReply=False):
        WebSocketClientProtocol.sendCloseFrame(self, code, octets(reasonUtf8) if reasonUtf8 is not None else None, isReply)

    def onOpen(self):
        self.connectionWasOpen = True
        self.runCase.onOpen()

    def onMessage(self, message, binary):
        # The cases of compression compare bytes themselves.
        self.runCase.onMessage(message if self.factory.isCompressed else message.decode("latin-1"), binary)

    def onPong(self, payload):
        self.runCase.onPong(payload.decode("latin-1"))

    def onClose(self, wasClean, code, reason):
        self.runCase.onClose(wasClean, code, reason)

    def connectionLost(self, reason):
        WebSocketClientProtocol.connectionLost(self, reason)
        self.runCase.onConnectionLost(self.failedByMe)
        self.factory.finished(self)


class Factory(WebSocketClientFactory):
    protocol = FuzzingClient

    def clientConnectionFailed(self, connector, reason):
        self.finished(None)


def name_of(case):
    return ".".join(case.__name__[4:].split("_"))


def run(cases, url, finished, told):
    """One case after the other; `told` hears of each, `finished` of the end."""
    left = iter(cases)

    def following():
        case = next(left, None)
        if case is None:
            return finished()
        factory = Factory(url)
        factory.case = case
        factory.isCompressed = case.__name__.startswith(("Case12_", "Case13_"))
        # As the suite sets it: the frames of the cases are what is tested, no limits and pings of the client's own.
        factory.setProtocolOptions(version=18, failByDrop=False, closeHandshakeTimeout=5, openHandshakeTimeout=10, utf8validateIncoming=True, tcpNoDelay=True, maskClientFrames=True, applyMask=True, maxFramePayloadSize=0, maxMessagePayloadSize=0, autoPingInterval=0)
        ended = []

        def end(protocol):
            if ended:
                return
            ended.append(True)
            limit.active() and limit.cancel()
            told(case, protocol)
            reactor.callLater(0, following)

        factory.finished = end
        limit = reactor.callLater(CASE_LIMIT, end, None)
        reactor.connectTCP(factory.host, factory.port, factory)

    reactor.callWhenRunning(following)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", type=Path)
    parser.add_argument("url")
    parser.add_argument("--only", default="", help="sections or cases, separated by commas: 1,2.3,12")
    parser.add_argument("--report", type=Path)
    options = parser.parse_args()
    wanted = [part for part in options.only.split(",") if part]
    cases = load(options.suite)
    chosen = [c for c in cases if not wanted or any((name_of(c) + ".").startswith(part + ".") for part in wanted)]
    results, counts = {}, {}

    def told(case, protocol):
        run_case = protocol.runCase if protocol else None
        behavior = run_case.behavior if run_case else "FAILED"
        closing = run_case.behaviorClose if run_case else "FAILED"
        why = f"{run_case.result} {run_case.resultClose}" if run_case else "no connection, or no end in time"
        results[name_of(case)] = {"behavior": behavior, "close": closing, "why": why}
        counts[behavior] = counts.get(behavior, 0) + 1
        if behavior not in PASSED or closing not in PASSED:
            print(f"{name_of(case)}: {behavior}, close {closing}: {why}", flush=True)

    run(chosen, options.url, reactor.stop, told)
    reactor.run()
    failed = [name for name, r in results.items() if r["behavior"] not in PASSED or r["close"] not in PASSED]
    if options.report:
        options.report.write_text(json.dumps(results, indent=1))
    print(f"{len(results)} of {len(cases)} cases: " + ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) + f"; failed: {len(failed)}")
    sys.exit(1 if failed or not results else 0)


if __name__ == "__main__":
    main()
