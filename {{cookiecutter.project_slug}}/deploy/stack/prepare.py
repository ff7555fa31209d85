"""MLflow's tables and the buckets of S3, made or brought up to date before the server starts.

Run by the container `prepare` at each `make up`: two that migrate one database at the same time
would disturb each other. Reads: MLFLOW_BACKEND_STORE_URI, MLFLOW_S3_ENDPOINT_URL, the variables of
AWS' clients.
"""

import os

import boto3
from mlflow.db import upgrade

BUCKETS = ("mlflow", "dvc")


def main() -> None:
    """Make what is missing; run again it changes nothing."""
    upgrade.main([os.environ["MLFLOW_BACKEND_STORE_URI"]], standalone_mode=False)
    s3 = boto3.client("s3", endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"])
    there = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    for bucket in set(BUCKETS) - there:
        s3.create_bucket(Bucket=bucket)


if __name__ == "__main__":
    main()
