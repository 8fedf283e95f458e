/** A viewer by libdatachannel: it decrypts and counts packets, decodes nothing, and costs little. */
import {
  Audio,
  PeerConnection,
  RtcpReceivingSession,
  Video,
  type RtcConfig,
  type Track,
} from 'node-datachannel';
import { RtpCount } from './rtp-count.js';

const VP8_PAYLOAD_TYPE = 96;
const OPUS_PAYLOAD_TYPE = 111;

export class DatachannelClient {
  readonly video = new RtpCount();
  readonly audio = new RtpCount();
  #pc: PeerConnection;
  #tracks: Track[];
  #waiters = new Set<() => void>();
  #closed = false;

  constructor(name: string, config: Partial<RtcConfig> = {}) {
    this.#pc = new PeerConnection(name, { iceServers: [], bindAddress: '127.0.0.1', ...config });
    const video = new Video('video', 'RecvOnly');
    video.addVP8Codec(VP8_PAYLOAD_TYPE);
    const audio = new Audio('audio', 'RecvOnly');
    audio.addOpusCodec(OPUS_PAYLOAD_TYPE);
    this.#tracks = [this.#receive(video, this.video), this.#receive(audio, this.audio)];
    this.#pc.onStateChange(() => this.#wake());
  }

  get state(): string {
    return this.#closed ? 'closed' : this.#pc.state();
  }

  /** The pair in use, with the address and the type of both ends. */
  get pair(): ReturnType<PeerConnection['getSelectedCandidatePair']> {
    return this.#pc.getSelectedCandidatePair();
  }

  /** The offer with every candidate in it. */
  async offer(): Promise<string> {
    const gathered = new Promise<void>((resolve) =>
      this.#pc.onGatheringStateChange((state) => {
        if (state === 'complete') resolve();
      }),
    );
    this.#pc.setLocalDescription();
    await gathered;
    const description = this.#pc.localDescription();
    if (description === null) throw new Error('libdatachannel made no offer');
    return description.sdp;
  }

  answer(sdp: string): void {
    this.#pc.setRemoteDescription(sdp, 'answer');
  }

  /** Resolves when the condition holds after some event; rejects after `limitMs`. */
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
        const seen = JSON.stringify({ video: this.video.totals, audio: this.audio.totals });
        reject(new Error(`no ${what} in ${limitMs} ms: ${this.state}, ${seen}`));
      }, limitMs);
      this.#waiters.add(check);
      check();
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const track of this.#tracks) track.close();
    this.#pc.close();
    this.#wake();
  }

  #receive(media: Video | Audio, count: RtpCount): Track {
    const track = this.#pc.addTrack(media);
    track.setMediaHandler(new RtcpReceivingSession()); // answers sender reports with receiver reports
    track.onMessage((packet) => {
      if (count.take(packet, performance.now()) && this.#waiters.size > 0) this.#wake();
    });
    return track;
  }

  #wake(): void {
    for (const waiter of [...this.#waiters]) waiter();
  }
}
