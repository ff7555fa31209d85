"""The tests behind monitor and gate: arrays in, p-values and effects out.

profile.py            what a column looked like in the reference, and a window's sums
dependence.py         variance inflation where rows depend on each other in time
cell_tests.py         tests of counts: over all cells of a column, and of the worst cell
column_tests.py       all tests of one column
isotonic.py           how often rows of a score are positive
power.py              the alpha that each test needs to reach its target power
influence.py          what each row adds to a metric: standard errors and intervals
proportions.py        the interval of a share
metric_loss.py        loss of a metric against a reference, with its interval
multiple_testing.py   which tests are rejected under one false-alarm allowance
"""
