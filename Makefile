.DEFAULT_GOAL := help
SHELL := /bin/bash

node_modules/.installed: package.json package-lock.json
	@./ops/require-node.sh
	npm install --no-save --no-progress --loglevel=error
	@touch $@

.PHONY: help
help: ## lists the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: install
install: node_modules/.installed

.PHONY: build
build: install ## compiles to dist/
	@npm run --silent build

.PHONY: lint
lint: install ## checks style and common mistakes
	@npx biome check .

.PHONY: test
test: build lint ## installs what is missing and runs every test
	@node dist/ops/local/obtain.js
	@npx mocha 'dist/test/**/*.test.js'

.PHONY: clean
clean: ## removes what was built; keeps what runs
	rm -rf dist coverage
