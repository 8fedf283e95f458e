# Each RUN line is a step that `npm start` performs too. Not built in our CI: it has no Docker engine.
FROM node:22-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build

FROM node:22-bookworm-slim
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --omit=dev
COPY --from=build /app/dist ./dist
COPY --from=build /app/web/dist ./web/dist
COPY --from=build /app/web/public ./web/public
# The converted face models are cached in here at the first start.
COPY --from=build --chown=node:node /app/models ./models
# A folder that its user may write; mount a volume there to keep avatars.
ENV MUSECAST_DATA_DIR=/home/node/data
USER node
# All viewers share one port for media, UDP and TCP. Behind a NAT name the address they see: MUSECAST_PUBLIC_HOSTS.
ENV MUSECAST_ICE_PORT_RANGE=5001
EXPOSE 5000/tcp 5001/udp 5001/tcp
CMD ["node", "dist/src/main.js"]
