"""Whom the model treats how: figures by group of rows, and between groups.

groups.py        the groups of the columns that fairness.columns of params.yaml names
measures.py      selection, rates, calibration and error of each row
by_group.py      each figure by group, with its interval
pairs.py         each figure between two groups, with Holm's correction
slice_search.py  levels, and pairs of them, in which answers are wrong too often
worse.py         that search over a typed table
report.py        metrics/fairness.json
"""
