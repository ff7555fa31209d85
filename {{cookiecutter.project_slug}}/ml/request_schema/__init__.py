"""What a request may hold.

objects.py        JSON objects with known keys: parsed, or what is wrong with the first wrong one
changes.py        what a client of one contract would notice of another
column_types.py   the type of each column's values, and its words
rows.py           the rows of one contract
"""
