/** A WHEP player without a browser: libwebrtc in this process, which decodes sound and picture and counts them. */
import { createRequire } from 'node:module';

interface Track {
  readonly kind: 'audio' | 'video';
}
interface VideoSink {
  onframe: (event: { frame: { width: number; height: number; data: Uint8Array } }) => void;
  stop(): void;
}
interface AudioSink {
  ondata: (event: { samples: Int16Array; sampleRate: number; channelCount: number }) => void;
  stop(): void;
}
export interface WrtcConnection {
  readonly localDescription: { readonly sdp: string };
  readonly iceGatheringState: string;
  readonly connectionState: string;
  ontrack: (event: { track: Track }) => void;
  onicegatheringstatechange: () => void;
  onconnectionstatechange: () => void;
  onicecandidate: (event: { candidate: { candidate: string } | null }) => void;
  addTransceiver(kind: 'audio' | 'video', init: { direction: string }): void;
  createOffer(options?: { iceRestart: boolean }): Promise<{ type: 'offer'; sdp: string }>;
  setLocalDescription(description: object): Promise<void>;
  setRemoteDescription(description: { type: 'answer'; sdp: string }): Promise<void>;
  getReceivers(): { transport: { state: string } | null }[];
  getStats(): Promise<Map<string, Record<string, unknown>>>;
  close(): void;
}
interface Wrtc {
  RTCPeerConnection: new (configuration?: object) => WrtcConnection;
  nonstandard: {
    RTCVideoSink: new (track: Track) => VideoSink;
    RTCAudioSink: new (track: Track) => AudioSink;
  };
}

const wrtc = createRequire(import.meta.url)('@roamhq/wrtc') as Wrtc;
// Its native part crashes when Node tears it down after sinks were used; leaving without tearing down spares the
// test run a false failure. The exit code is kept.
process.on('exit', (code) => (process as unknown as { reallyExit(code: number): void }).reallyExit(code));

export interface ReceivedPicture {
  readonly widthPx: number;
  readonly heightPx: number;
  /** I420; a copy. */
  readonly data: Uint8Array;
  readonly atMs: number;
}

export class WrtcClient {
  readonly pc: WrtcConnection;
  frames = 0;
  /** Sound samples a channel, and how loud the loudest was (0..32767). */
  audioSamples = 0;
  audioPeak = 0;
  lastPicture: ReceivedPicture | undefined;
  firstPictureAtMs: number | undefined;
  /** Called with every picture, and with every 10 ms of sound (interleaved). */
  onPicture: (picture: ReceivedPicture) => void = () => {};
  onSound: (samples: Int16Array, channels: number) => void = () => {};
  #sinks: { stop(): void }[] = [];
  #waiters = new Set<() => void>();
  #offered = false;

  constructor(kinds: readonly ('audio' | 'video')[] = ['audio', 'video']) {
    this.pc = new wrtc.RTCPeerConnection({ iceServers: [] });
    for (const kind of kinds) this.pc.addTransceiver(kind, { direction: 'recvonly' });
    this.pc.onconnectionstatechange = () => this.#wake();
    this.pc.ontrack = ({ track }) => {
      if (track.kind === 'video') {
        const sink = new wrtc.nonstandard.RTCVideoSink(track);
        sink.onframe = ({ frame }) => {
          this.frames += 1;
          this.firstPictureAtMs ??= performance.now();
          this.lastPicture = {
            widthPx: frame.width,
            heightPx: frame.height,
            data: new Uint8Array(frame.data),
            atMs: performance.now(),
          };
          this.onPicture(this.lastPicture);
          this.#wake();
        };
        this.#sinks.push(sink);
      } else {
        const sink = new wrtc.nonstandard.RTCAudioSink(track);
        sink.ondata = ({ samples, channelCount }) => {
          this.audioSamples += samples.length / channelCount;
          this.onSound(samples, channelCount);
          for (const sample of samples) this.audioPeak = Math.max(this.audioPeak, Math.abs(sample));
          this.#wake();
        };
        this.#sinks.push(sink);
      }
    };
  }

  /** The offer; with every candidate in it unless `trickle` takes them one by one. Any further one restarts ICE. */
  async offer(trickle?: (candidate: string) => void): Promise<string> {
    const gathered = new Promise<void>((resolve) => {
      this.pc.onicecandidate = ({ candidate }) => {
        if (candidate === null) resolve();
        else trickle?.(candidate.candidate);
      };
    });
    const offer = await this.pc.createOffer({ iceRestart: this.#offered });
    this.#offered = true;
    await this.pc.setLocalDescription(offer);
    if (trickle !== undefined) return offer.sdp;
    await gathered;
    return this.pc.localDescription.sdp;
  }

  answer(sdp: string): Promise<void> {
    return this.pc.setRemoteDescription({ type: 'answer', sdp });
  }

  /** Resolves when the condition holds after some event; rejects with what was there after `limitMs`. */
  until(what: string, condition: (client: this) => boolean, limitMs = 10_000): Promise<void> {
    return new Promise((resolve, reject) => {
      const check = (): void => {
        if (!condition(this)) return;
        clearTimeout(limit);
        this.#waiters.delete(check);
        resolve();
      };
      const limit = setTimeout(() => {
        this.#waiters.delete(check);
        const { frames, audioSamples, audioPeak } = this;
        reject(
          new Error(
            `no ${what} in ${limitMs} ms: ${this.pc.connectionState}, ${JSON.stringify({ frames, audioSamples, audioPeak })}`,
          ),
        );
      }, limitMs);
      this.#waiters.add(check);
      check();
    });
  }

  /** One number of the `inbound-rtp` statistics. */
  async inbound(kind: 'audio' | 'video', name: string): Promise<number> {
    for (const entry of (await this.pc.getStats()).values()) {
      if (entry['type'] === 'inbound-rtp' && entry['kind'] === kind) return Number(entry[name] ?? 0);
    }
    return 0;
  }

  /** State of the encrypted transport: `closed` as soon as the other side said so. */
  get dtlsState(): string {
    return this.pc.getReceivers()[0]?.transport?.state ?? 'none';
  }

  close(): void {
    for (const sink of this.#sinks) sink.stop();
    this.pc.close();
    this.#wake();
  }

  #wake(): void {
    for (const waiter of [...this.#waiters]) waiter();
  }
}
