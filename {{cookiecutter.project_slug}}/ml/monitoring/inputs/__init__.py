"""What a window's checks read.

reference.py   the champion, its held-out rows and their profiles
columns.py     columns of either side as arrays
audited.py     values of audit columns by the rows' ids
window.py      the journal's rows of a span, read once and summed up
"""
