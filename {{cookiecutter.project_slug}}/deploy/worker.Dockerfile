# Everything but the service: the monitor, the loop, the pipeline, MLflow's server (deploy/stack), and `ml pull` for pods that
# serve (deploy/kubernetes).
#
#   docker build --file deploy/worker.Dockerfile --tag <worker> .
#
# The monitor and the loop run in a clone of the repository on the volume /project; the code in the image is for `ml pull`.
# The root may be read-only: what DVC and Git write beside the project goes to /tmp.

FROM python:3.13-slim
# git, because the loop commits and DVC asks it
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends git \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin ml
COPY requirements/pipeline.txt /pipeline.txt
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /pipeline.txt \
 && /venv/bin/pip uninstall --yes --quiet pip
WORKDIR /project
COPY contract.yaml params.yaml recipe.yaml dvc.yaml pyproject.toml ./
COPY ml ml
RUN install --directory --owner=ml --group=ml serving
ENV PATH=/venv/bin:$PATH \
    HOME=/tmp \
    DVC_SITE_CACHE_DIR=/tmp/dvc \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DO_NOT_TRACK=1 \
    GIT_PYTHON_REFRESH=quiet
USER 10001:10001
ENTRYPOINT []
CMD ["python", "-m", "ml", "--help"]
