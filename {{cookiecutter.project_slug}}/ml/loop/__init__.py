"""The loop: verdict → retrain → gate → promote or roll back, on its own or by hand.

commands.py          `ml loop`, once or on a schedule
run.py               one pass: judge the newest window, choose, act
decide.py            the choice, a pure function of the verdict and the state of things
memory.py            what the ledger says about earlier passes
coverage.py          do outcomes keep coming? If not, the loop does nothing
earlier.py           an earlier champion that fits the newest rows better
train_challenger.py  data version, recipe, pipeline, release
labelled.py          the journal's labelled answers that no model has learned from
journal_part.py      labelled answers as a part of data/raw
retrain.py           `ml retrain`: the same by hand
probation/           a new champion beside the one before it: passed, or rolled back
replay/              a stream through the service and the loop, on a clock that runs faster
"""
