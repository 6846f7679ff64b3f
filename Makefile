# `make help` lists the targets.

SHELL := bash
GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.6.2

.PHONY: help demo test lint fuzz

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: ## show what the plugin does, with real Traefik and CometD nodes
	@cd e2e && go build -o ../.cache/demo ./cmd/demo && exec ../.cache/demo

test: ## run every test: compiled, interpreted, and through two versions of Traefik
	go vet ./... && go test -race ./...
	cd e2e && go vet ./... && go test -count=1 -timeout 40m ./... # the cache does not see the plugin change

fuzz: ## run each fuzz test for a minute
	for f in $$(go test -list '^Fuzz' . | grep ^Fuzz); do go test -run '^$$' -fuzz "^$$f$$" -fuzztime 1m . || exit 1; done

lint: ## run golangci-lint on both modules
	go run $(GOLANGCI) run ./...
	cd e2e && go run $(GOLANGCI) run ./...
