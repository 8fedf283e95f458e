import type { ErrorCode } from '../../errors.js';
import type { ClockMoment } from '../../lib/shared-clock.js';
import type { EncodedPicture, RenditionName } from '../../media/frame.js';
import type { DtlsIdentity } from '../../transport/dtls-endpoint.js';
import type { LocalCandidate } from '../../transport/ice-candidate.js';
import type { AudienceDemand, AudienceReport, AudienceSettings, ViewerAnswer } from './audience.js';
import type { SoundPacket } from './fan-out.js';

/** What the server and a sender thread say to each other; plain data, copied on the way. */

export interface SenderTransportSettings {
  readonly portRange?: readonly [number, number];
  readonly tcp: boolean;
  readonly lite: boolean;
  readonly publicHosts: readonly string[];
}

/** What a sender thread is started with. */
export interface SenderStart {
  readonly transport: SenderTransportSettings;
  /** One certificate for all threads: viewers see one server. */
  readonly identity: DtlsIdentity;
  /** The clock of the server's own thread. */
  readonly moment: ClockMoment;
  readonly logLevel: string;
}

/** Calls that are answered, by their method. */
export interface SenderCalls {
  add: { args: { offerSdp: string }; result: ViewerAnswer };
  trickle: { args: { viewerId: string; fragment: string }; result: void };
  restartIce: {
    args: { viewerId: string; fragment: string };
    result: { fragment: string; etag: string };
  };
  report: { args: { listed: number }; result: AudienceReport };
}

export type SenderCall = {
  [M in keyof SenderCalls]: { readonly method: M; readonly args: SenderCalls[M]['args'] };
}[keyof SenderCalls];

/** To the audience of one session. */
export type ToAudience =
  | { readonly type: 'open'; readonly sessionId: string }
  | { readonly type: 'configure'; readonly settings: AudienceSettings }
  | { readonly type: 'picture'; readonly renditions: readonly EncodedPicture[]; readonly fps: number }
  | { readonly type: 'sound'; readonly sound: SoundPacket; readonly mediaSamples: number }
  | { readonly type: 'reports'; readonly mediaSamples: number; readonly wallMs: number }
  | { readonly type: 'cut' }
  | { readonly type: 'remove'; readonly viewerId: string }
  | { readonly type: 'call'; readonly callId: number; readonly call: SenderCall }
  | { readonly type: 'close' };

export type ToSender =
  | { readonly type: 'audience'; readonly audienceId: number; readonly message: ToAudience }
  | { readonly type: 'stop' };

/** From the audience of one session. */
export type FromAudience =
  | { readonly type: 'joined'; readonly viewerId: string; readonly etag: string }
  | { readonly type: 'gone'; readonly viewerId: string }
  /** `wish`: it shall be looked at now. */
  | { readonly type: 'demand'; readonly demand: AudienceDemand; readonly wish: boolean }
  | { readonly type: 'keyframe'; readonly rendition: RenditionName };

export type FromSender =
  | { readonly type: 'ready'; readonly candidates: readonly LocalCandidate[]; readonly port: number }
  /** Once a second. */
  | { readonly type: 'alive' }
  | { readonly type: 'failed'; readonly code: ErrorCode; readonly message: string }
  | { readonly type: 'audience'; readonly audienceId: number; readonly message: FromAudience }
  | { readonly type: 'answer'; readonly callId: number; readonly result: unknown }
  | { readonly type: 'refusal'; readonly callId: number; readonly code: ErrorCode; readonly message: string };
