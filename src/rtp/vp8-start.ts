/**
 * What the first bytes of a VP8 packet say (RFC 7741 section 4.2 and 4.3): whether a picture begins here, and whether it
 * is a key picture.
 */
export function vp8Start(payload: Buffer): 'key' | 'delta' | undefined {
  const first = payload[0] ?? 0;
  let at = 1;
  if ((first & 0x80) !== 0) {
    const has = payload[at++] ?? 0;
    if ((has & 0x80) !== 0) at += ((payload[at] ?? 0) & 0x80) !== 0 ? 2 : 1;
    if ((has & 0x40) !== 0) at += 1;
    if ((has & 0x30) !== 0) at += 1;
  }
  const begins = (first & 0x10) !== 0 && (first & 0x07) === 0;
  const header = payload[at];
  if (!begins || header === undefined) return undefined;
  return (header & 0x01) === 0 ? 'key' : 'delta';
}
