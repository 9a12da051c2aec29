# syntax=docker/dockerfile:1
# docker run -p 8788:8788 -e EC2BRIDGE_CLOUDSTACK_URL=… -e EC2BRIDGE_SERVICE_API_KEY=… -e EC2BRIDGE_SERVICE_SECRET_KEY=… \
#     -v ec2bridge:/var/lib/ec2bridge ec2bridge
# Settings are environment variables here, so that the health check knows the port and whether there is TLS.
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
    PYTHONDONTWRITEBYTECODE=1 \
    EC2BRIDGE_LISTEN=0.0.0.0:8788 \
    EC2BRIDGE_STORE=/var/lib/ec2bridge/ec2bridge.sqlite
USER 10001
WORKDIR /var/lib/ec2bridge
VOLUME /var/lib/ec2bridge
EXPOSE 8788
# Whatever the port in EC2BRIDGE_LISTEN, and whether with TLS or without: the probe trusts any certificate.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["python", "-c", "\
import os, ssl, urllib.request as u; \
scheme = 'https' if 'EC2BRIDGE_TLS_CERTIFICATE' in os.environ else 'http'; \
port = os.environ['EC2BRIDGE_LISTEN'].rpartition(':')[2]; \
u.urlopen(f'{scheme}://127.0.0.1:{port}/health', timeout=4, context=ssl._create_unverified_context())"]
ENTRYPOINT ["ec2bridge"]
CMD ["serve"]
