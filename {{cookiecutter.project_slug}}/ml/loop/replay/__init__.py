"""A stream replayed through the loop, and how it went: as JSON, as a page and as a picture.

commands.py  `ml replay`: the copy, its process, progress, the figures at the end
child.py     the process that works in the copy
options.py   what was asked for
simulation/  the stream lived through
baselines.py what other policies would have answered
matrix.py    every version on every window
events.py    the ledger's entries as events
figures.py   all of it as the story
story.py     the form of replay.json
totals.py    losses per row to the figures of a replay
page.py      one HTML page
picture.py   one PNG for a README
summary.py   the terminal's lines and table
"""
