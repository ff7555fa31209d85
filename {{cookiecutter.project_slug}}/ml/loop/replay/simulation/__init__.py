"""A stream lived through: rows over HTTP, late labels, passes of the loop, in a copy.

scratch.py        the copy of the project, and its environment
stream.py         the rows of the first version, and the windows that follow
first_version.py  the first rows become data; pipeline; release
service.py        the real service as a child process, and its client
live.py           one window after the other
"""
