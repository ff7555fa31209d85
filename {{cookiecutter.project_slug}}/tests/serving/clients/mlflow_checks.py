"""What MLflow's own client of its scoring server gets from this one: `python mlflow_checks.py URL`.

Run by test_clients.py in the environment of requirements/clients.txt.
"""

from __future__ import annotations

import json
import sys

import pandas as pd
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

HOST, PORT = sys.argv[1].removeprefix("http://").split(":")
FRAME = pd.DataFrame(
    {"charge": [20.0, 90.0, None], "calls": [0, 7, 3], "plan": ["basic", "pro", None]}
)
client = ScoringServerClient(HOST, PORT)
client.wait_server_ready(timeout=10)
client.ping()
assert client.get_version().split(".")[0] == "3"
answer = client.invoke(FRAME)
predictions = answer["predictions"]
assert answer.get_predictions().shape == (3, 1)
records = FRAME.iloc[:2].to_dict(orient="records")
columns = {"inputs": {"charge": [20.0], "calls": [0], "plan": ["basic"]}}
assert client.invoke(FRAME.iloc[:2], params={"any": 1})["predictions"] == predictions[:2]
assert client.invoke(records)["predictions"] == predictions[:2]
assert client.invoke(json.dumps({"dataframe_records": records}))["predictions"] == predictions[:2]
assert client.invoke(json.dumps(columns))["predictions"] == predictions[:1]
text = ""
try:
    client.invoke(FRAME.assign(plan="gold"))
except Exception as error:  # the client raises no other
    text = str(error)
assert "error code 400" in text, text
assert 'column \\"plan\\": \\"gold\\" is not one of' in text, text
print(f"mlflow {len(FRAME)} rows: {', '.join(predictions)}")
