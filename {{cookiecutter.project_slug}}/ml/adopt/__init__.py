"""A person's file becomes contract.yaml and a versioned data/raw; every doubt is shown.

The file itself is never edited. In the order of the flow:

commands.py         `make adopt`: reads, infers, shows, and puts contract and data in place
demo_data.py        the demo's data: customers of an invented service
demo_project.py     the demo data in a new project, until a person's own table replaces them
source/             where the table comes from, how it is written, where its parts are kept
columns/            what each column is
infer_contract.py   a table of texts → its contract, with all doubts
leakage.py          columns from which the target can be read
small_tree.py       the trees that leakage.py looks for them with
split_check.py      whether rows can be held out
command_line.py     the command that leaves out what may be a leak, quoted for a shell
summary.py          what was inferred, as one table on the screen
contract_file.py    contract.yaml as adopt writes it; a person's edits are kept
append.py           `--append`: one more part for data/raw, checked against the contract
"""
