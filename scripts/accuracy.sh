#!/bin/sh
# How well the embedded engine judges labelled claims: scripts/accuracy.sh [DATA]. DATA is the folder of the claims, which is no part
# of the repository (default: $TRUTHTABLE_DATA, or its folder `groundedness`). Needs python3 with numpy.
set -eu
cd "$(dirname "$0")/.."
data="${1:-${TRUTHTABLE_DATA:-}}"
if [ -z "$data" ]; then
    echo "accuracy: name the folder of labelled claims: make accuracy TRUTHTABLE_DATA=FOLDER" >&2
    exit 64
fi
[ -d "$data/groundedness" ] && data="$data/groundedness"
binary="${TRUTHTABLE_BINARY:-}"
if [ -z "$binary" ]; then
    swift build -c release --static-swift-stdlib --product truthtable
    binary="$(swift build -c release --static-swift-stdlib --show-bin-path)/truthtable"
fi
OMP_NUM_THREADS=1 exec python3 tools/fit/accuracy.py "$data" --truthtable "$binary"
