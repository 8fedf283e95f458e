/// <reference lib="dom" />
import type { Page } from 'playwright-core';

/** How a browser is to reach the server, and how it did. */
export interface ForcedWay {
  readonly config?: RTCConfiguration;
  /** Regular expression that the candidates of the answer must match to be kept; the offer then has none. */
  readonly answer?: string;
  /** Candidates travel by PATCH when all are found, none in the offer. */
  readonly trickle?: boolean;
}

export interface FoundWay {
  readonly answerSdp: string;
  readonly local: { readonly type: string; readonly protocol: string; readonly address: string };
  readonly remote: { readonly type: string; readonly protocol: string; readonly address: string };
  readonly framesDecoded: number;
  readonly soundPackets: number;
}

/** Watches from a page of the server's origin until some pictures were decoded. Rejects with what was seen after 20 s. */
export function watchFrom(page: Page, whepUrl: string, way: ForcedWay): Promise<FoundWay> {
  return page.evaluate(
    async ({ whepUrl, way }) => {
      const pc = new RTCPeerConnection(way.config);
      try {
        pc.addTransceiver('video', { direction: 'recvonly' });
        pc.addTransceiver('audio', { direction: 'recvonly' });
        const video = document.createElement('video');
        Object.assign(video, { autoplay: true, muted: true, playsInline: true });
        document.body.append(video);
        const stream = new MediaStream();
        pc.ontrack = ({ track }) => stream.addTrack(track);
        video.srcObject = stream;
        const trace: string[] = [];
        pc.onicecandidateerror = (event) =>
          trace.push(`${(event as RTCPeerConnectionIceErrorEvent).errorText}`);
        await pc.setLocalDescription(await pc.createOffer());
        const endMs = performance.now() + 20_000;
        const pause = () => new Promise((resolve) => setTimeout(resolve, 50));
        const gather = async (): Promise<void> => {
          while (pc.iceGatheringState !== 'complete' && performance.now() < endMs - 10_000) await pause();
        };
        if (way.trickle !== true) await gather();
        const offer = pc.localDescription?.sdp ?? '';
        const without = (sdp: string, keep: (line: string) => boolean): string =>
          sdp
            .split('\r\n')
            .filter((line) => !line.startsWith('a=candidate:') || keep(line))
            .join('\r\n');
        const response = await fetch(whepUrl, {
          method: 'POST',
          headers: { 'content-type': 'application/sdp' },
          body: way.answer === undefined && way.trickle !== true ? offer : without(offer, () => false),
        });
        const answerSdp = await response.text();
        if (response.status !== 201) throw new Error(`WHEP answered ${response.status}: ${answerSdp}`);
        const wanted = new RegExp(way.answer ?? '');
        await pc.setRemoteDescription({
          type: 'answer',
          sdp: without(answerSdp, (line) => wanted.test(line)),
        });
        if (way.trickle === true) {
          await gather();
          const lines = (pc.localDescription?.sdp ?? '').split('\r\n');
          const one = (start: string) => lines.filter((line) => line.startsWith(start)).slice(0, 1);
          const trickled = lines.filter((line) => line.startsWith('a=candidate:'));
          const patch = await fetch(new URL(response.headers.get('location') ?? '', whepUrl), {
            method: 'PATCH',
            headers: {
              'content-type': 'application/trickle-ice-sdpfrag',
              'if-match': response.headers.get('etag') ?? '',
            },
            body: [...['a=ice-ufrag:', 'a=ice-pwd:', 'm=', 'a=mid:'].flatMap(one), ...trickled, ''].join(
              '\r\n',
            ),
          });
          if (patch.status !== 204) throw new Error(`PATCH answered ${patch.status}: ${await patch.text()}`);
        }
        for (;;) {
          const stats = new Map<string, Record<string, unknown>>();
          (await pc.getStats()).forEach((entry: RTCStats) =>
            stats.set(entry.id, entry as unknown as Record<string, unknown>),
          );
          const all = [...stats.values()];
          const inbound = (kind: string) =>
            all.find((entry) => entry['type'] === 'inbound-rtp' && entry['kind'] === kind);
          const framesDecoded = Number(inbound('video')?.['framesDecoded'] ?? 0);
          const soundPackets = Number(inbound('audio')?.['packetsReceived'] ?? 0);
          const transport = all.find((entry) => entry['type'] === 'transport');
          const pair = stats.get(String(transport?.['selectedCandidatePairId']));
          const end = (id: unknown) => {
            const found = stats.get(String(id)) ?? {};
            return {
              type: String(found['candidateType']),
              protocol: String(found['protocol']),
              address: String(found['address']),
            };
          };
          if (framesDecoded >= 10 && soundPackets >= 10)
            return {
              answerSdp,
              local: end(pair?.['localCandidateId']),
              remote: end(pair?.['remoteCandidateId']),
              framesDecoded,
              soundPackets,
            };
          if (performance.now() > endMs)
            throw new Error(
              `${framesDecoded} pictures and ${soundPackets} sounds in 20 s: ${pc.iceConnectionState}, ` +
                `${pc.connectionState}, ${trace.join('; ')}, ` +
                all
                  .filter(({ type }) => type === 'local-candidate' || type === 'candidate-pair')
                  .map((one) => JSON.stringify(one))
                  .join('\n'),
            );
          await pause();
        }
      } finally {
        pc.close();
      }
    },
    { whepUrl, way },
  );
}
