"""The seal of a release: the hash of each of its files, and a signature over them.

manifest.py    manifest.json, checked before a file of the release is used
signature.py   manifest.sig, and the keys that make and check it
"""
