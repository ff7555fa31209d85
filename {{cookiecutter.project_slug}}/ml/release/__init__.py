"""What happens once after `dvc repro`: register the version, pass the gate, move the alias.

commands.py     `ml release`, `ml rollback`, `ml pull`
register.py     the bundle as a registered, sealed version
lineage.py      where a model comes from: commit, data, parameters
card.py         the version's model card, sealed with it; no card, no promotion
runs.py         the bundle's run in MLflow
registry.py     versions and aliases in MLflow
relocate.py     mlflow.db of a project that was moved or copied
bom/            bills of materials: the image's packages; the model and its data
gate/           the rules that a new champion passes
promotion.py    the registry's aliases and the served link move together
publish.py      serving/releases/<version> and the link serving/champion
faults.py       faults of disk and registry as a `UserError`
challenger.py   `ml challenge`: a release beside the champion
ab_test.py      `ml compare`: champion against challenger on labelled traffic
"""
