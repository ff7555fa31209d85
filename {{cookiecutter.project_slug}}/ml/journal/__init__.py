"""What was answered and what came of it: two append-only tables in sqlite or PostgreSQL.

records.py            one row of the journal: what a model answered to one request
schema.py             the two tables
database.py           the database as a driver sees it, and the write lock between processes
partitions.py         the tables made; in PostgreSQL a partition for each month
append_connection.py  the driver's connection through which answers are appended
reading.py            answers read back, each with its latest label
writing.py            rows of labels, and the statements that remove answers
store.py              `Journal`: append, label, read and remove
group_commit.py       many requests wait for one sync to disk
labels.py             outcomes by prediction id, from a file or a request
erasure.py            the rows of a person: found by their id, and removed
bulk/                 the journal as arrays: what monitoring reads
export.py             the export to Parquet; removal of old answers
"""
