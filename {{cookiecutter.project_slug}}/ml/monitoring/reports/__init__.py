"""How a verdict is shown.

evidently.py    Evidently's report of the window
html.py         the page over all windows, and the header of each report
terminal.py     the table of `ml monitor`
prometheus.py   metrics
alerts.py       a webhook
"""
