/** `application/trickle-ice-sdpfrag` bodies (RFC 8840 section 9), written from and into session descriptions. */

/** The bundle-tagged section alone, with the credentials of `localSdp`; `attributes` are `candidate:…` and the like. */
export function fragmentOf(localSdp: string, attributes: readonly string[]): string {
  const lines = localSdp.split(/\r?\n/);
  const first = (prefix: string): string[] => lines.filter((line) => line.startsWith(prefix)).slice(0, 1);
  return [
    ...first('a=group:BUNDLE'),
    ...first('a=ice-options:'),
    ...first('a=ice-ufrag:'),
    ...first('a=ice-pwd:'),
    ...first('m='),
    ...first('a=mid:'),
    ...attributes.map((attribute) => `a=${attribute}`),
    '',
  ].join('\r\n');
}

/** The answer that holds after an ICE restart: the credentials and candidates of the fragment in place of its own. */
export function restartedAnswer(answerSdp: string, fragment: string): string {
  const fresh = fragment.split(/\r?\n/);
  const credential = (prefix: string): string => {
    const line = fresh.find((one) => one.startsWith(prefix));
    if (line === undefined) throw new Error(`The server restarted ICE without ${prefix.slice(2, -1)}.`);
    return line;
  };
  const [ufrag, pwd] = [credential('a=ice-ufrag:'), credential('a=ice-pwd:')];
  const isCandidate = (line: string): boolean => /^a=(candidate:|end-of-candidates)/.test(line);
  const kept = answerSdp
    .split(/\r?\n/)
    .filter((line) => line !== '' && !isCandidate(line))
    .map((line) => (line.startsWith('a=ice-ufrag:') ? ufrag : line.startsWith('a=ice-pwd:') ? pwd : line));
  // The end of the first section, which the others share their transport with.
  const second = kept.findIndex(
    (line, at) => line.startsWith('m=') && at > kept.findIndex((one) => one.startsWith('m=')),
  );
  kept.splice(second < 0 ? kept.length : second, 0, ...fresh.filter(isCandidate));
  return `${kept.join('\r\n')}\r\n`;
}
