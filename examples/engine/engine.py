"""An audit engine for TruthTable, over gRPC: the reference to write one's own by, and the peer in TruthTable's tests.

    python3 engine.py [--port 50051]

It judges each sentence of the answer by the words and numbers that it shares with the best sentence of the context: enough to see
something, not enough to rely on. Replace `audit` with your own. The switches make it misbehave on purpose; see README.md.
"""

import argparse
import importlib.resources
import os
import re
import signal
import socket
import struct
import sys
import tempfile
import threading
import time
import uuid
from concurrent import futures
from pathlib import Path

import grpc
from grpc_tools import protoc

PROTO = Path(__file__).resolve().parents[2] / "proto"


def generated():
    """The modules of audit.proto, made in a folder that is gone once they are imported."""
    with tempfile.TemporaryDirectory(prefix="truthtable-engine-") as folder:
        well_known = importlib.resources.files("grpc_tools") / "_proto"
        arguments = ["protoc", f"-I{PROTO}", f"-I{well_known}", f"--python_out={folder}", f"--grpc_python_out={folder}", "truthtable/audit/v1/audit.proto"]
        if protoc.main(arguments) != 0:
            sys.exit("engine: audit.proto could not be compiled")
        sys.path.insert(0, folder)
        from truthtable.audit.v1 import audit_pb2, audit_pb2_grpc
        sys.path.remove(folder)
    return audit_pb2, audit_pb2_grpc


pb, audit_pb2_grpc = generated()

NAME, VERSION = "example", "1"


# The audit: replace this with your own.

def sentences(text):
    """Sentences with their offsets in bytes of UTF-8."""
    for match in re.finditer(r"[^.!?\n]*[^.!?\s][^.!?\n]*(?:[.!?](?!\s|$)[^.!?\n]*)*[.!?]?", text):
        sentence = match.group().strip()
        if sentence:
            start = match.start() + len(match.group()) - len(match.group().lstrip())
            first = len(text[:start].encode())
            yield sentence, first, first + len(sentence.encode())


def words(text):
    return set(re.findall(r"\d[\d.,:]*\d|\d|[^\W\d_]{3,}", text.lower()))


def judge(claim, context):
    """The verdict on one claim, with the sentence of the context that decides it."""
    wanted = words(claim)
    best, evidence = 0.0, None
    for document in context:
        for sentence, start, end in sentences(document.content):
            share = len(wanted & words(sentence)) / max(1, len(wanted))
            if share > best:
                best = share
                unmatched = sorted(wanted - words(sentence))
                evidence = pb.Evidence(quote=sentence, document_id=document.id, source=document.source, start=start, end=end, unmatched=unmatched)
    missing = [word for word in (evidence.unmatched if evidence else []) if word[0].isdigit()]
    if not context:
        return pb.UNVERIFIABLE, 0.0, None, "There is no context to hold it against."
    if best >= 0.5 and missing:
        return pb.CONTRADICTED, 0.9, evidence, f"The context does not say {', '.join(missing)}."
    if best >= 0.6:
        return pb.SUPPORTED, best, evidence, "The context says so."
    return pb.UNSUPPORTED, 1 - best, evidence, "The context says too little of it."


def audit(request):
    """The result for one SubmitAuditRequest."""
    began = time.monotonic()
    claims = []
    for sentence, start, end in sentences(request.response):
        verdict, confidence, evidence, reasoning = judge(sentence, request.context)
        claims.append(pb.Claim(
            claim=sentence, supported=verdict == pb.SUPPORTED, verdict=verdict, confidence=confidence, start=start, end=end,
            evidence=[evidence] if evidence else [], reasoning=reasoning,
        ))
    # Score, rate, grade and verdict are left out: TruthTable derives them from the claims.
    return pb.AuditResult(
        request_id=request.request_id, claims=claims, engine=NAME, engine_version=VERSION, processing_time_ms=int((time.monotonic() - began) * 1000),
    )


# The service: audits run in threads, results wait to be fetched.

class AuditService(audit_pb2_grpc.AuditServiceServicer):
    RESULTS_KEPT = 10_000

    def __init__(self, options):
        self.options = options
        self.lock = threading.Lock()
        self.by_request = {}
        self.audits = {}
        self.pool = futures.ThreadPoolExecutor(options.workers)
        self.submitted = self.polled = 0

    def SubmitAudit(self, request, context):
        self.misbehave(context)
        with self.lock:
            self.submitted += 1
            audit_id = self.by_request.get(request.request_id)
            if audit_id is None:
                audit_id = uuid.uuid4().hex
                self.by_request[request.request_id] = audit_id
                self.audits[audit_id] = self.pool.submit(self.run, request)
                if len(self.audits) > self.RESULTS_KEPT:
                    del self.audits[next(iter(self.audits))]
                    del self.by_request[next(iter(self.by_request))]
        return pb.SubmitAuditResponse(audit_id=audit_id)

    def GetAuditResult(self, request, context):
        self.misbehave(context)
        with self.lock:
            self.polled += 1
            running = self.audits.get(request.audit_id)
            if self.options.forget and running is not None:
                self.options.forget = False
                self.audits.clear()
                self.by_request.clear()
                running = None
        if running is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "no audit has this id")
        if not running.done():
            return pb.GetAuditResultResponse(audit_id=request.audit_id, status=pb.PROCESSING)
        if running.exception():
            return pb.GetAuditResultResponse(audit_id=request.audit_id, status=pb.FAILED, error=str(running.exception()))
        return pb.GetAuditResultResponse(audit_id=request.audit_id, status=pb.COMPLETED, result=running.result())

    # What follows serves the tests.

    def run(self, request):
        time.sleep(self.options.seconds)
        if self.options.fail:
            raise RuntimeError(self.options.fail)
        result = audit(request)
        if self.options.bad_result:
            result.trust_score = 1000
        return result

    def misbehave(self, context):
        if self.options.hang:
            while context.is_active():
                time.sleep(0.05)
        if self.options.refuse:
            context.abort(grpc.StatusCode[self.options.refuse], "refused on purpose: 100 % – ünicode")


class RawServer:
    """A peer that is no gRPC server: accepts, and then resets, says nothing, or talks nonsense."""

    def __init__(self, port, mode):
        self.mode = mode
        self.listener = socket.create_server(("127.0.0.1", port), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.open = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection, _ = self.listener.accept()
            if self.mode == "silent":
                self.open.append(connection)
                continue
            threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection):
        try:
            connection.recv(65536)
            if self.mode == "garbage":
                connection.sendall(os.urandom(256) + b"HTTP/1.1 200 OK\r\n\r\n")
            elif self.mode == "http1":
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            elif self.mode == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        except OSError:
            pass


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=50051, help="0 for a free one")
    parser.add_argument("--workers", type=int, default=32, help="audits at once")
    parser.add_argument("--tls", metavar="CERTIFICATE,KEY", help="PEM files")
    parser.add_argument("--gzip", action="store_true", help="compress the answers")
    parser.add_argument("--streams", type=int, help="calls that a client may have under way on one connection")
    parser.add_argument("--connection-age", type=float, metavar="SECONDS", help="connections are ended (GOAWAY) at that age")
    misbehaviour = parser.add_argument_group("misbehaviour")
    misbehaviour.add_argument("--seconds", type=float, default=0, help="an audit takes so long")
    misbehaviour.add_argument("--hang", action="store_true", help="no call is answered")
    misbehaviour.add_argument("--refuse", metavar="CODE", help="each call is answered with this status code, such as UNAVAILABLE")
    misbehaviour.add_argument("--fail", metavar="REASON", help="each audit fails")
    misbehaviour.add_argument("--bad-result", action="store_true", help="results break the rules of audit.proto")
    misbehaviour.add_argument("--forget", action="store_true", help="the first question for a result finds everything forgotten")
    misbehaviour.add_argument("--raw", choices=["reset", "silent", "garbage", "http1"], help="be no gRPC server at all")
    options = parser.parse_args()

    if options.raw:
        port = RawServer(options.port, options.raw).port
    else:
        settings = [("grpc.so_reuseport", 0)]
        if options.streams:
            settings.append(("grpc.max_concurrent_streams", options.streams))
        if options.connection_age:
            settings += [("grpc.max_connection_age_ms", int(options.connection_age * 1000)), ("grpc.max_connection_age_grace_ms", 10_000)]
        server = grpc.server(
            futures.ThreadPoolExecutor(max(64, options.workers)), options=settings,
            compression=grpc.Compression.Gzip if options.gzip else grpc.Compression.NoCompression,
        )
        service = AuditService(options)
        audit_pb2_grpc.add_AuditServiceServicer_to_server(service, server)
        address = f"{options.host}:{options.port}"
        if options.tls:
            certificate, key = (Path(name).read_bytes() for name in options.tls.split(","))
            port = server.add_secure_port(address, grpc.ssl_server_credentials([(key, certificate)]))
        else:
            port = server.add_insecure_port(address)
        server.start()
        # kill -USR1: how often it was asked.
        signal.signal(signal.SIGUSR1, lambda *_: print(f"submitted {service.submitted} polled {service.polled}", flush=True))
    print(f"listening on {options.host}:{port}", flush=True)
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
