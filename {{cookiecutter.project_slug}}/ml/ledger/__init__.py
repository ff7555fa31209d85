"""Every decision about the served model, as an append-only, hash-chained file: ledger.jsonl.

chain.py        an entry, appended once; the chain of hashes
history.py      `ml history`: the decisions, the champion at a moment, is the chain unbroken
"""
