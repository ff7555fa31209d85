"""The DVC stages: files in, files out. No stage imports a stage.

ingest.py         raw parts → one typed table
validate.py       every row against the contract
split.py          which rows are held out
train.py          the model, a baseline and a linear model, as ONNX that answers alike
training/         the kinds of model compared, settings tried out, ONNX, parity
evaluation/       figures of the model card: intervals, calibration, importance, dependence
evaluate.py       metrics, slices, importance, the monitor's reference
plots.py          what `dvc plots` shows of an evaluation
export.py         the bundle that serves
golden.py         synthetic rows that every server of a bundle answers first
stored_models.py  estimators as ONNX, from train to the next stages
artifacts.py      what the stages hand to each other
stage.py          how a stage is run
tracking.py       MLflow's runs of a search, for the stage and the release
early_imports/    the heavy imports of all stages, made once for each `dvc repro`
"""
