"""What each column is.

infer.py        one column → its kind, or why it is no feature
inferred.py     its values without the missing ones, and the verdict
name_hints.py   what its name says about its values
numbers.py      how numbers are written, and which of them mean missing
datetimes.py    how moments are written
categories.py   levels of a category, free text, names of single rows
target.py       the column to predict: its task and classes
"""
