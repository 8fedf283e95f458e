/** A connection from this browser to a session of the demo avatar, step by step, with what fails in words. */
import { createSession, dropSession, problemSentence, say, type Session, whepUrl } from './api.js';
import { pause, sentence } from './dom.js';
import { iceServersOf } from './link-header.js';
import { type Seen, type Way, lookAt, pairsInWords, whyNoPair } from './peer-look.js';

export type StepName = 'http' | 'offer' | 'pair' | 'dtls' | 'codec' | 'picture' | 'sound' | 'quality';

export interface Step {
  readonly name: StepName;
  readonly state: 'waiting' | 'running' | 'good' | 'fault' | 'skipped';
  /** What the step took. */
  readonly ms?: number;
  readonly detail?: string;
}

export const STEP_NAMES: readonly StepName[] = [
  'http',
  'offer',
  'pair',
  'dtls',
  'codec',
  'picture',
  'sound',
  'quality',
];

const GATHER_MS = 1500;
const PAIR_MS = 12_000;
const DTLS_MS = 5000;
const MEDIA_MS = 5000;
/** How long loss and round trips are watched. */
const WATCH_MS = 3000;
const LOOK_MS = 50;
/** A silent Opus packet has less, one of speech more. */
const SILENT_BYTES = 25;
const FEW_PACKETS = 10;

/** The step failed, for the reason that the message tells a person. */
class Fault extends Error {}

export class BrowserCheck {
  readonly #video: HTMLVideoElement;
  readonly #onStep: (step: Step) => void;
  readonly #signal: AbortSignal;
  #pc: RTCPeerConnection | undefined;
  #session: Session | undefined;
  #resource: string | undefined;
  #iceServers: RTCIceServer[] = [];
  /** Pairs as they were seen last: a browser forgets the ones that failed. */
  readonly #tried = new Map<string, Way>();
  /** The latest look at the connection, for the report. */
  seen: Seen | undefined;

  constructor(options: { video: HTMLVideoElement; signal: AbortSignal; onStep(step: Step): void }) {
    this.#video = options.video;
    this.#signal = options.signal;
    this.#onStep = options.onStep;
  }

  /** Resolves with the sentence of the first fault, or undefined if all went well. Leaves nothing behind. */
  async run(): Promise<string | undefined> {
    const work: Record<StepName, () => Promise<string>> = {
      http: () => this.#reach(),
      offer: () => this.#offer(),
      pair: () => this.#pair(),
      dtls: () => this.#encrypt(),
      codec: () => this.#agree(),
      picture: () => this.#picture(),
      sound: () => this.#sound(),
      quality: () => this.#quality(),
    };
    let fault: string | undefined;
    try {
      for (const name of STEP_NAMES) {
        if (fault !== undefined) {
          this.#onStep({ name, state: 'skipped' });
          continue;
        }
        this.#onStep({ name, state: 'running' });
        const startedMs = performance.now();
        try {
          const detail = await work[name]();
          this.#onStep({ name, state: 'good', ms: performance.now() - startedMs, detail });
        } catch (error) {
          fault = sentence(error);
          this.#onStep({ name, state: 'fault', detail: fault });
        }
        this.#signal.throwIfAborted();
      }
    } finally {
      this.#pc?.close();
      this.#video.srcObject = null;
      if (this.#resource !== undefined)
        void fetch(this.#resource, { method: 'DELETE', keepalive: true }).catch(() => undefined);
      if (this.#session !== undefined) await dropSession(this.#session.id);
    }
    return fault;
  }

  async #reach(): Promise<string> {
    try {
      this.#session = await createSession('demo', this.#signal);
    } catch (error) {
      throw new Fault(`No test session could be had over HTTP: ${sentence(error)}`);
    }
    return 'The server answers over HTTP and opened a session of the demo avatar.';
  }

  async #offer(): Promise<string> {
    const endpoint = whepUrl(this.#session!);
    if (typeof RTCPeerConnection !== 'function')
      throw new Fault('This browser has no WebRTC, or it was switched off by a setting or an extension.');
    const head = await fetch(endpoint, { method: 'HEAD', signal: this.#signal }).catch(() => undefined);
    this.#iceServers = iceServersOf(head?.headers.get('link') ?? null);
    const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle', iceServers: this.#iceServers });
    this.#pc = pc;
    pc.addTransceiver('audio', { direction: 'recvonly' });
    pc.addTransceiver('video', { direction: 'recvonly' });
    const stream = new MediaStream();
    pc.ontrack = ({ track }) => stream.addTrack(track);
    this.#video.srcObject = stream;
    const gathered = new AbortController();
    pc.onicegatheringstatechange = () => {
      if (pc.iceGatheringState === 'complete') gathered.abort();
    };
    await pc.setLocalDescription(await pc.createOffer());
    await pause(GATHER_MS, AbortSignal.any([gathered.signal, this.#signal]));
    let response: Response;
    let body: string;
    try {
      response = await fetch(endpoint, {
        method: 'POST',
        headers: { 'content-type': 'application/sdp' },
        body: pc.localDescription?.sdp ?? '',
        signal: this.#signal,
      });
      body = await response.text();
    } catch (error) {
      throw new Fault(`The offer did not get through: ${sentence(error)}`);
    }
    if (response.status !== 201)
      throw new Fault(`The server refused the offer: ${problemSentence(response.status, body)}`);
    const location = response.headers.get('location');
    if (location !== null) this.#resource = new URL(location, response.url).href;
    try {
      await pc.setRemoteDescription({ type: 'answer', sdp: body });
    } catch (error) {
      throw new Fault(`The browser does not take the server's answer: ${sentence(error)}`);
    }
    return `Offer and answer were exchanged (WHEP); ${this.#iceServers.length} STUN or TURN servers were named.`;
  }

  async #pair(): Promise<string> {
    const seen = await this.#until(PAIR_MS, ({ pairs }) => pairs.some(({ state }) => state === 'succeeded'));
    if (!seen.pairs.some(({ state }) => state === 'succeeded'))
      throw new Fault(whyNoPair(seen, this.#iceServers.length > 0));
    return pairsInWords(seen);
  }

  async #encrypt(): Promise<string> {
    const seen = await this.#until(DTLS_MS, ({ dtls }) => dtls === 'connected' || dtls === 'failed');
    if (seen.dtls !== 'connected')
      throw new Fault(
        `The DTLS handshake ${seen.dtls === 'failed' ? 'failed' : 'did not end in time'}: small checks get through, ` +
          'so look at the MTU of the way, or at a middlebox that drops DTLS.',
      );
    return 'The connection is encrypted.';
  }

  async #agree(): Promise<string> {
    const sdp = this.#pc?.remoteDescription?.sdp ?? '';
    const refused = ['audio', 'video'].filter((kind) => new RegExp(`^m=${kind} 0 `, 'm').test(sdp));
    if (refused.length > 0)
      throw new Fault(`The server refused the ${refused.join(' and the ')}: no common codec.`);
    const names = [...sdp.matchAll(/^a=rtpmap:\d+ ([\w-]+)\//gm)].map(([, name]) => name);
    return `Agreed on ${[...new Set(names)].filter((name) => name !== 'rtx').join(' and ')}.`;
  }

  async #picture(): Promise<string> {
    const seen = await this.#until(MEDIA_MS, ({ keyFramesDecoded }) => keyFramesDecoded > 0);
    if (seen.keyFramesDecoded > 0) return `The first key picture was decoded, ${seen.size}.`;
    throw new Fault(
      seen.videoPackets === 0
        ? 'No packet of the picture arrived: the server sends none, or the way carries checks but no media.'
        : `${seen.videoPackets} packets of the picture arrived but no whole key picture (${seen.lost} packets lost): ` +
            'the way loses too much, or this browser cannot decode it.',
    );
  }

  async #sound(): Promise<string> {
    const before = await this.#look();
    // The idle avatar is silent, and silence looks like sound that does not come.
    await say(this.#session!, { kind: 'demo' }).catch(() => undefined);
    // A muted video is not played, so no level is measured; but what Opus says of speech is long, and of silence short.
    const bytesEach = ({ audioBytes, audioPackets }: Seen): number =>
      (audioBytes - before.audioBytes) / Math.max(FEW_PACKETS, audioPackets - before.audioPackets);
    const seen = await this.#until(MEDIA_MS, (now) => bytesEach(now) > SILENT_BYTES);
    if (seen.audioPackets === 0)
      throw new Fault('No sound arrived: the server sends none, or its packets are lost on the way.');
    const facts = `${seen.audioPackets} packets of sound arrived`;
    return bytesEach(seen) > SILENT_BYTES
      ? `${facts}, the last of about ${Math.round(bytesEach(seen))} bytes each: speech.`
      : `${facts}, all silent: the demo sound could not be played.`;
  }

  async #quality(): Promise<string> {
    await pause(WATCH_MS, this.#signal);
    const { rttMs, lost, audioPackets, videoPackets, fps } = await this.#look();
    const share = lost / Math.max(1, lost + audioPackets + videoPackets);
    const facts =
      `Round trip ${rttMs === undefined ? 'unknown' : `${Math.round(rttMs)} ms`}, ` +
      `${(100 * share).toFixed(1)} % of the packets lost, ${Math.round(fps)} pictures a second.`;
    if (share > 0.1)
      throw new Fault(`${facts} The way loses so much that the picture will stop now and then.`);
    return facts;
  }

  async #look(): Promise<Seen> {
    const seen = await lookAt(this.#pc!);
    for (const pair of seen.pairs) this.#tried.set(pair.id, pair);
    this.seen = { ...seen, pairs: [...this.#tried.values()] };
    return this.seen;
  }

  /** The first look that is good, or the last one before the limit or the connection's own end. */
  async #until(limitMs: number, good: (seen: Seen) => boolean): Promise<Seen> {
    const endMs = performance.now() + limitMs;
    for (;;) {
      const seen = await this.#look();
      if (good(seen) || performance.now() > endMs || this.#pc?.connectionState === 'failed') return seen;
      await pause(LOOK_MS, this.#signal);
      this.#signal.throwIfAborted();
    }
  }
}
