"""Whom the model treats how: figures by group of rows, and between groups.

groups.py        the groups of the columns that fairness.columns of params.yaml names
measures.py      selection, rates, calibration and error of each row
by_group.py      each figure by group, with its interval
pairs.py         each figure between two groups, with Holm's correction
report.py        metrics/fairness.json
"""
