"""`ml trace`: where a served answer came from, and whether it can be made again.

commands.py    `ml trace <prediction-id> [--rebuild] [--json]`
record.py      the journal's entry of a prediction
origin.py      everything that is known of the version that answered
checkout.py    a release's commit and data in a temporary folder
rebuild.py     the pipeline run again there, and what differs
"""
