/** As RTCPeerConnection takes it. */
export interface IceServer {
  urls: string;
  username?: string;
  credential?: string;
}

const LINK = /<([^>]*)>((?:\s*;\s*[\w-]+(?:\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^\s",;]+))?)*)/g;
const PARAMETER = /;\s*([\w-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",;]+)))?/g;

/** The STUN and TURN servers that a `Link` header names (RFC 8288, RFC 9725 section 4.6). */
export function iceServersOf(header: string | null): IceServer[] {
  return [...(header ?? '').matchAll(LINK)].flatMap(([, url = '', rest = '']) => {
    const parameters = new Map(
      [...rest.matchAll(PARAMETER)].map(([, name = '', quoted, bare]): [string, string] => [
        name.toLowerCase(),
        quoted?.replaceAll(/\\(.)/g, '$1') ?? bare ?? '',
      ]),
    );
    if (parameters.get('rel') !== 'ice-server' || !/^(stun|turn)s?:/.test(url)) return [];
    const [username, credential] = [parameters.get('username'), parameters.get('credential')];
    return [
      { urls: url, ...(username !== undefined && credential !== undefined ? { username, credential } : {}) },
    ];
  });
}
