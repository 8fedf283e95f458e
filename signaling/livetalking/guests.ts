import { AppError } from '../../src/errors.js';
import type { SessionInfo, SessionsPort } from '../ports.js';
import { customConfigSchema, type CustomConfig } from './schemas.js';

/** What an offer asked for, beside the session itself. */
export interface Guest {
  /** The voice of its text. */
  readonly voice: string | undefined;
  readonly customs: CustomConfig;
}

/** What may be asked for with an offer; `null` and empty mean nothing. */
export interface GuestWishes {
  readonly avatar?: string | null | undefined;
  readonly refaudio?: string | null | undefined;
  readonly custom_config?: string | null | undefined;
}

export interface Joined {
  readonly sessionId: string;
  readonly peerId: string;
  readonly answerSdp: string;
}

/** The sessions that were opened by an offer. Each lives as long as somebody watches it: its client knows no other end. */
export class Guests {
  readonly #sessions: SessionsPort;
  readonly #avatarId: string;
  readonly #maxSessions: number;
  readonly #guests = new Map<string, Guest>();

  constructor(sessions: SessionsPort, options: { avatarId: string; maxSessions: number }) {
    this.#sessions = sessions;
    this.#avatarId = options.avatarId;
    this.#maxSessions = options.maxSessions;
  }

  /** Undefined for a session that came about otherwise. */
  get(sessionId: string): Guest | undefined {
    return this.#guests.get(sessionId);
  }

  /** @throws no-capacity in LiveTalking's words, avatar-not-found, sdp-invalid, sdp-unsupported, invalid-argument */
  async join(offerSdp: string, wishes: GuestWishes): Promise<Joined> {
    const guest: Guest = { voice: voiceOf(wishes.refaudio), customs: customsOf(wishes.custom_config) };
    const { id: sessionId } = await this.#create(wishes.avatar || this.#avatarId);
    this.#guests.set(sessionId, guest);
    const off = this.#sessions.subscribe(sessionId, ({ event, data }) => {
      if (event === 'session.viewers' && data.viewers === 0) void this.#end(sessionId);
      if (event !== 'session.ended') return;
      this.#guests.delete(sessionId);
      off();
    });
    try {
      return { sessionId, ...(await this.#sessions.addPeer(sessionId, offerSdp)) };
    } catch (error) {
      await this.#end(sessionId);
      throw error;
    }
  }

  async #create(avatarId: string): Promise<SessionInfo> {
    try {
      return await this.#sessions.create({ avatarId });
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'no-capacity') throw error;
      // Those that are being opened count, too.
      const most = this.#maxSessions;
      throw new AppError('no-capacity', `Maximum session limit reached (${most}/${most})`, { cause: error });
    }
  }

  async #end(sessionId: string): Promise<void> {
    await this.#sessions.stop(sessionId).catch(() => {}); // it ended by itself meanwhile
  }
}

/** A voice by its name. What names a file to be imitated is nothing for a service that has voices. */
function voiceOf(refaudio: string | null | undefined): string | undefined {
  if (refaudio === null || refaudio === undefined) return undefined;
  const isName = /^[\x21-\x7e]{1,128}$/.test(refaudio) && !/[\\/]|\.(wav|mp3|flac|ogg|m4a)$/i.test(refaudio);
  return isName ? refaudio : undefined;
}

function customsOf(json: string | null | undefined): CustomConfig {
  if (json === null || json === undefined || json.trim() === '') return [];
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new AppError('invalid-argument', 'custom_config is not JSON');
  }
  const parsed = customConfigSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new AppError(
    'invalid-argument',
    `custom_config: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`,
  );
}
