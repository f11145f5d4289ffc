# make quickstart, make test: the only two commands a new user needs. Both set up .venv first, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WHEEL_VENV := .venv-wheel
BEAM_VENV := .venv-beam

.PHONY: quickstart test lint wheel types test-beam lock lock-beam clean

quickstart: $(VENV)/.installed
	@rm -rf quickstart
	$(BIN)/tf-metammf quickstart --output quickstart

test: $(VENV)/.installed
	$(BIN)/python -m pytest -n 2

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

# The wheel, in an environment that has its declared dependencies at the locked versions and nothing else.
wheel: $(VENV)/.installed
	rm -rf build dist $(WHEEL_VENV)
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .
	rm -rf build
	$(PYTHON) -m venv $(WHEEL_VENV)
	sed -e '/--hash/d' -e 's/ \\$$//' requirements.lock > $(WHEEL_VENV)/constraints.txt
	$(WHEEL_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c $(WHEEL_VENV)/constraints.txt dist/*.whl

# Static types are checked where the folders are one package: in the installed wheel.
types: wheel
	cd $(WHEEL_VENV) && ../$(BIN)/mypy --config-file ../pyproject.toml --python-executable bin/python -p tf_metammf

# Apache Beam and TensorFlow agree on protobuf 6 only, so the tests of the pipeline have an environment of their own.
test-beam: $(BEAM_VENV)/.installed
	$(BEAM_VENV)/bin/python -m pytest tests/records/pipeline

$(BEAM_VENV)/.installed: requirements-beam.lock setup.py pyproject.toml
	$(PYTHON) -m venv --clear $(BEAM_VENV)
	$(BEAM_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-beam.lock
	$(BEAM_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

lock:
	uv pip compile setup.py --extra test --extra tune --universal --python-version 3.11 \
		--generate-hashes --quiet --output-file requirements.lock --custom-compile-command "make lock"

lock-beam:
	uv pip compile setup.py --extra test --extra beam --universal --python-version 3.11 \
		--generate-hashes --quiet --output-file requirements-beam.lock --custom-compile-command "make lock-beam"

clean:
	rm -rf $(VENV) $(WHEEL_VENV) $(BEAM_VENV) build dist quickstart *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
