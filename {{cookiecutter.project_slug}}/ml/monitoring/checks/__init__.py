"""What is checked in a window, in this order.

quality.py          is the data sound
drift.py            which columns moved
explain.py          a column's shift in words
performance.py      how good the answers were, by outcomes
estimate.py         how good they may be, before outcomes
fairness.py         each figure by group, followed and never a ticket
delayed_labels.py   former windows whose outcomes came late
"""
