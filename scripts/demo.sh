#!/usr/bin/env bash
# Runs the product in front of a mock LLM, streams one answer through it, shows its audit, and stays up.
# Ports come from TRUTHTABLE_PORT, TRUTHTABLE_WS_PORT and MOCK_PORT if set.
set -eu
cd "$(dirname "$0")/.."
exec .build/release/truthtable demo
