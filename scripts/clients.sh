#!/usr/bin/env bash
# Tests of the whole product, from outside: builds it, makes the virtual environment, runs Tests/Clients.
# Arguments go to pytest: scripts/clients.sh -k sdk
set -eu
cd "$(dirname "$0")/.."
swift build -c release --static-swift-stdlib
venv=.venv
if [ ! -f "$venv/requirements" ] || ! cmp -s "$venv/requirements" Tests/Clients/requirements.txt; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r Tests/Clients/requirements.txt
    cp Tests/Clients/requirements.txt "$venv/requirements"
fi
exec "$venv/bin/python" -m pytest -q Tests/Clients "$@"
