"""What a window's checks read.

reference.py   the champion, its held-out rows and their profiles
columns.py     columns of either side as arrays
audited.py     values of audit columns by the rows' ids
thinned.py     a random part of a stream of rows, the same however it was divided
tallies.py     what a stretch of the journal comes to; neighbours are merged
window.py      the journal's rows of a span, read once and summed up
parts.py       the same in parts: stretches of the journal, row groups of an export
"""
