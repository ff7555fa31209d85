"""From labelled answers to a better model: new part of the data, pipeline, release.

journal_part.py  labelled answers as a part of data/raw
retrain.py       `ml retrain`: add the part, run the pipeline, release
coverage.py      do outcomes keep coming? If not, the loop does nothing
replay/          a stream replayed through the loop, and how it went
"""
