# The tests' application and provider stand-in where docker or podman builds images: Python with wheels, curl, a shell.
FROM python:3.13-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends curl && rm -rf /var/lib/apt/lists/*
COPY requirements/sidecar.txt /tmp/requirements.txt
RUN pip install --no-cache-dir --require-hashes --only-binary=:all: --target /app --requirement /tmp/requirements.txt
ENV LANG=C.UTF-8 PYTHONPATH=/app PYTHONUNBUFFERED=1
USER 65532:65532
