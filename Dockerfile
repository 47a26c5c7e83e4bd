# One image for the API and the worker; which of them a container is, its command says:
#   uvicorn api.app:app --host 0.0.0.0 --port 8080      or      python worker.py --kept
# Builds with BuildKit and without it, on any Debian-like image with Python 3.11 or newer.
ARG BASE_IMAGE=python:3.12-slim-trixie

FROM ${BASE_IMAGE} AS packages
# pip reads these from the environment; unset they change nothing.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_CERT
COPY requirements-run.lock /build/
# The environment itself has no pip. Wheels only: nothing is compiled, and no package's own script runs.
RUN python3 -m venv --without-pip /opt/perdure \
 && python3 -m pip --python /opt/perdure/bin/python install --quiet --no-cache-dir --disable-pip-version-check \
        --root-user-action=ignore --no-deps --only-binary :all: --require-hashes -r /build/requirements-run.lock
COPY . /app/
# Compiled here, as nobody writes there later.
RUN python3 -m compileall -q /app \
 && for place in /opt/perdure/lib/python3*/site-packages; do echo /app > "$place/perdure.pth"; done \
 && printf '#!/bin/sh\nexec /opt/perdure/bin/python -m cli "$@"\n' > /opt/perdure/bin/perdure \
 && chmod 0755 /opt/perdure/bin/perdure && chmod -R u=rwX,go=rX /app

FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="Perdure" \
      org.opencontainers.image.description="Coding agents as durable jobs: the API and the worker" \
      org.opencontainers.image.licenses="Apache-2.0"
# git is all that the system adds; bubblewrap comes with the packages.
RUN command -v git >/dev/null || { \
        apt-get update -qq && apt-get install -y -qq --no-install-recommends git ca-certificates \
        && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt /var/log/dpkg.log; }
# Volumes mounted below /var/lib/perdure take these owners when they are new.
RUN echo 'perdure:x:10001:10001:Perdure:/var/lib/perdure:/bin/sh' >> /etc/passwd \
 && echo 'perdure:x:10001:' >> /etc/group \
 && mkdir -p /var/lib/perdure/worker /var/lib/perdure/blobs \
 && chown -R 10001:10001 /var/lib/perdure
COPY --from=packages /opt/perdure /opt/perdure
COPY --from=packages /app /app
# Which code this is, as runs are told (docs/operations.md, Upgrades); without it a hash of the code says so.
ARG PERDURE_BUILD_ID
ENV PERDURE_BUILD_ID=${PERDURE_BUILD_ID}
ENV PATH=/opt/perdure/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/var/lib/perdure PERDURE_HOME=/var/lib/perdure \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /app
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["python", "deploy/healthy.py"]
CMD ["uvicorn", "api.app:app", "--host", "0.0.0.0", "--port", "8080", "--no-access-log", "--timeout-graceful-shutdown", "1"]
