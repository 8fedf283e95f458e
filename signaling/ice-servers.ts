import { createHmac } from 'node:crypto';

/** STUN and TURN servers that players are told; our own side needs none, as players reach it. */
export interface IceServers {
  /** `stun:host:port`, `turn:host:port?transport=udp`, `turns:…` (RFC 7064, RFC 7065). */
  readonly urls: readonly string[];
  /** Credentials of TURN: made for each player from a secret shared with the server, or the same for all. */
  readonly turn?:
    | { readonly secret: string; readonly ttlS: number }
    | { readonly username: string; readonly credential: string };
}

/**
 * One value of a `Link` header a server (RFC 9725 section 4.6). `name` marks a player in TURN's log; the credentials are
 * those of coturn's `use-auth-secret`: the user name is when they expire, the password its HMAC.
 */
export function iceServerLinks({ urls, turn }: IceServers, name: string, nowMs: number): string[] {
  return urls.map((url) => {
    const link = `<${url}>; rel="ice-server"`;
    if (turn === undefined || url.startsWith('stun')) return link;
    const { username, credential } = 'secret' in turn ? timeLimited(turn, name, nowMs) : turn;
    return `${link}; username=${quoted(username)}; credential=${quoted(credential)}; credential-type="password"`;
  });
}

function timeLimited(
  { secret, ttlS }: { secret: string; ttlS: number },
  name: string,
  nowMs: number,
): { username: string; credential: string } {
  const username = `${Math.floor(nowMs / 1000) + ttlS}:${name}`;
  return { username, credential: createHmac('sha1', secret).update(username).digest('base64') };
}

function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
}
