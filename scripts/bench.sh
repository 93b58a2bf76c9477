#!/usr/bin/env bash
# Our edge beside nginx and HAProxy on this machine; arguments go to bench/bench.py (see there).
set -eu
cd "$(dirname "$0")/.."
. scripts/packages.sh
need nginx-light haproxy wrk procps
exec python3 bench/bench.py "$@"
