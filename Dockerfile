# syntax=docker/dockerfile:1
FROM python:3.12-slim AS build
WORKDIR /src
COPY requirements/run.txt requirements/
RUN python -m venv /opt/ec2bridge \
 && /opt/ec2bridge/bin/pip install --no-cache-dir --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY ec2bridge ec2bridge
COPY mappings mappings
RUN /opt/ec2bridge/bin/pip install --no-cache-dir --no-deps .

FROM python:3.12-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/ec2bridge --create-home ec2bridge
COPY --from=build /opt/ec2bridge /opt/ec2bridge
ENV PATH=/opt/ec2bridge/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    EC2BRIDGE_LISTEN=0.0.0.0:8788 \
    EC2BRIDGE_STORE=/var/lib/ec2bridge/ec2bridge.sqlite
USER 10001
WORKDIR /var/lib/ec2bridge
VOLUME /var/lib/ec2bridge
EXPOSE 8788
HEALTHCHECK --interval=30s --timeout=3s --start-period=5s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8788/health', timeout=2)"]
ENTRYPOINT ["ec2bridge"]
CMD ["serve"]
