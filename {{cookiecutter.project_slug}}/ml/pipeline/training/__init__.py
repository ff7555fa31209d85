"""What the train stage is made of.

rows.py           encoded rows with their targets and hashes
windows.py        how far back the training rows reach
candidates.py     which kind of model suits the data, by cross-validation
search.py         settings of that kind, tried out
halving.py        scikit-learn's search, whose results can be seen while it runs
trial_log.py      the trials in MLflow as they end
lightgbm_workers.py  LightGBM over the rows of several workers, where a setting says so
lightgbm_share.py    what each of those workers does
onnx_convert.py   a fitted pipeline as ONNX
lightgbm_onnx.py  the same for LightGBM's estimators
parity.py         refuse a model that ONNX answers differently
"""
