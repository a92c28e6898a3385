# "npm run check:docker" runs these steps where there is no container engine; it knows the instructions used here.
#
# The same Node.js as the npm package "node" of package.json. For a build that can be repeated, name it with its digest:
#   docker build --build-arg NODE_IMAGE=node:24.21.0-bookworm-slim@sha256:… -t pulse-backend:latest .
ARG NODE_IMAGE=node:24.21.0-bookworm-slim
FROM ${NODE_IMAGE} AS base
WORKDIR /app

FROM base AS build
# A registry with settings of its own: npm-settings/README.md. What is in that folder stays in this stage.
COPY package.json package-lock.json npm-setting[s] ./
RUN npm ci
COPY tsconfig.json rolldown.config.ts ./
COPY src ./src
RUN npm run build

# All that the service needs is in dist/, but for the PostgreSQL that it brings for developers: here it needs DATABASE_URL.
FROM base AS run
ARG REVISION=unknown
LABEL org.opencontainers.image.title="pulse-background" \
  org.opencontainers.image.description="Turns large orders into many small ones and places each at its exact time with a broker" \
  org.opencontainers.image.version="0.1.0" \
  org.opencontainers.image.revision="${REVISION}"
ENV NODE_ENV=production
# "docker exec CONTAINER pulse doctor"
ENV PATH=/app:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
COPY deploy/docker/pulse ./
# package.json says the version and that the code is ES modules.
COPY package.json ./
COPY migrations ./migrations
COPY --from=build /app/dist ./dist
# The image's account "node", as a number, so that Kubernetes can see that it is not root. All files stay root's.
USER 1000:1000
STOPSIGNAL SIGTERM
# It says whether orders are placed, and needs the database for that. Where an unhealthy container is killed, as in a swarm,
# add --live: a restart does not bring a database back.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["pulse", "health"]
# Without a command it runs the daemon; "docker run IMAGE migrate" is a command.
ENTRYPOINT ["pulse"]
