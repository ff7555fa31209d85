"""The heavy imports of all stages, made once for each `dvc repro`.

forks.py  the process that imports, and forks for each stage
`python -m ml.pipeline.early_imports <stage>` is how dvc.yaml runs a stage.
"""
