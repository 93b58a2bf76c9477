#!/usr/bin/env bash
# The long forms of the crash tests, under load, with figures; about eleven minutes. Fails when a promise is broken.
# Arguments go to Tests/Clients/chaos.py: --short, --only turn|again|stopped|hung|successors|engines|audits.
set -eu
cd "$(dirname "$0")/.."
. scripts/venv.sh
exec "$venv/bin/python" Tests/Clients/chaos.py "$@"
