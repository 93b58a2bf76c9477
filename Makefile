# `make` lists what there is. The recipes that are longer than a line live in scripts/.

.DEFAULT_GOAL := help
SWIFT_BUILD := swift build -c release --static-swift-stdlib

.PHONY: help setup build run demo test chaos fuzz autobahn bench accuracy coverage format

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install the operating system's libraries that the build needs (Debian; uses apt-get)
	@scripts/setup.sh

build: setup ## build the executables into .build/release
	@$(SWIFT_BUILD)

run: build ## run the product in the foreground (settings: TRUTHTABLE_…, see README)
	@.build/release/truthtable run

demo: build ## run everything with a mock LLM, send one request, show its audit
	@scripts/demo.sh

test: setup ## unit tests, tests of real processes, tests with third-party clients
	@scripts/test.sh

chaos: build ## the long forms of the crash tests (about nine minutes)
	@scripts/chaos.sh

fuzz: ## libFuzzer on the HTTP codec, for SECONDS=60
	@scripts/fuzz.sh $(or $(SECONDS),60)

autobahn: build ## the public WebSocket conformance suite (517 cases, about 20 minutes; from PyPI)
	@TRUTHTABLE_BUILD=.build/release scripts/autobahn.sh

bench: build ## CPU per request beside nginx and HAProxy (installs them and wrk)
	@scripts/bench.sh

accuracy: build ## how well the embedded engine judges, on labelled data (TRUTHTABLE_DATA: its folder)
	@scripts/accuracy.sh

coverage: setup ## line coverage of the unit tests
	@scripts/coverage.sh

format: ## format all Swift files
	@swift format --in-place --recursive Package.swift Sources Tests
