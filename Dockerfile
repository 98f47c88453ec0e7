# albert-serve as an image. `docker build -t albert-serve .` (CPU) or `--build-arg VARIANT=cuda` (Linux x64 with CUDA 13);
# docs/docker.md says how to run it, and how to build where no image registry can be reached. Built by BuildKit.
ARG NODE=24
ARG DEBIAN=bookworm
ARG VARIANT=cpu

FROM node:${NODE}-${DEBIAN}-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
# A builder's own registry, its secrets and its certificates come as files that no layer keeps:
#   --secret id=npmrc,src=$HOME/.npmrc --secret id=certificates,src=company-ca.pem
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc --mount=type=secret,id=certificates \
    NODE_EXTRA_CA_CERTS=/run/secrets/certificates npm ci --loglevel=error
COPY . .
RUN node scripts/build.mjs --force
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc --mount=type=secret,id=certificates \
    NODE_EXTRA_CA_CERTS=/run/secrets/certificates node scripts/docker/collect.mjs /app && mkdir -p .cache/empty

FROM build AS variant-cpu

FROM build AS variant-cuda
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc --mount=type=secret,id=certificates \
    NODE_EXTRA_CA_CERTS=/run/secrets/certificates node scripts/cuda-provider.mjs /app

FROM variant-${VARIANT} AS variant

FROM debian:${DEBIAN}-slim
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="albert-serve" \
      org.opencontainers.image.description="Serves, trains and hot-swaps ALBERT models over gRPC" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
COPY --from=variant /usr/local/bin/node /usr/local/bin/node
COPY --from=variant /app /app
# Where a store is kept when one is asked for (--store /data); owned by the user that runs, so that a new volume is too.
COPY --from=variant --chown=65532:65532 /build/.cache/empty /data
ENV NODE_ENV=production PATH=/app/bin:$PATH
# Nothing reaches a container's own network but what whoever runs it publishes (-p): that is the guard, and that person's choice. Administration stays inside.
ENV ALBERT_SERVER_PUBLIC_ADDRESS=0.0.0.0:50051 ALBERT_SERVER_METRICS_ADDRESS=0.0.0.0:9464 ALBERT_SERVER_TRUST_NETWORK=guarded-elsewhere
WORKDIR /app
USER 65532:65532
EXPOSE 50051 50052 9464 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["albert", "health"]
# The command sets the allocator for what it is asked to do and becomes Node itself: process 1 gets the signals.
ENTRYPOINT ["albert"]
CMD ["serve"]
