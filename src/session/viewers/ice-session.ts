import { randomBytes } from 'node:crypto';
import { AppError } from '../../errors.js';
import { readSdpFragment, writeSdpFragment } from '../../sdp/ice-fragment.js';
import type { Offer } from '../../sdp/offer.js';
import { candidateLine, type LocalCandidate } from '../../transport/ice-candidate.js';
import type { IceCredentials } from '../../transport/ice-agent.js';

/** What it needs of the viewer's transport. */
export interface IceSessionTransport {
  addCandidate(line: string): void;
  /** Returns our new credentials. */
  restartIce(remote: IceCredentials): IceCredentials;
}

export interface IceSessionOptions {
  readonly peerId: string;
  readonly offer: Pick<Offer, 'ufrags' | 'sections'>;
  readonly transport: IceSessionTransport;
  readonly candidates: readonly LocalCandidate[];
  readonly lite: boolean;
}

/** What a viewer's fragments say after its offer: more candidates, or a new beginning (RFC 8840, RFC 9725 section 4.3). */
export class IceSession {
  readonly #options: IceSessionOptions;
  #etag = newTag();
  /** The latest restart: the viewer's user fragment and our credentials. */
  #restart: { readonly ufrag: string; readonly local: IceCredentials } | undefined;

  constructor(options: IceSessionOptions) {
    this.#options = options;
  }

  /** Strong entity tag, with its quotes. */
  get etag(): string {
    return this.#etag;
  }

  /** A trickled fragment. @throws sdp-invalid; not-supported if it is of another ICE session */
  addCandidates(sdpFragment: string): void {
    const { peerId, offer, transport } = this.#options;
    const { ufrag, candidates } = readSdpFragment(sdpFragment);
    if (ufrag !== undefined && !offer.ufrags.has(ufrag) && ufrag !== this.#restart?.ufrag)
      throw new AppError('not-supported', `peer ${peerId} was offered other ICE credentials`);
    for (const candidate of candidates) transport.addCandidate(candidate);
  }

  /**
   * The viewer starts ICE anew (RFC 8445 section 2.4); media flow on over the old path until the new one is there.
   * Returns the fragment to answer with; the entity tag changes. @throws sdp-invalid
   */
  restart(sdpFragment: string): string {
    const { offer, transport, lite } = this.#options;
    const { ufrag, pwd, candidates } = readSdpFragment(sdpFragment);
    if (ufrag === undefined || pwd === undefined)
      throw new AppError('sdp-invalid', 'an ICE restart needs a=ice-ufrag and a=ice-pwd');
    if (offer.ufrags.has(ufrag))
      throw new AppError('sdp-invalid', 'an ICE restart needs credentials that were not used before');
    // The same again: the viewer did not get our answer.
    const local = this.#restart?.ufrag === ufrag ? this.#restart.local : transport.restartIce({ ufrag, pwd });
    if (this.#restart?.ufrag !== ufrag) this.#etag = newTag();
    this.#restart = { ufrag, local };
    for (const candidate of candidates) transport.addCandidate(candidate);
    const tagged = offer.sections.find(({ codec }) => codec !== undefined);
    return writeSdpFragment({
      kind: tagged?.kind ?? 'audio',
      mid: tagged?.mid,
      ...local,
      lite,
      candidates: this.#options.candidates.map(candidateLine),
    });
  }
}

function newTag(): string {
  return `"${randomBytes(16).toString('hex')}"`;
}
