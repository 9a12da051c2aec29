# docker run -p 8788:8788 -e EC2BRIDGE_CLOUDSTACK_URL=… -e EC2BRIDGE_SERVICE_API_KEY=… -e EC2BRIDGE_SERVICE_SECRET_KEY=… \
#     -v ec2bridge:/var/lib/ec2bridge ec2bridge
# docker run --rm ec2bridge demo --once
# Any platform of the base: docker buildx build --platform linux/amd64,linux/arm64 .
# The base may be named with its digest, or be one of your own that has `python` (3.11 or newer, with venv).
ARG BASE=python:3.13.5-slim-bookworm

FROM ${BASE} AS build
WORKDIR /src
COPY requirements/build.txt requirements/run.txt requirements/
RUN python -m venv /opt/build \
 && /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements/build.txt \
 && python -m venv /opt/ec2bridge \
 && /opt/ec2bridge/bin/pip install --no-cache-dir --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY mappings mappings
COPY deploy deploy
COPY ec2bridge ec2bridge
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --no-index --wheel-dir /dist . \
 && /opt/ec2bridge/bin/pip install --no-cache-dir --no-deps --no-index /dist/*.whl \
 && /opt/ec2bridge/bin/pip uninstall --yes pip

FROM ${BASE}
RUN useradd --uid 10001 --home-dir /var/lib/ec2bridge --create-home ec2bridge
COPY --from=build /opt/ec2bridge /opt/ec2bridge
ENV PATH=/opt/ec2bridge/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    EC2BRIDGE_LISTEN=0.0.0.0:8788 \
    EC2BRIDGE_STORE=/var/lib/ec2bridge/ec2bridge.sqlite
USER 10001
WORKDIR /var/lib/ec2bridge
VOLUME /var/lib/ec2bridge
EXPOSE 8788
# It asks process 1 where it listens: flags, file and environment, TLS or none.
HEALTHCHECK --interval=30s --timeout=10s --start-period=15s CMD ["ec2bridge", "health", "--pid", "1"]
ENTRYPOINT ["ec2bridge"]
CMD ["serve"]
