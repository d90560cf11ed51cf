# The plugin server and the `sluice` command. Runs as 10001:10001 with a read-only root; writes below /run/sluice
# (socket, dumps) and /var/lib/sluice (event spool), which belong on volumes.
#
# Behind a company's proxy (docs/compose.md):
#   NODE_IMAGE    a base image from another registry
#   NPM_REGISTRY  where npm finds its packages
#   EXTRA_CA      certificates in PEM that npm trusts besides its own; they stay out of the final image
ARG NODE_IMAGE=node:24.21-bookworm-slim

# `npm install --no-save` keeps to the lock file as `npm ci` does; docs/decisions.md says why not the latter.
FROM ${NODE_IMAGE} AS dependencies
ARG NPM_REGISTRY=
ARG EXTRA_CA=
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN if [ -n "$EXTRA_CA" ]; then printf '%s\n' "$EXTRA_CA" >/tmp/extra-ca.pem; export NODE_EXTRA_CA_CERTS=/tmp/extra-ca.pem; fi; \
    npm install --no-save --no-progress ${NPM_REGISTRY:+"--registry=$NPM_REGISTRY"}

FROM dependencies AS production
RUN npm prune --omit=dev --offline

FROM dependencies AS build
COPY . .
# A clone under umask 077 has files that only its owner may read.
RUN npm run build \
    && rm -rf dist/ops dist/.tsbuildinfo \
    && chmod +x dist/cli/sluice.js \
    && chmod -R u=rwX,go=rX dist kong/desired ops/deploy flask-sample/frontend package.json LICENSE

FROM ${NODE_IMAGE}
ENV NODE_ENV=production
RUN groupadd --gid 10001 sluice \
    && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin sluice \
    && install -d -o sluice -g sluice -m 0750 /run/sluice /var/lib/sluice \
    && ln -s /app/dist/cli/sluice.js /usr/local/bin/sluice
WORKDIR /app
COPY --from=production /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY --from=build /app/package.json /app/LICENSE ./
COPY --from=build /app/kong/desired ./kong/desired
COPY --from=build /app/ops/deploy ./ops/deploy
COPY --from=build /app/flask-sample/frontend ./flask-sample/frontend
USER 10001:10001
ENV SLUICE_SOCKET=/run/sluice/sluice.sock \
    SLUICE_SOCKET_GROUP=sluice \
    SLUICE_SPOOL_DIR=/var/lib/sluice/spool
ENTRYPOINT ["node", "--enable-source-maps", "/app/dist/cli/sluice.js"]
CMD ["serve"]
