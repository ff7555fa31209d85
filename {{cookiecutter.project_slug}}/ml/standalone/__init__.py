"""A released model without the service.

scoring.py         answers for a whole table: `ml score`
mlflow_model.py    the registered model as MLflow loads and serves it
"""
