import * as api from './api.js';
import { byId, pause, sentence } from './dom.js';

const LOOK_MS = 1000;

/** The Record button, and what was recorded last as a file to keep. */
export class RecordingPanel {
  readonly #options: RecordingPanelOptions;
  readonly #button = byId('record', HTMLButtonElement);
  readonly #webm = byId('recording-webm', HTMLAnchorElement);
  readonly #mp4 = byId('recording-mp4', HTMLButtonElement);
  /** The session that is recorded, until the recording has ended. */
  #session: api.Session | undefined;
  /** The one that can be fetched. */
  #kept: api.Recording | undefined;

  constructor(options: RecordingPanelOptions) {
    this.#options = options;
    this.#button.onclick = () => void this.#toggle();
    this.#mp4.onclick = () => void this.#fetchMp4();
  }

  async #toggle(): Promise<void> {
    this.#options.onError('');
    this.#button.disabled = true;
    try {
      const running = this.#session;
      if (running !== undefined) this.#ended(await api.stopRecording(running));
      else await this.#start();
    } catch (error) {
      this.#options.onError(sentence(error));
      this.#show('Record');
    } finally {
      this.#button.disabled = false;
    }
  }

  async #start(): Promise<void> {
    const session = await this.#options.session();
    await api.startRecording(session);
    this.#session = session;
    this.#kept = undefined;
    this.#show('Stop recording');
    void this.#follow(session);
  }

  /** It may end by itself: with its session, or at a limit. */
  async #follow(session: api.Session): Promise<void> {
    while (this.#session === session) {
      await pause(LOOK_MS, new AbortController().signal);
      const now = await api.getRecording(session).catch((error: unknown) => {
        if (api.isGone(error)) this.#session = undefined;
        return undefined;
      });
      if (this.#session !== session || now === undefined) continue;
      if (now.state === 'recording') this.#show(`Stop recording (${playingTime(now.durationMs)})`);
      else this.#ended(now);
    }
  }

  #ended(recording: api.Recording): void {
    this.#session = undefined;
    this.#kept = recording.sizeBytes > 0 ? recording : undefined;
    const { durationMs, sizeBytes } = recording;
    this.#webm.textContent = `Save ${playingTime(durationMs)} as WebM (${(sizeBytes / 1e6).toFixed(1)} MB)`;
    this.#webm.href = api.recordingUrl(recording);
    this.#mp4.textContent = 'Save as MP4';
    this.#show('Record');
  }

  /** The server makes it while we wait. */
  async #fetchMp4(): Promise<void> {
    const recording = this.#kept;
    if (recording === undefined) return;
    this.#options.onError('');
    this.#mp4.disabled = true;
    try {
      for (;;) {
        const made = await api.askForMp4(recording);
        if (made === undefined) break;
        this.#mp4.textContent = `Making MP4 ${Math.round(100 * made)} %`;
        await pause(LOOK_MS, new AbortController().signal);
      }
      this.#mp4.textContent = 'Save as MP4';
      const link = document.createElement('a');
      link.href = api.recordingUrl(recording, 'mp4');
      link.download = '';
      link.click();
    } catch (error) {
      this.#mp4.textContent = 'Save as MP4';
      this.#options.onError(sentence(error));
    } finally {
      this.#mp4.disabled = false;
    }
  }

  #show(text: string): void {
    this.#button.textContent = text;
    this.#button.setAttribute('aria-pressed', String(this.#session !== undefined));
    this.#webm.hidden = this.#mp4.hidden = this.#kept === undefined;
  }
}

export interface RecordingPanelOptions {
  /** The live one; rejects with a sentence for the visitor where there is none. */
  session(): Promise<api.Session>;
  /** A sentence, or nothing to take the last one away. */
  onError(text: string): void;
}

/** `1:05` */
function playingTime(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
