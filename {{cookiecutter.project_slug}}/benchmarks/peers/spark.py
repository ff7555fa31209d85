"""`mlflow.pyfunc.spark_udf` over a folder of Parquet files, on local Spark.

Run by benchmarks/scoring.py, with an interpreter that has pyspark and the project's packages:
`python spark.py MODEL SOURCE TARGET THREADS`; prints {"seconds", "rows"}.
"""

from __future__ import annotations

import json
import sys
import time

import mlflow.pyfunc
from pyspark.sql import SparkSession
from pyspark.sql.functions import struct


def main() -> None:
    """Score once on few rows, then measure all."""
    model, source, target, threads = sys.argv[1:]
    builder = SparkSession.builder.master(f"local[{threads}]").config("spark.ui.enabled", "false")
    spark = builder.config("spark.driver.memory", "2g").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    predict = mlflow.pyfunc.spark_udf(spark, model, env_manager="local", result_type="string")
    table = spark.read.parquet(source)
    answered = table.withColumn("prediction", predict(struct(*table.columns)))
    answered.limit(100).collect()
    started = time.perf_counter()
    answered.write.parquet(target)
    print(json.dumps({"seconds": time.perf_counter() - started, "rows": table.count()}))


if __name__ == "__main__":
    main()
