# Everything sets itself up: a machine needs Python 3.11 or newer and its package index, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SOURCES := builder proxies spaces store leaderboard conf tests bench
BENCHMARK ?= runs/demo

.PHONY: demo test test-jobs test-rooms leaderboard lint format docs bench gpu-check clean sample

## demo: build a small real benchmark on the CPU and print its ranking
demo: $(INSTALLED)
	$(BIN)/python -m builder experiment=demo root=$(BENCHMARK)

## test: run every test that this machine can run, in two halves side by side
test: $(INSTALLED)
	@$(MAKE) --no-print-directory --jobs=2 --keep-going test-jobs test-rooms

test-jobs: $(INSTALLED)
	$(BIN)/python -m pytest tests/builder tests/cluster
test-rooms: $(INSTALLED)
	$(BIN)/python -m pytest tests --ignore=tests/builder --ignore=tests/bench --ignore=tests/cluster
	$(BIN)/python -m pytest tests/bench

## leaderboard: open the page on what was built
leaderboard: $(INSTALLED)
	$(BIN)/python -m leaderboard $(BENCHMARK)

## lint: format, lint and types, without changing a file
lint: $(INSTALLED)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy

## format: format the code
format: $(INSTALLED)
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

## docs: write docs/proxies.md, docs/combiners.md and docs/published.md from the registries
docs: $(INSTALLED)
	$(BIN)/python -m proxies > docs/proxies.md
	$(BIN)/python -m builder.published > docs/published.md
	$(BIN)/python -m proxies.combiners > docs/combiners.md

## sample: build anew the sample that ships with the package: digits, and CIFAR-10 from the hub or SAMPLE_IMAGES
SAMPLE_IMAGES ?=
SAMPLE_JOBS := jobs=[sample,accuracy,score,layers,search]
sample: $(INSTALLED)
	$(BIN)/python -m builder experiment=sample_digits $(SAMPLE_JOBS)
	$(BIN)/python -m builder experiment=sample_digits job=accuracy protocol=scratch \
		protocol.recipe.epochs=8 accuracy.architectures=12 accuracy.curve_epochs=2
	$(BIN)/python -m builder experiment=sample_cifar10 $(SAMPLE_JOBS) $(SAMPLE_IMAGES)
	rm -rf store/sample
	$(BIN)/python -m builder job=release root=runs/sample release.version=0.1.0 release.target=store/sample

## bench: seconds of every proxy beside a forward and backward pass
bench: $(INSTALLED)
	$(BIN)/python -m bench.proxies

## gpu-check: every proxy on the CPU against the GPU
gpu-check: $(INSTALLED)
	$(BIN)/python -m bench.gpu_check

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name yours with make PYTHON=python3.12 ..."; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		-c constraints.txt -e ".[build,app,slurm,ray,s3,dev]"
	@touch $@

clean:
	rm -rf $(VENV) runs build *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
