# A thin front for run.py, which needs no make.
.PHONY: setup test lint demo ci lock
setup test lint demo:
	python3 run.py $@
ci:
	.ci/run
lock:
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header -q -o requirements.lock
	uv pip compile pyproject.toml --group dev -c requirements.lock --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header -q -o requirements-dev.lock
