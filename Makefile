# Each target does all set-up it needs and says what it is doing.
.PHONY: run setup test build bench docs check format clean

BUN := node_modules/bun/bin/bun.exe
STAMP := node_modules/.sanderling-installed

run: $(STAMP)
	@bin/sanderling setup || true
	@exec bin/sanderling serve

setup: $(STAMP)
	@bin/sanderling setup

test: $(STAMP)
	@$(BUN) scripts/test.ts $(ARGS)

build: $(STAMP)
	@$(BUN) scripts/build.ts

bench: $(STAMP)
	@$(BUN) bench/main.ts $(ARGS)

docs: $(STAMP)
	@$(BUN) scripts/docs.ts

check: $(STAMP)
	@npm run --silent check

format: $(STAMP)
	@npm run --silent format

clean:
	rm -rf node_modules dist .sanderling

$(STAMP): package.json package-lock.json
	@command -v npm >/dev/null || { echo "Node.js 20 or later with npm is needed to set up; see README.md" >&2; exit 1; }
	@echo "==> Installing the npm packages (they bring Bun)"
	@npm ci --no-audit --no-fund --loglevel=error
	@touch $@
