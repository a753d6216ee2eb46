# `make run` and `make test` install what they miss, say so, and skip it the next time.

export PATH := $(shell scripts/tools path):$(PATH)

.DEFAULT_GOAL := help
# Tests that measure time: they have the machine to themselves, here and in .config/nextest.toml.
timed := sameness:: slow:: load:: connections:: http2:: size:: cost:: nodes::
# How often `make fuzz` tries each property.
CASES ?= 1000000

.PHONY: help run test build dev check settings attack soak fuzz prove bench clean build-tools test-tools check-tools attack-tools bench-tools

binary := target/release/latchkey
built := target/release/.latchkey-built
sources := $(shell find src crates style public Cargo.toml Cargo.lock 2>/dev/null)

# PORT is a short word for the address. Without it the program's own rules hold, .env included.
address := $(if $(LATCHKEY_ADDR),,$(if $(PORT),LATCHKEY_ADDR=127.0.0.1:$(PORT)))

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## build a release and serve http://localhost:3000 from ./data (PORT=8080 make run moves it)
	@exec env $(address) $(binary) serve

test: build-tools test-tools ## every test: unit, integration, recipes, browser end to end
	@echo "==> Rust tests: usually 5 minutes the first time, most of it compiling"
	@if cargo nextest --version >/dev/null 2>&1; then \
		failed=0; \
		scripts/postgres with cargo nextest run --locked --no-fail-fast --workspace || failed=1; \
		TEST_ENGINE=postgres scripts/postgres with cargo nextest run --locked --no-fail-fast --profile postgres --workspace || failed=1; \
		exit $$failed; \
	else \
		failed=0; \
		scripts/postgres with cargo test --locked --no-fail-fast --workspace -- --skip postgres:: $(addprefix --skip ,$(timed)) || failed=1; \
		scripts/postgres with cargo test --locked --no-fail-fast --test app --test program -- --test-threads=1 --skip postgres:: $(timed) || failed=1; \
		TEST_ENGINE=postgres scripts/postgres with cargo test --locked --no-fail-fast --test app -- $(addprefix --skip ,$(timed)) || failed=1; \
		TEST_ENGINE=postgres scripts/postgres with cargo test --locked --no-fail-fast --test app -- --test-threads=1 $(timed) || failed=1; \
		exit $$failed; \
	fi
	@echo "==> recipes of docs/RECIPES.md: usually 3 minutes, most of it compiling"
	@scripts/recipes
	@$(MAKE) --no-print-directory build
	@echo "==> browser tests: usually a few minutes"
	@chromium=$$(scripts/tools chromium) && cd end2end && CHROMIUM=$$chromium npx --no-install playwright test

build: $(built) ## the release binary at target/release/latchkey, assets inside

dev: build-tools ## build, serve, and reload on every saved change
	env $(address) $(subst LATCHKEY,LEPTOS_SITE,$(address)) cargo leptos watch

check: check-tools ## formatting, lints for both targets, docs, types, licences, bans, advisories
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked --lib --target wasm32-unknown-unknown --target-dir target/front -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps
	cd end2end && npx --no-install tsc --noEmit
	cargo deny --log-level error check licenses bans sources
	@if cargo deny fetch db >/dev/null 2>&1; then \
		echo "cargo deny check advisories"; \
		cargo deny --log-level error check advisories; \
	else \
		echo "The advisory database could not be reached, so known vulnerabilities were not checked."; \
	fi

settings: ## write the settings into README.md, from the table in crates/latchkey-axum/src/config/settings.rs
	UPDATE_README=1 cargo test --locked --test program -- --exact settings::the_readme_lists_the_settings_as_the_program_does

attack: build attack-tools ## the long attacks: thousands of generated calls, slow clients, load, races and times in full (about 15 minutes)
	scripts/schemathesis/run $(binary)
	TEST_BINARY=$(abspath $(binary)) STRICT=1 SLOW_CLIENTS=2500 SLOW_READERS=50 H2_STREAMS=100000 WIRE_ROUNDS=100 \
		SILENT_CONNECTIONS=8000 H2_CONNECTIONS=250 H2_UNREAD=50 H2_UNREAD_STREAMS=128 ABUSE_SECONDS=10 \
		SAME_ROUNDS=300 RACE_ROUNDS=1000 END_ROUNDS=100 \
		scripts/postgres with scripts/both-engines \
		slow:: load:: connections:: http2:: trouble:: wire:: tls:: races:: sameness:: hostile_strings:: every_route:: within_a_second

soak: build ## several nodes on PostgreSQL for long: ends, races, kills, crashes and restarts under load; a million accounts; with figures (up to half an hour)
	TEST_BINARY=$(abspath $(binary)) ENDS=1000 NODE_ROUNDS=1000 KILLS=100 RESTARTS=20 ROLLS=10 ACCOUNTS=1000000 SESSIONS=100000 \
		scripts/postgres with scripts/both-engines nodes:: size::

fuzz: ## cookies, headers and tokens against a million random inputs each (CASES=… for another number)
	PROPTEST_CASES=$(CASES) cargo test --locked --test formats

prove: ## explore the refresh rule with a model checker: lost answers, crashes, clock steps, a thief (up to 3 minutes)
	PROVE=full cargo test --locked --test prove -- --nocapture --test-threads=1

bench: build bench-tools ## measure beside what people would use instead, into docs/BENCHMARKS.md (ONLY=protected for a part)
	@echo "==> programs to measure with: usually 15 minutes the first time"
	cd bench && cargo build --locked --release
	cd bench/template && cargo leptos build --release --precompress
	bench/run $(ONLY)

clean: ## remove what was built; ./data and the tools stay
	cargo clean
	rm -rf bench/target bench/template/target bench/*/node_modules
	rm -rf end2end/node_modules end2end/test-results end2end/playwright-report

build-tools test-tools check-tools attack-tools bench-tools: %-tools:
	@scripts/tools $*

# cargo-leptos lays out the site anew on each call, and with it the binary that embeds the site is
# compiled again. So it is called only when a source is newer than the start of the last good build.
$(built): $(sources) | build-tools
	@echo "==> release build: usually 15 minutes the first time, 5 after a change"
	@mkdir -p $(@D) && touch $@.begun
	cargo leptos build --release --precompress
	@mv $@.begun $@

ifeq ($(wildcard $(binary)),)
.PHONY: $(built)
endif
