"""A released model without the service.

commands.py        `ml score`: which of the two below
scoring.py         answers for a whole table, one file into another
tables.py          the tables at an address, each with the digest of its content
score_plan.py      parts of tables and the model that answers them, planned before any begins
score_part.py      the answers to one part, on whatever executor
score_folder.py    all parts, and the manifest at the end
mlflow_model.py    the registered model as MLflow loads and serves it
"""
