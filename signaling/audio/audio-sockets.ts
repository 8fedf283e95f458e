import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { isAppError } from '../../src/errors.js';
import { mayDoAll, type AuthTokens } from '../auth.js';
import { AudioSocket, CLOSE, type SocketPorts } from './audio-socket.js';

/** HeyGen's limit, too; a second of 48 kHz sound takes a tenth of it. Larger messages close the socket with 1009. */
export const MAX_MESSAGE_BYTES = 1_048_576;
const PATH = /^\/v1\/sessions\/([^/]+)\/audio$/;

export interface SocketDoor {
  /** For the HTTP server's `upgrade`. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  close(): void;
}

/** WebSockets at /v1/sessions/{id}/audio. Refusals are close codes, since a browser cannot see an HTTP status. */
export function audioSockets(ports: SocketPorts, auth: AuthTokens = { full: [], viewer: [] }): SocketDoor {
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
  });
  return {
    upgrade(request, socket, head) {
      const url = new URL(request.url ?? '/', 'http://localhost');
      const name = PATH.exec(url.pathname)?.[1];
      if (name === undefined) {
        socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
        return;
      }
      const token =
        /^bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? url.searchParams.get('token');
      server.handleUpgrade(request, socket, head, (client) => {
        client.on('error', () => {});
        if (!mayDoAll(auth, token ?? undefined)) {
          client.close(CLOSE.unauthorized, 'a token is required: ?token=... or Authorization: Bearer');
          return;
        }
        try {
          new AudioSocket(client, ports, safeDecode(name));
        } catch (error) {
          if (isAppError(error, 'session-not-found'))
            client.close(CLOSE.unknownSession, error.message.slice(0, 100));
          else client.close(1011, 'the server failed');
        }
      });
    },
    close() {
      for (const client of server.clients) client.close(1001, 'the server stops');
      server.close();
    },
  };
}

function safeDecode(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
