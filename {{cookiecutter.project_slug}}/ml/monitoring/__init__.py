"""Is the served model still right: the journal's window against the champion's reference.

commands.py     `ml monitor`, once or on a schedule
monitor.py      the checks of one window in their order, and what they leave behind
inputs/         what is read: the window, the reference
checks/         quality, drift, performance, estimate: from numbers to findings
verdict.py      findings to one verdict and one action; the form of verdict.json
history.py      the verdicts of former windows
heartbeat.py    when the loop made its last pass, and whether it has stopped
quarantine.py   stretches of time that are not trained on
reports/        the verdict as pages, table, metrics and alerts
"""
