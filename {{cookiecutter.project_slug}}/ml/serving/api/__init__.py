"""The routes over HTTP, from the outermost layer inwards.

middleware.py       who may ask and how much; calls the route
origin.py           which requests of web pages are answered
asgi.py             bodies, answers and refusals without a framework
tracing.py          OpenTelemetry spans, if the environment asks for them
predict.py          `POST /predict`
app.py              the application: FastAPI with the routers below, the pages, the refusals
dependencies.py     what FastAPI hands to the routes
health.py           `/health/…`
model.py            `/model` and `/metrics`
labels.py           `POST /labels`
open_inference.py   `/v2/…`, the Open Inference Protocol
openapi.py          the document at `/openapi.json`
"""
