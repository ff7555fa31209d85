"""A file becomes a typed table, as the contract says.

csv_file.py   a text file: its header, its records and their faults
reader.py     a file, text or Parquet → columns of text; the parts of data/raw
parser.py     columns of text → typed values
typed.py      a file → a typed table; a value that does not fit is an error
row_groups.py a typed table in Parquet, some rows at a time
frame.py      the typed table in pandas, with fixed dtypes
row_hash.py   which row is which: a number for each
held_out.py   which rows are not trained on
recipe.py     recipe.yaml: how rows that keep coming become the next model
slices.py     the groups of rows that are judged one by one
soundness.py  is every row surely sound? (the quick look before checks.py)
checks.py     is every row what the contract says a row is? (pandera)
"""
