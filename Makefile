# `make help` lists the targets.

SHELL := bash
GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.6.2

.PHONY: help demo screenshots packages test test-plugin test-traefik test-browsers bench bench-traefik lint fuzz

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

demo: packages ## show what the plugin does, in your browser: real Traefik, CometD nodes, a company's page
	@cd e2e && go build -o ../.cache/stage ./cmd/stage && exec ../.cache/stage -demo

screenshots: packages ## take the README's pictures of the demo page anew
	cd e2e && node browser/screenshots.mjs ../.assets

packages: e2e/node_modules/.package-lock.json ## install the npm packages of e2e

e2e/node_modules/.package-lock.json: e2e/package-lock.json
	cd e2e && npm ci --no-audit --no-fund
	touch $@

test: test-plugin test-traefik test-browsers ## run every test

test-plugin: ## the plugin, compiled
	go vet ./... && go test -race ./...

test-traefik: packages ## the plugin, interpreted and through two versions of Traefik
	cd e2e && go vet ./... && go test -count=1 -timeout 40m ./... # the cache does not see the plugin change

test-browsers: packages ## the chat in Chromium and Firefox
	cd e2e && node --test --test-concurrency=1 --test-reporter=spec browser/*.test.mjs

bench: ## measure what a response costs, interpreted, into BENCHMARKS.md
	cd e2e && go run ./cmd/bench > ../.cache/bench.log && grep -v ^chips ../.cache/bench.log

bench-traefik: ## measure throughput, latency and memory on a real Traefik, into BENCHMARKS.md
	cd e2e && go build -o ../.cache/bench-traefik ./cmd/bench-traefik && exec ../.cache/bench-traefik

fuzz: ## run each fuzz test for a minute
	for d in . e2e; do (cd $$d && for f in $$(go test -list '^Fuzz' . | grep ^Fuzz); do go test -run '^$$' -fuzz "^$$f$$" -fuzztime 1m . || exit 1; done) || exit 1; done

lint: ## run golangci-lint on both modules
	go run $(GOLANGCI) run ./...
	cd e2e && go run $(GOLANGCI) run ./...
