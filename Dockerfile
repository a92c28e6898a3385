# "npm run check:docker" runs these steps where there is no container engine; it knows the instructions used here.

# The same Node.js as the npm package "node" of package.json.
FROM node:24.21.0-bookworm-slim AS base
WORKDIR /app

FROM base AS build
COPY package.json package-lock.json ./
RUN npm ci
COPY tsconfig.json rolldown.config.ts ./
COPY src ./src
RUN npm run build

# All that the service needs is in dist/, but for the PostgreSQL that it brings for developers: here it needs DATABASE_URL.
FROM base AS run
ENV NODE_ENV=production
# package.json says the version and that the code is ES modules.
COPY package.json ./
COPY migrations ./migrations
COPY --from=build /app/dist ./dist
# The image's account "node", as a number, so that Kubernetes can see that it is not root. All files stay root's.
USER 1000:1000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["node", "dist/main.js", "health"]
CMD ["node", "dist/main.js"]
