"""The DVC stages: files in, files out. No stage imports a stage.

ingest.py         raw parts → one typed table
validate.py       every row against the contract
split.py          which rows are held out
train.py          the model, a baseline and a linear model
search.py         settings that train tries out
evaluate.py       metrics, slices, importance, the monitor's reference
plots.py          what `dvc plots` shows of an evaluation
export.py         the bundle that serves, if ONNX answers as scikit-learn does
onnx_convert.py   a fitted pipeline as ONNX
golden.py         synthetic rows that every server of a bundle answers first
artifacts.py      what the stages hand to each other
stage.py          how a stage is run
"""
