# "npm run check:docker" runs these steps where there is no container engine; it knows the instructions used here.

# The same Node.js as the npm package "node" of package.json.
FROM node:24.21.0-bookworm-slim AS base
WORKDIR /app

# What the service needs to run. Without the optional packages, a PostgreSQL for developers, it needs DATABASE_URL.
FROM base AS dependencies
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=optional

FROM base AS build
COPY package.json package-lock.json ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY scripts/clean.ts ./scripts/
COPY src ./src
RUN npm run build

FROM base AS run
ENV NODE_ENV=production
# package.json says the version and that the code is ES modules.
COPY package.json ./
COPY migrations ./migrations
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
# The image's account "node", as a number, so that Kubernetes can see that it is not root. All files stay root's.
USER 1000:1000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["node", "dist/main.js", "health"]
CMD ["node", "dist/main.js"]
