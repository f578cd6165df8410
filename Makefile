# Two commands matter: `make demo` and `make test`. Each starts from nothing on a fresh Debian 12
# (as root, or as a user with sudo). CMake presets do the building: see CMakePresets.json.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
BUILD := build/release
JOBS ?= $(shell nproc)
CMAKE_ARGS ?=

.PHONY: help deps build test demo format clean

help:
	@echo "make demo    install packages, build, plant a fact in a long book and ask for it"
	@echo "make test    install packages, build, run the tests"
	@echo "make build   install packages and build; programs land in $(BUILD)/bin"
	@echo "make format  install the packages of the checks, clang-format every source file"

deps:
	@tools/install_packages.sh packages.txt

build: deps
	@cmake --preset release $(CMAKE_ARGS)
	@cmake --build --preset release -j $(JOBS)

test: build
	@ctest --preset release -j $(JOBS)

demo: build
	@$(BUILD)/bin/quarry-demo models/needle-5m data/pride_and_prejudice.txt \
	  models/needle-5m/inf-llm.yaml $(DEMO_ARGS)

format:
	@tools/install_packages.sh .ci/packages.txt
	@git ls-files '*.cc' '*.h' '*.inl' | xargs clang-format -i

clean:
	@rm -rf build
