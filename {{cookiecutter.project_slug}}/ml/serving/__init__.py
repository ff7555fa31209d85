"""Answers over HTTP from a verified bundle, recorded in the journal.

No pandas, scikit-learn, MLflow: the server stays light.

process/         the processes that serve, and their orderly end
api/             the HTTP interface, with a module for each resource
inference/       from a request's body to its recorded answer
settings.py      the settings of a server, from params.yaml and the environment
api_keys.py      who may ask, and how often
connections.py   how many connections there may be, and how long a client may keep one waiting
metrics.py       what is counted, for Prometheus
logs.py          logs as JSON lines
"""
