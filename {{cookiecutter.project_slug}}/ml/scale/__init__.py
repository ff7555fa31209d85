"""Work in parts, on this machine or on a cluster: the same function, the same outputs.

A part is a pure function of what its name holds: the digests of input, model and code. It writes
its output aside and renames it, and is skipped where the output is there. So every output comes
once, although a part may be executed more than once.

part.py         a part, what came of it, and one attempt at it
limit.py        a process that a part keeps for longer than it may ends
local.py        the parts in processes of this machine
cluster.py      the parts on a Dask scheduler
shares.py       one function on all workers of that scheduler at once, which talk to each other
joblib_backend.py  scikit-learn's trials on the cluster, where a setting says so
address.py      which scheduler, and whether what is sent there can be read on the way
run.py          all parts, what failed once more alone, and what remains
store.py        a folder here or by its address (s3://…); a file appears whole
code_digest.py  the code and the libraries on which a part's output depends
"""
