/** Offers and takes the answer, each changed on the way if asked. Returns both as they were used. */
export async function joinWhep(
  client: { offer(): Promise<string>; answer(sdp: string): unknown },
  url: string,
  change: { offer?(sdp: string): string; answer?(sdp: string): string } = {},
): Promise<{ offer: string; answer: string }> {
  const made = await client.offer();
  const offer = change.offer?.(made) ?? made;
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/sdp' },
    body: offer,
  });
  const body = await response.text();
  if (response.status !== 201) throw new Error(`WHEP answered ${response.status}: ${body}`);
  const answer = change.answer?.(body) ?? body;
  await client.answer(answer);
  return { offer, answer };
}

/** An SDP without the candidates that are not wanted; `keep` gets the value of each line. */
export function withCandidates(sdp: string, keep: (candidate: string) => boolean): string {
  return sdp
    .split('\r\n')
    .filter((line) => !line.startsWith('a=candidate:') || keep(line.slice(2)))
    .join('\r\n');
}
