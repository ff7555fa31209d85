"""What a request may hold.

objects.py        JSON objects with known keys: parsed, or what is wrong with the first wrong one
column_types.py   the type of each column's values, and its words
rows.py           the rows of one contract
"""
