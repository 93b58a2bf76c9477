#!/usr/bin/env bash
# Line coverage of the unit tests, a line per file, the least covered first.
set -eu
cd "$(dirname "$0")/.."
swift test --enable-code-coverage >/dev/null
python3 - "$(swift test --show-codecov-path)" <<'PY'
import json, os, sys
files = json.load(open(sys.argv[1]))["data"][0]["files"]
rows = [(f["summary"]["lines"]["percent"], f["summary"]["lines"]["count"], os.path.relpath(f["filename"])) for f in files if "/Sources/" in f["filename"]]
for percent, count, name in sorted(rows): print(f"{percent:6.1f} % of {count:5} lines  {name}")
total = sum(r[1] for r in rows); print(f"{sum(r[0] * r[1] for r in rows) / max(1, total):6.1f} % of {total:5} lines  all")
PY
