"""Charts as inline SVG: text in, text out, no script and no font or file from elsewhere.

style.py      colours and line styles, for light and dark pages and for a picture
svg.py        elements
scales.py     values to places, ticks
symbols.py    the shapes of verdicts and events
layout.py     sizes, for a wide page and for a telephone
lines.py      a line with its interval, inside a plot
time_line.py  quality over time, with verdicts and events in rows below
heat_map.py   a matrix over the same axis, and bars below it
"""
