#!/usr/bin/env bash
# What the build needs of the operating system; with `tests`, what the tests of the whole product need besides: a browser,
# and systemd's own check of unit files.
# Safe to run twice; does nothing when all is there.
set -eu
cd "$(dirname "$0")/.."
command -v swift >/dev/null || {
    echo "setup: Swift 6.3 is not installed: get it from swift.org and put it on the PATH" >&2
    exit 1
}
. scripts/packages.sh
need libssl-dev zlib1g-dev libbrotli-dev libnghttp2-dev curl python3 python3-venv ca-certificates
[ "${1:-}" != tests ] || need chromium fonts-dejavu-core systemd
