"""From a request's body to its recorded answer.

service.py          what the routes of one process share
admission.py        how many requests are inside, and for how long
batching.py         from a body to its durable answer: in batches, or in a thread
challenger.py       a second model that scores a copy of the traffic or answers a share of it
explaining.py       why rows are answered as they are, in a process beside this one
predictor.py        from valid rows to the journal's entries and the bytes of the answer
reload.py           loads the bundle that a link points to, when it changes
journal_health.py   whether the journal can be written
"""
