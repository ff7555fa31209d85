"""A load test of the person's own service: does it answer as quickly as was promised?

arrivals.py   when requests are due: a ramp of steps up to the stated rate
sender.py     requests sent when they are due, whatever became of those before
figures.py    quantiles of each step, and the verdict on the last one
picture.py    latency and rate over time, as SVG
commands.py   `ml load`
"""
