# The desk in a small image: non-root, one data volume, nothing to build with at the end.
FROM python:3.11-slim AS build
WORKDIR /app
RUN python -m venv /opt/gavel
COPY requirements.lock ./
RUN /opt/gavel/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY bot bot
COPY trading trading
COPY storage storage
# The lock has named everything, the build tool included.
RUN /opt/gavel/bin/pip install --no-cache-dir --no-deps --no-build-isolation . && /opt/gavel/bin/python -m compileall -q /opt/gavel/lib

FROM python:3.11-slim
ENV PATH=/opt/gavel/bin:$PATH PYTHONUNBUFFERED=1 GAVEL_DATA_DIR=/data
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin gavel && install -d -o gavel /data
COPY --from=build /opt/gavel /opt/gavel
USER gavel
WORKDIR /data
VOLUME /data
STOPSIGNAL SIGTERM
CMD ["gavel", "run"]
