.DEFAULT_GOAL := help
SHELL := /bin/bash

node_modules/.installed: package.json package-lock.json
	@./ops/build/require-node.sh
	@echo 'installing the packages of package-lock.json into node_modules (a minute or so, once)'
	@./ops/build/alone.sh npm install --no-save --loglevel=error
	@rm -f dist/.tsbuildinfo # packages that the build bundles may have changed: compile anew
	@touch $@

.PHONY: help
help: ## lists the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: install
install: node_modules/.installed

.PHONY: build
build: install ## compiles to dist/
	@echo 'compiling (half a minute the first time)'
	@./ops/build/alone.sh npm run --silent build

.PHONY: lint
lint: install ## checks style and common mistakes
	@npx biome check .

.PHONY: test
test: build lint ## installs what is missing and runs every test
	@node dist/ops/local/obtain.js
	@node dist/test/run.js

.PHONY: test-unit
test-unit: build ## the tests that start no other program: quick, and without Redis, PostgreSQL and RabbitMQ
	@node dist/test/run.js --unit

.PHONY: contract
contract: build ## the contract suite: the local gateway, and the real Kong in Docker or at SLUICE_TEST_KONG_ADMIN_URL
	@npx mocha 'dist/test/contract/*.test.js'
	@if docker info >/dev/null 2>&1; then SLUICE_TEST_KONG=docker npx mocha dist/test/contract/plugins.test.js; \
	else echo 'no Docker engine: the suite did not run against the image kong:3.9'; fi

.PHONY: bench
bench: build ## runs every benchmark, one table
	@node dist/ops/local/obtain.js
	@node dist/bench/run.js

# What runs must be seen and ended even while the sources do not compile.
dist/ops/local/up/up.js:
	@$(MAKE) --no-print-directory build >&2

.PHONY: up
up: build ## starts everything on this machine, and says what to try; installs what is missing
	@node dist/ops/local/up/up.js up

.PHONY: down
down: dist/ops/local/up/up.js ## ends what `make up` started; its data stays
	@node dist/ops/local/up/up.js down

.PHONY: ps
ps: dist/ops/local/up/up.js ## lists what runs
	@node dist/ops/local/up/up.js ps

.PHONY: logs
logs: dist/ops/local/up/up.js ## the end of each log; NAME=gateway for one, FOLLOW=1 as they grow
	@NAME='$(NAME)' FOLLOW='$(FOLLOW)' node dist/ops/local/up/up.js logs

.PHONY: events
events: dist/ops/local/up/up.js ## the latest events in PostgreSQL and on RabbitMQ's queue
	@node dist/ops/local/up/up.js events

.PHONY: traces
traces: dist/ops/local/up/up.js ## the latest requests as traces, from the client to the services; TRACE=id for one
	@TRACE='$(TRACE)' node dist/ops/local/up/up.js traces

.PHONY: env
env: dist/ops/local/up/up.js ## what operator commands need, as lines for a shell: . .sluice/env does the same
	@node dist/ops/local/up/up.js env

.PHONY: clean
clean: ## removes what was built; keeps what runs
	rm -rf dist coverage
