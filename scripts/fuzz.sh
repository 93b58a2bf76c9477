#!/usr/bin/env bash
# libFuzzer with AddressSanitizer on the HTTP/1.1 codec, for so many seconds (60): scripts/fuzz.sh 600
# What it has learnt stays in .build/fuzz/corpus; a failing input is written to .build/fuzz and named.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-60}
out=.build/fuzz
mkdir -p "$out/corpus" "$out/seeds"
flags="-O -assert-config Debug -swift-version 6 -parse-as-library -package-name truthtable -enable-experimental-feature Lifetimes -sanitize=fuzzer,address"
# shellcheck disable=SC2086
swiftc $flags -wmo -module-name HTTP -emit-module -emit-module-path "$out/HTTP.swiftmodule" -c -o "$out/HTTP.o" Sources/HTTP/*.swift
# shellcheck disable=SC2086
swiftc $flags -I "$out" -module-name HTTPFuzzer -o "$out/http-fuzzer" tools/fuzz/HTTPFuzzer.swift "$out/HTTP.o"
# Kind (0, 1, 2), where the first read ends, the bytes.
printf '\0\200POST /v1/x?key=1 HTTP/1.1\r\nHost: example.com:80\r\nContent-Length: 5\r\nConnection: close, x-a\r\nX-A: b\r\n\r\n' >"$out/seeds/request"
printf '\0\100GET http://[::1]:80/a HTTP/1.0\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nExpect: 100-continue\r\n\r\n' >"$out/seeds/absolute"
printf '\0\100OPTIONS * HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n' >"$out/seeds/options"
printf '\1\200HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\nConnection: keep-alive\r\n\r\n' >"$out/seeds/answer"
printf '\1\20HTTP/1.0 304 Not Modified\r\nETag: "x"\r\nContent-Length: 9\r\n\r\n' >"$out/seeds/bodiless"
printf '\2\200a;x=y\r\n0123456789\r\n0\r\nT: v\r\n\r\n' >"$out/seeds/chunks"
exec env ASAN_OPTIONS=detect_leaks=0 SWIFT_BACKTRACE=enable=no "$out/http-fuzzer" -max_total_time="$seconds" -max_len=4096 \
    -dict=tools/fuzz/http.dict -artifact_prefix="$out/" -print_final_stats=1 "$out/corpus" "$out/seeds"
