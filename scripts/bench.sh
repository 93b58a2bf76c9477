#!/usr/bin/env bash
# Our edge beside nginx and HAProxy on this machine; arguments go to bench/bench.py (see there).
set -eu
cd "$(dirname "$0")/.."
. scripts/packages.sh
need nginx-light haproxy wrk procps gcc libc6-dev libuv1
. scripts/venv.sh
# uWebSockets for the measure `broadcast`
"$venv/bin/python" -c "import socketify" 2>/dev/null || "$venv/bin/pip" install --quiet --disable-pip-version-check socketify==0.0.31
exec "$venv/bin/python" bench/bench.py "$@"
