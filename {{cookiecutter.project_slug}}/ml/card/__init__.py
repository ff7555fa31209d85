"""The model card: what a person needs to know of a version before they rely on it.

Model cards for model reporting (Mitchell et al. 2019). Each number is a `Figure` that knows its
file and its place in it; the same document becomes Markdown and HTML.

document.py   sections, tables, figures, blanks
figures.py    a release's files as figures
people.py     what only a person can know, from params.yaml
sections.py   the card's sections about the model and its data
outcomes.py   the card's sections about what was measured
groups.py     the card's section about groups of rows
pictures.py   importance, calibration and partial dependence as SVG
markdown.py   a document as Markdown
page.py       a document as a page of HTML that needs nothing else
write.py      card.md, card.html and card.json of a release
"""
