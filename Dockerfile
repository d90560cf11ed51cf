# The plugin server and the `sluice` command. Runs as 10001:10001 with a read-only root; writes below /run/sluice
# (socket, dumps) and /var/lib/sluice (event spool), which belong on volumes.

# `npm install --no-save` keeps to the lock file as `npm ci` does; docs/decisions.md says why not the latter.
FROM node:24.21-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm install --no-save --omit=dev

FROM dependencies AS build
RUN npm install --no-save
COPY . .
RUN npm run build

FROM node:24.21-bookworm-slim
ENV NODE_ENV=production
RUN groupadd --gid 10001 sluice \
    && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin sluice \
    && install -d -o sluice -g sluice -m 0750 /run/sluice /var/lib/sluice
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json LICENSE ./
COPY kong/desired ./kong/desired
USER 10001:10001
ENV SLUICE_SOCKET=/run/sluice/sluice.sock \
    SLUICE_SOCKET_GROUP=sluice \
    SLUICE_SPOOL_DIR=/var/lib/sluice/spool
ENTRYPOINT ["node", "--enable-source-maps", "/app/dist/cli/sluice.js"]
CMD ["serve"]
