"""Why a model answers as it does: contributions of columns, and the nearest change that flips it.

references.py       rows to compare with: those that the bundle holds, all of them or a named group
shapley.py          Shapley values of one answer, exact or sampled
counterfactual.py   the nearest change of a row that changes its class
explainer.py        the explanation of a row, as `POST /explain` answers it
sentences.py        the same in words
process.py          explanations in a process of their own, for the server
commands.py         `ml explain <prediction-id>`

numpy and onnxruntime only: the server imports it.
"""
