#!/usr/bin/env bash
# All tests: Swift's own, then real processes with real clients in a Python virtual environment.
set -eu
cd "$(dirname "$0")/.."
swift build --build-tests
swift test --skip-build
scripts/clients.sh
