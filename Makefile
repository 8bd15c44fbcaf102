# `make help` lists the targets. A target installs what it needs, and changes only this folder and the cache.
SHELL := /bin/bash
TSX := node_modules/.bin/tsx
ENVOY_MATRIX := 1.36.4 1.37.0 1.39.1 1.40.0

.PHONY: help
help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

node_modules/.package-lock.json: package.json package-lock.json
	@command -v node >/dev/null || { echo "make: node was not found; Node.js 20.15 or newer is needed" >&2; exit 1; }
	@# A linked node_modules belongs to another checkout: npm ci would empty it.
	@[ -L node_modules ] || { echo "installing npm packages ..." && npm ci --no-fund --no-audit --loglevel=error; }
	@touch $@

build/pilotfish.wasm: node_modules/.package-lock.json asconfig.json protocol/constants.ts protocol/rules.ts $(shell find assembly -name '*.ts')
	@echo "building $@ ..."
	@mkdir -p build && npm run --silent build
	@ls -l $@ | awk '{print "  " $$5 " bytes"}'

.PHONY: build
build: build/pilotfish.wasm ## Build the filter, build/pilotfish.wasm

.PHONY: debug
debug: node_modules/.package-lock.json ## Build the filter with names, checks and a source map, build/pilotfish.debug.wasm
	@mkdir -p build && node node_modules/assemblyscript/bin/asc.js --target debug

.PHONY: trap
trap: node_modules/.package-lock.json ## Print file and line of a trap of the debug build: LOG=envoy.log
	@$(TSX) testkit/debug/main.ts $(LOG)

.PHONY: build-sidecar
build-sidecar: node_modules/.package-lock.json ## Compile the sidecar to JavaScript, build/sidecar
	@npm run --silent build:sidecar

.PHONY: run
run: build/pilotfish.wasm ## Run pods, sidecar and Envoy on this machine; PODS="http://…" for real pods
	@exec node --import tsx envoy/local/run.ts $(if $(PODS),--pods "$(PODS)") $(ARGS)

.PHONY: test
test: node_modules/.package-lock.json ## Run every test, at the end on a real Envoy
	@$(TSX) tests/runner/main.ts

.PHONY: test-units
test-units: node_modules/.package-lock.json ## Run the tests that need no Envoy
	@$(TSX) tests/runner/main.ts build lint types assembly units

.PHONY: test-matrix
test-matrix: build/pilotfish.wasm ## Run the tests on a plain Envoy, for each supported version
	@set -e; for v in $(ENVOY_MATRIX); do echo "== Envoy $$v"; PILOTFISH_ENVOY_VERSION=$$v PILOTFISH_RUNTIME=binary $(TSX) tests/runner/main.ts envoy; done

.PHONY: test-istio
test-istio: build/pilotfish.wasm ## Test the Istio example as the Envoy configuration that Istio makes of it, on a plain Envoy
	@node --import tsx --test integration/product/istio.test.ts

.PHONY: test-vllm
test-vllm: node_modules/.package-lock.json ## Test the sidecar in front of a real vLLM on the CPU (5.6 GB of packages, installed once; needs Python 3.11)
	@$(TSX) testkit/vllm/install.ts
	@PILOTFISH_TEST_VLLM=1 node --import tsx --test --test-concurrency=1 integration/vllm/*.test.ts

.PHONY: test-servers
test-servers: node_modules/.package-lock.json ## Test the reading of the metrics of each supported model server
	@node --import tsx --test tests/sidecar/scrape/corpus.test.ts tests/sidecar/scrape/engines.test.ts tests/sidecar/scrape/real-pages.test.ts tests/simulator/metrics.test.ts

.PHONY: spec
spec: node_modules/.package-lock.json ## Run one spec of the filter: FILE=tests/assembly/route/models.spec.ts
	@$(if $(FILE),,echo "make spec: FILE is missing, for example FILE=tests/assembly/route/models.spec.ts" >&2; exit 1;) PILOTFISH_SPEC="$(FILE)" $(TSX) tests/runner/main.ts assembly

.PHONY: test-file
test-file: node_modules/.package-lock.json ## Run one test file: FILE=tests/local/table.test.ts
	@$(if $(FILE),,echo "make test-file: FILE is missing, for example FILE=tests/local/table.test.ts" >&2; exit 1;) node --import tsx --test $(FILE)

.PHONY: watch
watch: node_modules/.package-lock.json ## Run one test file again after each change of a file that it imports: FILE=tests/local/table.test.ts
	@$(if $(FILE),,echo "make watch: FILE is missing, for example FILE=tests/local/table.test.ts" >&2; exit 1;) node --import tsx --test --watch $(FILE)

.PHONY: format
format: node_modules/.package-lock.json ## Format and lint in place
	@npm run --silent format

.PHONY: docs
docs: node_modules/.package-lock.json ## Write the generated files: readers of the configuration, JSON Schemas, docs/reference/
	@$(TSX) schemas/generate/main.ts

.PHONY: clean
clean: ## Remove build/; the cache stays
	@rm -rf build

.PHONY: peers
peers: node_modules/.package-lock.json ## Build the peers of the benches into the cache (needs Go and Python); ARGS="epp-mended smg"
	@$(TSX) testkit/peers/build-peers.ts $(ARGS)

.PHONY: bench-body
bench-body: build/pilotfish.wasm ## Measure CPU and latency of body -> model header, beside the peers; ARGS="--full"
	@$(TSX) bench/body/main.ts $(ARGS)

.PHONY: bench-routing
bench-routing: build/pilotfish.wasm ## Measure picks on a real Envoy, beside other routers (make peers first); ARGS="--help"
	@$(TSX) bench/routing/main.ts $(ARGS)

.PHONY: bench-sidecar
bench-sidecar: build/pilotfish.wasm build-sidecar ## Measure the sidecar with 100 and 1,000 pods: CPU, ages at the filter; ARGS="--memory 600"
	@$(TSX) bench/sidecar/main.ts $(ARGS)

.PHONY: bench-envoys
bench-envoys: build/pilotfish.wasm build-sidecar ## Measure what the exchange between Envoys costs: 2 and 8 Envoys with a sidecar each; ARGS="--load 50"
	@$(TSX) bench/envoys/main.ts $(ARGS)

.PHONY: bench-scrape
bench-scrape: build/pilotfish.wasm build-sidecar ## Measure what scraping costs a Python server with vLLM's metrics: CPU, delays of streams; ARGS="--help"
	@$(TSX) bench/scrape/main.ts $(ARGS)

.PHONY: bench-modes
bench-modes: build/pilotfish.wasm ## Measure CPU of reader and holder beside the single filter, with bodies of 8 KiB
	@$(TSX) bench/body/main.ts --only pilotfish,pilotfish-stock --sizes 8k --regimes back-to-back --repetitions 41 --no-memory $(ARGS)

.PHONY: bench-scan
bench-scan: node_modules/.package-lock.json ## Measure the body scanner alone, in GB/s
	@$(TSX) bench/scan.ts

.PHONY: bench-metrics
bench-metrics: node_modules/.package-lock.json ## Measure the sidecar's parser of metrics alone, in MB/s
	@$(TSX) bench/metrics-parser.ts $(ARGS)

.PHONY: bench-pick
bench-pick: build/pilotfish.wasm ## Measure the cost of a pick among 16 and 1,000 pods; ARGS="--envoy" also in a real Envoy, "--workers 1,2,16" many workers
	@$(TSX) bench/pick/main.ts $(ARGS)

.PHONY: profile
profile: node_modules/.package-lock.json ## Print which functions of the filter use the CPU; ARGS="--bytes 1024"
	@$(TSX) bench/profile.ts $(ARGS)

.PHONY: test-long
test-long: build/pilotfish.wasm ## Run the scanner on 200,000 generated documents, and fuzz it for ten minutes
	@PILOTFISH_SCAN_DOCUMENTS=200000 node --import tsx --test tests/scan/json.test.ts tests/scan/multipart.test.ts
	@PILOTFISH_FUZZ_SECONDS=600 node --import tsx --test tests/scan/fuzz.test.ts tests/scan/multipart-fuzz.test.ts

.PHONY: sim
sim: build/pilotfish.wasm ## Simulate picks by the release wasm, in discrete events; ARGS="--help"
	@$(TSX) bench/sim/main.ts $(ARGS)

.PHONY: sim-matrix
sim-matrix: build/pilotfish.wasm ## Simulate many loads on many pods, and check what Pilotfish must show; ARGS="--suite table"
	@$(TSX) bench/sim/matrix/main.ts $(ARGS)

.PHONY: sim-places
sim-places: build/pilotfish.wasm ## Measure 20 clusters of 500 pods: the snapshot, its reception, a decision
	@$(TSX) bench/places/main.ts

.PHONY: test-gateway
test-gateway: build/pilotfish.wasm ## Test on a real Envoy Gateway (built once in about 15 minutes; needs Go); ARGS="modes changes"
	@$(TSX) integration/gateway/main.ts $(ARGS)

.PHONY: test-kubernetes
test-kubernetes: build/pilotfish.wasm ## Test the sidecar on a real kube-apiserver (built once in about 10 minutes; needs Go)
	@$(TSX) testkit/kubernetes/build-api-server.ts >/dev/null
	@node --import tsx --test --test-concurrency=1 integration/kubernetes/*.test.ts

.PHONY: gateway-manifests
gateway-manifests: node_modules/.package-lock.json ## Write manifests for Envoy Gateway: NAME=inference NAMESPACE=default MODEL=llama
	@$(TSX) envoy/gateway/render.ts $(if $(NAME),--name $(NAME)) $(if $(NAMESPACE),--namespace $(NAMESPACE)) $(if $(MODEL),--model $(MODEL)) $(ARGS)

.PHONY: artefact
artefact: build/pilotfish.wasm ## Write the module as an OCI image with checksums and a bill of materials, without Docker
	@$(TSX) envoy/artefact/oci.ts $(ARGS)
