"""The journal as arrays, for who reads many answers at once. It needs pyarrow; the server does not.

scan.py           the answers between two moments, some rows at a time; counts of their outcomes
ripeness.py       which answers are ripe, and how many of those have their outcome
pairs.py          two models' answers to the same rows
chunk.py          some entries of the journal as arrays
exported.py       an export as such chunks
json_columns.py   JSON texts as Arrow columns
"""
