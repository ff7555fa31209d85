"""After `dvc repro`: log the run, register the version, pass the gate, move the alias; roll back."""
