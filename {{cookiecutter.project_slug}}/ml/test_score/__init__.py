"""The ML Test Score of this project (Breck et al. 2017): `ml test-score`.

commands.py       the table, and the score: the smallest sum of four groups
rubric.py         the 28 tests in four groups, each with what answers it here
results.py        what the last `make test` said of a test
checks.py         what the project's last runs say: ledger, metrics, verdicts, git
"""
