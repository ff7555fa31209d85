"""The tests behind the checks: arrays in, probabilities and effects out.

profile.py            what a column looked like in the reference, and a window's sums
dependence.py         variance inflation where rows depend on each other in time
column_tests.py       the tests of one column
power.py              the alpha that each test needs to reach its target power
multiple_testing.py   which tests are rejected under one false-alarm allowance
"""
