import { WrtcClient } from './wrtc-client.js';

export interface Envelope {
  readonly code: number;
  readonly msg: string;
  readonly data?: unknown;
}

/** Speaks to a server exactly as the pages and scripts of LiveTalking do. */
export class LiveTalkingClient {
  #viewer: WrtcClient | undefined;
  readonly #url: string;
  sessionid = '';
  /** Data of the unnamed events, once `listen` was called. */
  readonly events: { status: string; text: string }[] = [];
  #reading: Promise<void> | undefined;

  constructor(url: string) {
    this.#url = url;
  }

  /** Made when it is first asked for, and to be closed: an open one keeps the process alive. */
  get viewer(): WrtcClient {
    return (this.#viewer ??= new WrtcClient(['video', 'audio']));
  }

  close(): void {
    this.#viewer?.close();
  }

  /** Gathers every candidate, then offers. Returns the answer's JSON where it is a refusal. */
  async offer(more: object = {}): Promise<Envelope | undefined> {
    const sdp = await this.viewer.offer();
    const answer = await this.post('/offer', { sdp, type: 'offer', ...more });
    const { type, sessionid, sdp: answerSdp } = answer as unknown as Record<string, string>;
    if (type !== 'answer' || sessionid === undefined || answerSdp === undefined) return answer;
    this.sessionid = sessionid;
    await this.viewer.answer(answerSdp);
    return undefined;
  }

  /** POSTs JSON; the answer is HTTP 200 whatever it says. */
  async post(path: string, body: object): Promise<Envelope> {
    return this.#json(
      await fetch(this.#url + path, {
        method: 'POST',
        // As its page sends it.
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
      }),
    );
  }

  async ask(path: string, method = 'GET'): Promise<Envelope> {
    return this.#json(await fetch(this.#url + path, { method }));
  }

  async form(path: string, fields: Record<string, string | Blob>): Promise<Envelope> {
    const body = new FormData();
    for (const [name, value] of Object.entries(fields))
      if (typeof value === 'string') body.append(name, value);
      else body.append(name, value, 'upload.bin');
    return this.#json(await fetch(this.#url + path, { method: 'POST', body }));
  }

  /** Of this client's session. */
  human(text: string, more: object = {}): Promise<Envelope> {
    return this.post('/human', { text, type: 'echo', interrupt: false, sessionid: this.sessionid, ...more });
  }

  async isSpeaking(): Promise<boolean> {
    return (await this.post('/is_speaking', { sessionid: this.sessionid })).data === true;
  }

  /** Resolves when the stream is open; `ended` when the server ended it. */
  async listen(): Promise<{ ended: Promise<void> }> {
    const response = await fetch(`${this.#url}/sse?sessionid=${this.sessionid}`);
    if (!response.headers.get('content-type')?.startsWith('text/event-stream'))
      throw new Error(`no events: ${await response.text()}`);
    this.#reading = this.#read(response);
    return { ended: this.#reading };
  }

  async #read(response: Response): Promise<void> {
    let rest = '';
    for await (const part of response.body!) {
      rest += Buffer.from(part as Uint8Array).toString('utf8');
      const events = rest.split('\n\n');
      rest = events.pop() ?? '';
      for (const event of events) {
        const line = event.split('\n').find((one) => one.startsWith('data: '));
        if (/^event:/m.test(event)) throw new Error(`its EventSource hears no named event: ${event}`);
        if (line !== undefined)
          this.events.push(JSON.parse(line.slice(6)) as { status: string; text: string });
      }
    }
  }

  async #json(response: Response): Promise<Envelope> {
    if (response.status !== 200) throw new Error(`status ${response.status}: ${await response.text()}`);
    return (await response.json()) as Envelope;
  }
}
