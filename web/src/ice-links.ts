/**
 * The STUN and TURN servers that a WHEP endpoint names in `Link` headers (draft-ietf-wish-whep, "STUN/TURN server
 * configuration"): `<turn:host?transport=udp>; rel="ice-server"; username="..."; credential="..."`.
 */
export function readIceLinks(header: string | null): RTCIceServer[] {
  const servers: RTCIceServer[] = [];
  for (const [, urls = '', parameters = ''] of (header ?? '').matchAll(
    /<([^>]*)>((?:\s*;\s*[\w-]+\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^",;\s]+))*)/g,
  )) {
    const named = new Map(
      [...parameters.matchAll(/;\s*([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^",;\s]+))/g)].map(
        ([, name = '', quoted, bare]) => [name.toLowerCase(), (quoted ?? bare ?? '').replace(/\\(.)/g, '$1')],
      ),
    );
    if (named.get('rel') !== 'ice-server' || !/^(stuns?|turns?):/i.test(urls)) continue;
    const [username, credential] = [named.get('username'), named.get('credential')];
    servers.push({
      urls,
      ...(username === undefined ? {} : { username }),
      ...(credential === undefined ? {} : { credential }),
    });
  }
  return servers;
}
