#!/usr/bin/env bash
# Runs the product in front of a mock LLM, streams one answer through it, shows its audit, and stays up until Ctrl-C.
# Ports: TRUTHTABLE_PORT, TRUTHTABLE_WS_PORT and MOCK_PORT, if set (0 picks a free one for the mock).
set -eu
cd "$(dirname "$0")/.."
build=.build/release
export TRUTHTABLE_PORT="${TRUTHTABLE_PORT:-8080}" TRUTHTABLE_WS_PORT="${TRUTHTABLE_WS_PORT:-8081}" TRUTHTABLE_TEST_MODE=true
work=$(mktemp -d)
touch "$work/mock" "$work/log"
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

"$build/truthtable-mockllm" --port "${MOCK_PORT:-0}" --pace-ms 40 >"$work/mock" &
mock=$!
until grep -q listening "$work/mock"; do
    kill -0 "$mock" 2>/dev/null || { echo "demo: the mock LLM did not start: is MOCK_PORT free?" >&2; exit 1; }
    read -rt 0.05 <> <(:) || true
done
TRUTHTABLE_UPSTREAM_URL=$(sed -n 's/listening on //p' "$work/mock") "$build/truthtable" run 2>"$work/log" &
product=$!
until grep -q "TruthTable is ready" "$work/log"; do
    kill -0 "$product" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
    read -rt 0.05 <> <(:) || true
done
url=http://localhost:$TRUTHTABLE_PORT

"$build/truthtable" watch --once >"$work/audit" &
watch=$!
until grep -q "Client connected" "$work/log"; do
    kill -0 "$watch" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
    read -rt 0.05 <> <(:) || true
done
"$build/truthtable-mockllm" --questions | head -n 1 | sed 's/}$/,"stream":true}/' >"$work/question"
echo
echo "A client asks, through the proxy on port $TRUTHTABLE_PORT:"
sed -n 's/.*"role":"user","content":"\([^"]*\)".*/  \1/p' "$work/question"
echo
echo "The answer, as it streams:"
printf '  '
curl -sN "$url/v1/chat/completions" -H 'Content-Type: application/json' -d @"$work/question" |
    sed -nu 's/^data: .*"content":"\(\([^"\\]\|\\.\)*\)".*/\1/p' | while IFS= read -r word; do printf '%s' "$word"; done
printf '\n\n'
wait "$watch"
echo "Its audit, from ws://localhost:$TRUTHTABLE_WS_PORT/ws (made in another process, after the answer had gone out):"
echo
cat "$work/audit"
cat <<TEXT
The product stays up. In another terminal:
  open http://localhost:$TRUTHTABLE_WS_PORT/                          audits in a browser
  TRUTHTABLE_WS_PORT=$TRUTHTABLE_WS_PORT $build/truthtable watch      audits in a terminal
  TRUTHTABLE_PORT=$TRUTHTABLE_PORT $build/truthtable status        processes and ledger
  curl $url/v1/chat/completions -d '{"test_response":"The moon is made of basalt.","messages":[]}'
  curl $url/stats
  kill -9 any process named truthtable-auditor: traffic goes on, its audit is done by another
Ctrl-C ends it.
TEXT
wait "$product"
