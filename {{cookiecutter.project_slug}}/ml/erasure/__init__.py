"""A person's rows leave the journal and the training parts: `ml journal forget`.

commands.py       the command: written down, removed, versioned, and what remains
person.py         a person in the ledger: a slow, salted hash of each row id
raw_parts.py      their rows in the parts of data/raw that came from the journal
remains.py        where the rows were before, and what that is called
"""
