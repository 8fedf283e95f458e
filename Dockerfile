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
EXPOSE 5000/tcp
# WebRTC media uses UDP: publish the range given by --ice-port-range, or run with host networking.
CMD ["node", "dist/src/main.js"]
