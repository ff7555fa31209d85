"""The life of one model, from a file to a released version that is served, watched and retrained.

cli.py             the `ml` command; it leaves the work to the rooms
model.py           yours: the estimator and its search space
early_stopping.py  LightGBM's estimators that stop by themselves
contract.py        contract.yaml: what a row is
params.py          params.yaml: every setting
errors.py          what a user or a client can cause, and text from outside made printable
clock.py           the present moment, which a replay moves
atomic.py          files, here or at an address, that a reader sees old or new, never half written
encode.py          a row becomes numbers: the one place for training, serving and scoring
metrics.py         what "good" means for each task
charts/            quality over time and matrices, as SVG
progress.py        what a person sees while something takes its time
dataset/           a file becomes a typed table, as the contract says
adopt/             a table becomes contract.yaml and a part of data/raw
pipeline/          the stages of `dvc repro`: ingest, validate, split, train, evaluate, export
bundle.py          a released model as a folder, verified before it answers
seal/              the hashes of a release's files, and their signature
scale/             work in parts: processes of this machine, or a cluster
statistics/        the tests behind monitor and gate: arrays in, p-values out
fairness/          whom the model treats how: figures by group
card/              the model card: what a person needs to know of a version
release/           registry, gate, promotion and rollback
ledger/            every decision about the served model, chained by hashes
explain/           why a model answers a row as it does
request_schema/    what a request may hold
journal/           what was answered and what came of it
serving/           answers over HTTP
standalone/        a released model without the service: whole tables, and MLflow
monitoring/        the journal's latest window, judged
test_score/        the ML Test Score, counted by results
erasure/           a person's rows are removed, and what remains is said
loop/              labelled answers become data; the model is trained and released again
load_test/         is the service as quick as was promised?
trace/             from a served answer back to what made it, and made again
"""

import os

# ONNX Runtime reports its use to its makers unless this stands in the environment when it is
# imported
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# threads of scikit-learn's trees sleep while they wait for each other: by default they spin, which
# takes ten times as long where the machine does other work besides; `active` has that back
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# a linear model's last digits depend on how many threads share its sums, and a release has to be
# made again on a machine with other cores
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
