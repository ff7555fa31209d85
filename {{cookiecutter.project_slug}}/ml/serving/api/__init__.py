"""The HTTP interface, from the outermost layer inwards.

middleware.py   who may ask and how much; calls the route
origin.py       which requests of web pages are answered
asgi.py         bodies, answers and refusals without a framework
tracing.py      OpenTelemetry spans, if the environment asks for them
app.py          the application: FastAPI with the routers, the refusals
openapi.py      the document at `/openapi.json`
routes/         a module for each resource
tensors.py      rows as tensors of the Open Inference Protocol, and answers
binary_tensors.py  tensors as bytes
tables.py       rows as tables of MLflow and KServe, and answers
json_body.py    what is wrong with a body of these protocols
refusals.py     each protocol's shape of an error
"""
