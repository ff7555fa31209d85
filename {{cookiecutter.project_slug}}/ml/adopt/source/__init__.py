"""Where a person's table comes from and how it is written.

inputs.py      a file, a folder of parts or an address → local files, read as one table of texts
remote.py      an address before DVC follows it: no secrets, no redirect to another host
size.py        how large the table is once it is unpacked
dialect.py     encoding, separator and header of a text file
raw_store.py   the parts under data/raw and under DVC
dvc_process.py DVC in a process of its own, started while the table is read
"""
