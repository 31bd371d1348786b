# mongodump and mongorestore from their source, which MongoDB also publishes no Debian package of
# for arm64. go.sum holds the hash of every module, and these are the binaries the tests run with.
FROM --platform=$BUILDPLATFORM golang:1.25.4-bookworm AS tools
ARG TARGETOS
ARG TARGETARCH
WORKDIR /tools
COPY embedded/mongo-tools/go.mod embedded/mongo-tools/go.sum ./
ENV CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH
RUN for tool in mongodump mongorestore; do \
      go build -trimpath -o "/out/$tool" "github.com/mongodb/mongo-tools/$tool/main" || exit 1; \
    done

FROM node:22.22.0-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY src src
RUN npm run build && npm ci --omit=dev

FROM node:22.22.0-bookworm-slim
# tini reaps the watchers that outlive mongodump and mongorestore by a moment; the certificates are
# for TLS to Temporal and, from the tools, to MongoDB.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates tini \
    && rm -rf /var/lib/apt/lists/* \
    && install --directory --owner=node --group=node /var/lib/changestream-migration
WORKDIR /app
COPY --from=tools /out/ /usr/local/bin/
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist

ENV NODE_ENV=production \
    MALLOC_ARENA_MAX=2 \
    CSM_DUMP_FOLDER=/var/lib/changestream-migration \
    CSM_METRICS_ADDRESS=0.0.0.0:9464 \
    CSM_HEALTH_ADDRESS=0.0.0.0:9465
VOLUME /var/lib/changestream-migration
EXPOSE 9464 9465
# The node user, by number, so that Kubernetes can see that it is not root.
USER 1000:1000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9465/readyz').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["tini", "--"]
CMD ["node", "--max-semi-space-size=4", "dist/worker.js"]
