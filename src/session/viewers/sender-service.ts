import { AppError, toAppError } from '../../errors.js';
import type { Audience, AudienceEvents } from './audience.js';
import type { FromAudience, FromSender, SenderCall, ToAudience } from './sender-messages.js';

export interface SenderServiceOptions {
  openAudience(sessionId: string, events: AudienceEvents): Audience;
  post(message: FromSender): void;
}

interface Hosted {
  readonly audience: Audience;
  readonly post: (message: FromAudience) => void;
  /** The demand that was told last. */
  told: string;
}

/** The inside of a sender thread: holds audiences and does what the messages say. */
export class SenderService {
  readonly #options: SenderServiceOptions;
  readonly #hosted = new Map<number, Hosted>();

  constructor(options: SenderServiceOptions) {
    this.#options = options;
  }

  receive(audienceId: number, message: ToAudience): void {
    if (message.type === 'open') {
      this.#open(audienceId, message.sessionId);
      return;
    }
    const hosted = this.#hosted.get(audienceId);
    if (message.type === 'call') void this.#answer(message.callId, message.call, hosted?.audience);
    else if (hosted !== undefined) this.#do(audienceId, hosted.audience, message);
  }

  /** Called every 100 ms: tells the demands that changed. */
  tellDemand(): void {
    for (const hosted of this.#hosted.values()) this.#tell(hosted, false);
  }

  close(): void {
    for (const { audience } of this.#hosted.values()) audience.close();
    this.#hosted.clear();
  }

  #open(audienceId: number, sessionId: string): void {
    const post = (message: FromAudience): void =>
      this.#options.post({ type: 'audience', audienceId, message });
    const audience: Audience = this.#options.openAudience(sessionId, {
      onWish: () => this.#tell(hosted, true),
      onKeyframeWanted: (rendition) => post({ type: 'keyframe', rendition }),
      onJoined: (viewerId) => post({ type: 'joined', viewerId, etag: audience.etagOf(viewerId) ?? '' }),
      onGone: (viewerId) => post({ type: 'gone', viewerId }),
    });
    const hosted: Hosted = { audience, post, told: '' };
    this.#hosted.set(audienceId, hosted);
  }

  #do(audienceId: number, audience: Audience, message: Exclude<ToAudience, { type: 'open' | 'call' }>): void {
    switch (message.type) {
      case 'picture':
        return audience.sendPicture(message.renditions, message.fps);
      case 'sound':
        return audience.sendSound(message.sound, message.mediaSamples);
      case 'reports':
        return audience.sendSenderReports(message.mediaSamples, message.wallMs);
      case 'cut':
        return audience.cut();
      case 'configure':
        return audience.configure(message.settings);
      case 'remove':
        // It may have left by itself while the message was under way.
        if (audience.etagOf(message.viewerId) !== undefined) audience.remove(message.viewerId);
        return;
      case 'close':
        this.#hosted.delete(audienceId);
        audience.close();
    }
  }

  async #answer(callId: number, call: SenderCall, audience: Audience | undefined): Promise<void> {
    try {
      if (audience === undefined) throw new AppError('session-closed', 'the session has ended');
      this.#options.post({ type: 'answer', callId, result: await perform(audience, call) });
    } catch (error) {
      const { code, message } = toAppError(error);
      this.#options.post({ type: 'refusal', callId, code, message });
    }
  }

  #tell(hosted: Hosted, wish: boolean): void {
    const { demand } = hosted.audience;
    const { renditions, slimSound, worstLossShare } = demand;
    const told = JSON.stringify([[...renditions], slimSound, worstLossShare.toFixed(2)]);
    if (!wish && told === hosted.told) return;
    hosted.told = told;
    hosted.post({ type: 'demand', demand, wish });
  }
}

function perform(audience: Audience, call: SenderCall): Promise<unknown> {
  switch (call.method) {
    case 'add':
      return audience.add(call.args.offerSdp);
    case 'trickle':
      return audience.trickle(call.args.viewerId, call.args.fragment);
    case 'restartIce':
      return audience.restartIce(call.args.viewerId, call.args.fragment);
    case 'report':
      return audience.report(call.args.listed);
  }
}
