"""How a verdict is shown.

page_inputs.py  what Evidently's pages are made of, as files
page_writer.py  the child process that writes them
evidently.py    Evidently's pages of the window
workspace.py    the same as runs of an Evidently workspace
time_line.py    quality, verdicts and decisions over all windows
card.py         the champion's model card again, with what was seen since its release
groups.py       figures by group over the latest windows
html.py         the page over all windows, and the header of each report
terminal.py     the table of `ml monitor`
prometheus.py   metrics
alerts.py       a webhook
"""
