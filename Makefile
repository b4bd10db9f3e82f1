# The only list of commands a person needs: `make help`.
SHELL := /bin/bash
PYTHON ?= python3
PIP_OPTIONS ?=
BIN := .venv/bin
ARGS ?=
ABLATIONS := ablation_redundancy ablation_static ablation_policy ablation_finetune
EXPERIMENTS := cifar10 cifar100 tiny_imagenet imagenet cross_architecture ood $(ABLATIONS)
REGIMES := $(patsubst conf/experiment/%.yaml,%,$(wildcard conf/experiment/regimes/*.yaml))

.DEFAULT_GOAL := help
.PHONY: help run test test-thorough test-lowest torture constraints check bench clean
.PHONY: reproduce-cifar10 reproduce-cifar100 reproduce-tiny-imagenet reproduce-imagenet reproduce-cross-architecture
.PHONY: reproduce-ood reproduce-ablations reproduce-small reproduce-readme reproduce-readme-gpu regimes pictures

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*?## ' $(MAKEFILE_LIST) | awk -F':.*?## ' '{printf "%-28s %s\n", $$1, $$2}'

$(BIN)/rlsel: pyproject.toml
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -q $(PIP_OPTIONS) -e . 1>&2
	@touch $@

.venv/.dev: $(BIN)/rlsel
	@$(BIN)/python -m pip install -q $(PIP_OPTIONS) -e '.[dev]' 1>&2
	@touch $@ $(BIN)/rlsel

run: $(BIN)/rlsel ## install, then `rlsel select ratio=0.7` on the built-in digits; the last line is the run folder
	@$(BIN)/rlsel select ratio=0.7

test: check ## install with development tools, lint, types, tests
	@OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist loadfile

test-thorough: .venv/.dev ## what `make test` leaves out: long tests, every file of a run damaged, every form of a planted pickle
	@OMP_NUM_THREADS=1 $(BIN)/pytest -n auto -m thorough

test-lowest: ## the tests with the lowest allowed versions, in an environment of its own; ARGS="tests/policy ..."
	@$(PYTHON) -m venv .venv-lowest
	@.venv-lowest/bin/python -m pip install -q uv 1>&2
	@.venv-lowest/bin/uv pip install -q --resolution lowest-direct --python .venv-lowest/bin/python -e '.[dev]' 1>&2
	@OMP_NUM_THREADS=1 .venv-lowest/bin/python -m pytest -n auto --dist loadfile $(ARGS)

torture: .venv/.dev ## kill, starve and mislead the program, and count what it survives; ARGS="--only kills --kills 20"
	@$(BIN)/python scripts/torture.py $(ARGS)

constraints: .venv/.dev ## write down the exact versions that are installed, for whoever wants the same
	@{ echo "# What the tests passed with, on $$($(BIN)/python -V): pip install -e . -c scripts/constraints.txt"; \
	$(BIN)/python -m pip freeze --exclude-editable | sed 's/+.*//'; } > scripts/constraints.txt

check: .venv/.dev ## lint, types and the import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

bench: $(BIN)/rlsel ## time the parts that a run spends its time in
	@$(BIN)/python scripts/benchmark.py

# each comparison is tried, whatever became of the one before, unless the user stops it
define compare_each
failed=0; for name in $(1); do $(BIN)/rlsel compare experiment=$$name $(2) $(ARGS) || failed=$$?; \
[ $$failed -lt 128 ] || exit $$failed; done
endef

reproduce-cifar10: $(BIN)/rlsel ## the paper's table: CIFAR-10, ResNet-18 selects, ResNet-50 is trained; ARGS="key=value ..."
	@$(BIN)/rlsel compare experiment=cifar10 $(ARGS)

reproduce-cifar100: $(BIN)/rlsel ## all methods of the paper on CIFAR-100
	@$(BIN)/rlsel compare experiment=cifar100 $(ARGS)

reproduce-tiny-imagenet: $(BIN)/rlsel ## all methods of the paper on Tiny-ImageNet
	@$(BIN)/rlsel compare experiment=tiny_imagenet $(ARGS)

reproduce-imagenet: $(BIN)/rlsel ## all methods of the paper on ImageNet-1k
	@$(BIN)/rlsel compare experiment=imagenet $(ARGS)

reproduce-cross-architecture: $(BIN)/rlsel ## selections of ResNet-18 for ResNet-50, ViT and Swin
	@$(BIN)/rlsel compare experiment=cross_architecture $(ARGS)

reproduce-ood: $(BIN)/rlsel ## ImageNet-1k, measured on ImageNet-A, -R and -Hard
	@$(BIN)/rlsel compare experiment=ood $(ARGS)

reproduce-ablations: $(BIN)/rlsel ## redundancy measures, static selection, learners, fine-tuning
	@$(call compare_each,$(ABLATIONS)); exit $$failed

reproduce-small: $(BIN)/rlsel ## all of these in small, on Fashion-MNIST and two CPU cores
	@$(call compare_each,$(EXPERIMENTS:%=%_small),jobs=2); $(BIN)/python scripts/compare_to_paper.py; \
	echo "tables: outputs/reproduce/*_small/summary.md"; exit $$failed

reproduce-readme: $(BIN)/rlsel ## the README's tables of Fashion-MNIST, on two CPU cores
	@$(call compare_each,fashion_mnist fashion_mnist_others dynamic,jobs=2); exit $$failed

reproduce-readme-gpu: $(BIN)/rlsel ## the README's table of all 60 000 images, on a large GPU
	@$(BIN)/rlsel compare experiment=fashion_mnist_full jobs=12 $(ARGS)

regimes: $(BIN)/rlsel ## where a choice helps and where it hurts: sixteen comparisons and their table, on two CPU cores
	@$(call compare_each,$(REGIMES),jobs=2); $(BIN)/python scripts/regimes.py; exit $$failed

pictures: .venv/.dev ## the README's pictures, made with the tool; needs chromium and its driver
	@$(BIN)/python scripts/pictures.py && $(BIN)/python scripts/results_figure.py

clean: ## remove what the other targets made, outputs excepted
	@rm -rf .venv .venv-lowest build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage
