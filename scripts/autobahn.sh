#!/usr/bin/env bash
# The public WebSocket conformance suite (517 cases) against `/ws-echo` of the broadcaster; arguments go to Tests/Clients/conformance.py
# (--only 1,2,12 --report FILE). The suite comes from PyPI and stays outside this repository; all of it takes about 20 minutes.
set -eu
cd "$(dirname "$0")/.."
[ -n "${TRUTHTABLE_BUILD:-}" ] || swift build -c release --static-swift-stdlib
build=${TRUTHTABLE_BUILD:-.build/release}
suite=.build/autobahn
if [ ! -f "$suite/ready" ]; then
    rm -rf "$suite"
    python3 -m venv "$suite/venv"
    # Its cases are translated by lib2to3, which Python 3.13 has no more.
    "$suite/venv/bin/pip" install --quiet --disable-pip-version-check autobahn==24.4.2 twisted==26.10.0 wsaccel==0.6.7 setuptools
    "$suite/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --no-binary :all: --dest "$suite" autobahntestsuite==25.10.1
    tar -xzf "$suite"/autobahntestsuite-25.10.1.tar.gz -C "$suite"
    touch "$suite/ready"
fi
work=$(mktemp -d)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
env -u TRUTHTABLE_BUILD TRUTHTABLE_PORT=0 TRUTHTABLE_WS_PORT="$port" TRUTHTABLE_RUNTIME_DIR="$work/run" TRUTHTABLE_UPSTREAM_URL=http://127.0.0.1:9 TRUTHTABLE_WS_ECHO=1 \
    TRUTHTABLE_LOG_LEVEL=warn "$build/truthtable" run 2>"$work/log" &
product=$!
trap 'kill "$product"; wait "$product" || true; rm -rf "$work"' EXIT
for _ in $(seq 100); do
    curl -sf "http://127.0.0.1:$port/health" >/dev/null && break
    kill -0 "$product" 2>/dev/null || {
        cat "$work/log" >&2
        exit 1
    }
    sleep 0.1
done
"$suite/venv/bin/python" Tests/Clients/conformance.py "$suite/autobahntestsuite-25.10.1/autobahntestsuite" "ws://127.0.0.1:$port/ws-echo" "$@"
