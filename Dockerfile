# Each RUN line is a step that `npm start` performs too.
FROM node:22-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build

FROM node:22-bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ffmpeg && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --omit=dev
COPY --from=build /app/dist ./dist
COPY --from=build /app/web/dist ./web/dist
COPY --from=build /app/web/public ./web/public
COPY --from=build /app/models ./models
RUN mkdir data && chown -R node:node /app/data /app/models
USER node
EXPOSE 5000/tcp
VOLUME /app/data
# WebRTC media uses UDP: publish the range given by --ice-port-range, or run with host networking.
CMD ["node", "dist/src/main.js"]
