"""After a promotion: the new champion and the one before it, on the same requests, on two clocks.

watch.py           the latest promotion in a pass of the loop
judge.py           begins, judges and ends a probation: reads, then asks the decision
decision.py        passed, rolled back, extended, or a question to a person: a pure function
service_clock.py   what the service counts, from its /metrics: failures, fallback answers, latency
quality_clock.py   both models' answers to the same rows, from the journal
"""
