#!/usr/bin/env bash
# Runs the product in front of a mock LLM, streams one answer through it, shows its audit, and stays up until Ctrl-C.
# Ports: TRUTHTABLE_PORT, TRUTHTABLE_WS_PORT and MOCK_PORT, if set; 0 picks a free one.
set -eu
cd "$(dirname "$0")/.."
build=.build/release
work=$(mktemp -d)
touch "$work/mock" "$work/log"
export TRUTHTABLE_PORT="${TRUTHTABLE_PORT:-8080}" TRUTHTABLE_WS_PORT="${TRUTHTABLE_WS_PORT:-8081}" TRUTHTABLE_RUNTIME_DIR="$work/run"
export TRUTHTABLE_TEST_MODE=true TRUTHTABLE_AUDIT_ENABLED=true TRUTHTABLE_SAMPLE_RATE=1
product="" mock=""
finish() {
    trap - EXIT
    trap '' INT TERM # whoever is impatient waits for the clean-up all the same
    [ -z "$product" ] || kill "$product" 2>/dev/null || true
    [ -z "$product" ] || wait "$product" 2>/dev/null || true
    [ -z "$mock" ] || kill "$mock" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT INT TERM

# until_true PID COMMAND…: waits for the command to succeed, for as long as the process lives.
until_true() {
    pid=$1
    shift
    until "$@" >/dev/null 2>&1; do
        kill -0 "$pid" 2>/dev/null || { cat "$work/log" >&2; echo "demo: a process ended too early, see above" >&2; exit 1; }
        read -rt 0.05 <> <(:) || true
    done
}
status() { "$build/truthtable" status --json; }
all_ready() { status | grep -q '"state":"ready"' && ! status | grep -q '"state":"starting"'; }
port_of() { status | sed -n "s/.*\"name\":\"$1\",\"address\":\"[^\"]*:\([0-9]*\)\".*/\1/p"; }
a_dashboard_is_open() { curl -sf "$url/metrics" | grep -q '^truthtable_clients_open{.*} 1$'; }

"$build/truthtable-mockllm" --port "${MOCK_PORT:-0}" --pace-ms 40 >"$work/mock" 2>"$work/log" &
mock=$!
until_true "$mock" grep -q listening "$work/mock"
TRUTHTABLE_UPSTREAM_URL=$(sed -n 's/listening on //p' "$work/mock") "$build/truthtable" run 2>"$work/log" &
product=$!
until_true "$product" all_ready
export TRUTHTABLE_WS_PORT
port=$(port_of proxy)
TRUTHTABLE_WS_PORT=$(port_of websocket)
url=http://localhost:$port

"$build/truthtable" watch --once --claims >"$work/audit" &
watch=$!
until_true "$watch" a_dashboard_is_open
"$build/truthtable-mockllm" --questions | head -n 1 | sed 's/}$/,"stream":true}/' >"$work/question"
echo
echo "A client asks, through the proxy on port $port:"
sed -n 's/.*"role":"user","content":"\([^"]*\)".*/  \1/p' "$work/question"
echo
echo "The answer, as it streams:"
printf '  '
curl -sN "$url/v1/chat/completions" -H 'Content-Type: application/json' -d @"$work/question" |
    sed -nu 's/^data: .*"content":"\(\([^"\]\|\\.\)*\)".*/\1/p' | while IFS= read -r word; do printf '%s' "$word"; done
printf '\n\n'
wait "$watch"
echo "Its audit, from ws://localhost:$TRUTHTABLE_WS_PORT/ws (made in another process, after the answer had gone out):"
echo
cat "$work/audit"
cat <<TEXT
The product stays up. In another terminal:
  open http://localhost:$TRUTHTABLE_WS_PORT/                 audits in a browser
  TRUTHTABLE_WS_PORT=$TRUTHTABLE_WS_PORT $build/truthtable watch
  TRUTHTABLE_RUNTIME_DIR=$TRUTHTABLE_RUNTIME_DIR $build/truthtable status
  curl $url/v1/chat/completions -d '{"test_response":"The moon is made of basalt.","messages":[]}'
  curl $url/stats
  kill -9 any process named truthtable-auditor: traffic goes on, its audit is done by another
Ctrl-C ends it.
TEXT
wait "$product"
