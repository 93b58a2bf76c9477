#!/usr/bin/env bash
# Tests of the whole product, from outside: builds it, makes the virtual environment, runs Tests/Clients.
# Arguments go to pytest: scripts/clients.sh -k sdk. TRUTHTABLE_BUILD names a folder of executables that are built already.
set -eu
cd "$(dirname "$0")/.."
[ -n "${TRUTHTABLE_BUILD:-}" ] || swift build -c release --static-swift-stdlib
scripts/setup.sh tests
. scripts/venv.sh
exec "$venv/bin/python" -m pytest -q Tests/Clients "$@"
