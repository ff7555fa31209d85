"""What the evaluation measures besides the metrics themselves: the figures of the model card.

importance.py   what the metric loses when a column is shuffled, with intervals
dependence.py   the mean answer over the values of the columns that matter most
calibration.py  what was predicted beside what happened, in groups of equal size
data_facts.py   rows, span and missing values of the data
card_figures.py all of it, for metrics/card.json
"""
