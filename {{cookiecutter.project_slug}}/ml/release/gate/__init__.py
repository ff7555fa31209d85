"""The gate of a release: may a model become the champion?

comparison.py     challenger and champion on the same rows that neither was trained on
paired.py         the paired bootstrap of a metric's difference
rules.py          not worse, better, no alarm in service, answers that flip
slices.py         no group of rows is worse off (Holm)
calibration.py    probabilities as right, numbers as unbiased as the champion's
fairness.py       no two groups further apart than is tolerated (Holm)
requests.py       takes the requests that the champion takes
bundle_rules.py   on the challenger alone: baseline, golden rows, parity, latency
decision.py       a check for each rule; the decision and its evidence
decide.py         every rule asked, in order
table.py          the decision for a terminal
"""
