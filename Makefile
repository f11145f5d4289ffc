# make quickstart, make test: the only two commands a new user needs. Both set up .venv first, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WHEEL_VENV := .venv-wheel
BEAM_VENV := .venv-beam
DOCS_VENV := .venv-docs
AUDIT_VENV := .venv-audit

.PHONY: quickstart test test-long lint wheel types docs test-beam audit vulnerabilities lock lock-runtime \
	lock-beam lock-docs lock-audit clean

quickstart: $(VENV)/.installed
	@rm -rf quickstart
	$(BIN)/tf-metammf quickstart --output quickstart

test: $(VENV)/.installed
	$(BIN)/python -m pytest -n 2

# The tests that go a whole way: every command of the documentation, clusters that lose a worker, nights of production.
test-long: $(VENV)/.installed
	$(BIN)/python -m pytest -n 2 -m long

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

$(VENV)/.installed: requirements.lock setup.py pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else "Python %d.%d found, 3.11 to 3.13 needed: make PYTHON=/path/to/python" % v)'
	@echo "Setting up $(VENV) (once; a few minutes, mostly TensorFlow)"
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# The wheel, in an environment that has its declared dependencies, those of explore included, at the locked versions.
wheel: $(VENV)/.installed
	rm -rf build/lib build/bdist.* dist $(WHEEL_VENV)
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .
	rm -rf build/lib build/bdist.*
	$(PYTHON) -m venv $(WHEEL_VENV)
	sed -e '/--hash/d' -e 's/ \\$$//' requirements.lock > $(WHEEL_VENV)/constraints.txt
	$(WHEEL_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c $(WHEEL_VENV)/constraints.txt "$$(echo dist/*.whl)[explore]"

# Static types are checked where the folders are one package: in the installed wheel.
types: wheel
	cd $(WHEEL_VENV) && ../$(BIN)/mypy --config-file ../pyproject.toml --python-executable bin/python -p tf_metammf

# The documentation as a site, build/site/index.html: the pages of docs/ and the reference out of the docstrings.
docs: $(DOCS_VENV)/.installed
	rm -rf build/reference build/site
	mkdir -p build/reference/tf_metammf
	cd build/reference/tf_metammf && ln -s ../../../tf_metammf/* ../../../records ../../../trainer ../../../export .
	$(DOCS_VENV)/bin/zensical build --strict > build/docs.log 2>&1 || { cat build/docs.log; exit 1; }
	@cat build/docs.log; ! grep -q "griffe:" build/docs.log
	$(DOCS_VENV)/bin/python docs/site_links.py build/site

$(DOCS_VENV)/.installed: requirements-docs.lock
	$(PYTHON) -m venv --clear $(DOCS_VENV)
	$(DOCS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-docs.lock
	@touch $@

# Apache Beam and TensorFlow agree on protobuf 6 only, so the tests of the pipeline have an environment of their own.
test-beam: $(BEAM_VENV)/.installed
	$(BEAM_VENV)/bin/python -m pytest tests/records/pipeline

$(BEAM_VENV)/.installed: requirements-beam.lock setup.py pyproject.toml
	$(PYTHON) -m venv --clear $(BEAM_VENV)
	$(BEAM_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-beam.lock
	$(BEAM_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# What a user installs: a bill of materials (CycloneDX), and the licences.
audit: wheel $(AUDIT_VENV)/.installed
	mkdir -p build/audit
	$(AUDIT_VENV)/bin/cyclonedx-py environment --output-reproducible --output-file build/audit/sbom.json \
		$(WHEEL_VENV)/bin/python
	$(AUDIT_VENV)/bin/pip-licenses --python=$(WHEEL_VENV)/bin/python --format=csv --with-urls \
		--output-file=build/audit/licences.csv

# Known vulnerabilities of the locked versions; asks the Python advisory database.
vulnerabilities: $(AUDIT_VENV)/.installed
	$(AUDIT_VENV)/bin/pip-audit --disable-pip --require-hashes --requirement requirements-runtime.lock

$(AUDIT_VENV)/.installed: requirements-audit.lock
	$(PYTHON) -m venv --clear $(AUDIT_VENV)
	$(AUDIT_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-audit.lock
	@touch $@

lock:
	uv pip compile setup.py --extra test --extra tune --extra media --extra completion --extra explore \
		--universal --python-version 3.11 \
		--generate-hashes --quiet --output-file requirements.lock --custom-compile-command "make lock"

lock-beam:
	uv pip compile setup.py --extra test --extra media --extra beam-dask --universal --python-version 3.11 \
		--generate-hashes --quiet --output-file requirements-beam.lock --custom-compile-command "make lock-beam"

# What the container installs: no test tools.
lock-runtime:
	uv pip compile setup.py --extra tune --universal --python-version 3.11 --constraint requirements.lock \
		--generate-hashes --quiet --output-file requirements-runtime.lock --custom-compile-command "make lock-runtime"

lock-audit:
	uv pip compile requirements-audit.in --universal --python-version 3.11 \
		--generate-hashes --quiet --output-file requirements-audit.lock --custom-compile-command "make lock-audit"

lock-docs:
	uv pip compile requirements-docs.in --universal --python-version 3.11 \
		--generate-hashes --quiet --output-file requirements-docs.lock --custom-compile-command "make lock-docs"

clean:
	rm -rf $(VENV) $(WHEEL_VENV) $(BEAM_VENV) $(DOCS_VENV) $(AUDIT_VENV) build dist quickstart *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
