import { ApiError, problemSentence, whipUrl, type Session } from './api.js';

const CONNECT_LIMIT_MS = 10_000;

/** The visitor's microphone on its way to a session (WHIP, RFC 9725). */
export class Microphone {
  readonly #pc: RTCPeerConnection;
  readonly #tracks: MediaStreamTrack[];
  #location: string | undefined;

  private constructor(pc: RTCPeerConnection, tracks: MediaStreamTrack[]) {
    this.#pc = pc;
    this.#tracks = tracks;
  }

  /** Asks for the microphone and resolves once the session hears it. `onEnded`: the connection was lost. */
  static async open(session: Session, onEnded: () => void): Promise<Microphone> {
    const devices = navigator.mediaDevices as MediaDevices | undefined;
    if (devices === undefined)
      throw new Error('This page may not use a microphone: it must come over https, or from localhost.');
    const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
    const stream = await devices.getUserMedia({ audio }).catch((error: unknown) => {
      throw new Error(`The microphone cannot be used (${error instanceof Error ? error.name : 'unknown'}).`);
    });
    const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    const microphone = new Microphone(pc, stream.getTracks());
    try {
      for (const track of stream.getAudioTracks())
        pc.addTransceiver(track, { direction: 'sendonly', streams: [stream] });
      await microphone.#publish(whipUrl(session));
    } catch (error) {
      await microphone.close();
      throw error;
    }
    pc.onconnectionstatechange = () => {
      if (pc.connectionState === 'failed' || pc.connectionState === 'closed') onEnded();
    };
    return microphone;
  }

  async #publish(url: string): Promise<void> {
    await this.#pc.setLocalDescription();
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/sdp' },
      body: this.#pc.localDescription?.sdp ?? '',
    });
    const text = await response.text();
    if (!response.ok) throw new ApiError(response.status, problemSentence(response.status, text));
    this.#location = new URL(response.headers.get('location') ?? '', new URL(url, location.href)).href;
    await this.#pc.setRemoteDescription({ type: 'answer', sdp: text });
    await new Promise<void>((resolve, reject) => {
      const limit = setTimeout(
        () => reject(new Error('The microphone could not be connected to the server.')),
        CONNECT_LIMIT_MS,
      );
      const look = (): void => {
        if (this.#pc.connectionState !== 'connected') return;
        clearTimeout(limit);
        resolve();
      };
      this.#pc.onconnectionstatechange = look;
      look();
    });
  }

  /** Never rejects. */
  async close(): Promise<void> {
    this.#pc.onconnectionstatechange = null;
    for (const track of this.#tracks) track.stop();
    this.#pc.close();
    if (this.#location !== undefined)
      await fetch(this.#location, { method: 'DELETE', keepalive: true }).catch(() => undefined);
  }
}
