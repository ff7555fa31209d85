"""A stream replayed through the loop, and how it went: as JSON, as a page and as a picture.

story.py    the form of replay.json
totals.py   losses per row to the figures of a replay
page.py     one HTML page
picture.py  one PNG for a README
"""
