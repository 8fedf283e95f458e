import { AppError } from '../errors.js';

/** What a player's offer asks for, as far as it decides whether and how we answer. */
export interface Offer {
  readonly audio: boolean;
  readonly video: boolean;
  /** ICE user fragments of all sections; a trickled candidate must belong to one of them. */
  readonly ufrags: ReadonlySet<string>;
  /** `a=mid` of the first accepted section, under whose transport a bundle runs. */
  readonly mid: string | undefined;
}

const MAX_OFFER_BYTES = 100_000;
const CODEC = { audio: /^opus\/48000(\/2)?$/i, video: /^VP8\/90000$/i } as const;
const NAME = { audio: 'Opus', video: 'VP8' } as const;

interface Section {
  readonly kind: string;
  readonly rejected: boolean;
  readonly lines: readonly string[];
}

/**
 * Reads an SDP offer (RFC 8866) against the rules for players (draft-ietf-wish-whep): receive only, at most one
 * track a kind, and no half answers: an m-section that cannot be served refuses the whole offer.
 * Throws `sdp-invalid` or `sdp-unsupported`.
 */
export function readOffer(sdp: string): Offer {
  if (sdp.length > MAX_OFFER_BYTES) throw invalid(`is longer than ${MAX_OFFER_BYTES} bytes`);
  const lines = sdp.split(/\r\n|\n|\r/).filter((line) => line !== '');
  if (lines[0] !== 'v=0') throw invalid('does not begin with v=0');
  const broken = lines.find((line) => !/^[a-z]=/.test(line));
  if (broken !== undefined)
    throw invalid(`has a line that is no SDP: ${JSON.stringify(broken.slice(0, 60))}`);

  const session: string[] = [];
  const sections: Section[] = [];
  let current: string[] = session;
  for (const line of lines) {
    if (line.startsWith('m=')) {
      const [kind = '', port = ''] = line.slice(2).split(' ');
      if (!/^\d+(\/\d+)?$/.test(port))
        throw invalid(`has an m-line without a port: ${JSON.stringify(line.slice(0, 60))}`);
      current = [];
      sections.push({ kind, rejected: port === '0', lines: current });
    } else current.push(line);
  }
  if (sections.length === 0) throw invalid('has no m-line');

  const live = sections.filter((section) => !section.rejected || section.lines.includes('a=bundle-only'));
  const media = live.filter((section) => section.kind === 'audio' || section.kind === 'video');
  if (media.length === 0) throw unsupported('asks for neither sound nor picture');
  for (const needed of ['a=ice-ufrag:', 'a=ice-pwd:', 'a=fingerprint:']) {
    if (
      ![session, ...live.map((section) => section.lines)].some((part) =>
        part.some((line) => line.startsWith(needed)),
      )
    ) {
      throw invalid(`lacks ${needed.slice(0, -1)}`);
    }
  }
  for (const section of media) checkSection(section, session);
  for (const kind of ['audio', 'video'] as const) {
    const count = media.filter((section) => section.kind === kind).length;
    if (count > 1) throw unsupported(`asks for ${count} ${kind} tracks, one is the limit`);
  }
  const values = (name: string): string[] =>
    [session, ...live.map((section) => section.lines)]
      .flat()
      .filter((line) => line.startsWith(name))
      .map((line) => line.slice(name.length));
  return {
    audio: media.some((section) => section.kind === 'audio'),
    video: media.some((section) => section.kind === 'video'),
    ufrags: new Set(values('a=ice-ufrag:')),
    mid: media[0]?.lines.find((line) => line.startsWith('a=mid:'))?.slice('a=mid:'.length),
  };
}

function checkSection(section: Section, session: readonly string[]): void {
  const kind = section.kind as 'audio' | 'video';
  const direction = directionOf(section.lines) ?? directionOf(session) ?? 'sendrecv';
  if (direction === 'sendonly' || direction === 'inactive') {
    throw unsupported(`has an ${kind} section that is ${direction}; a player offers recvonly`);
  }
  const known = section.lines.some((line) => {
    const codec = /^a=rtpmap:\d+ (\S+)/.exec(line)?.[1];
    return codec !== undefined && CODEC[kind].test(codec);
  });
  if (!known) throw unsupported(`offers no ${NAME[kind]} for ${kind}`);
}

function directionOf(lines: readonly string[]): string | undefined {
  return lines
    .map((line) => /^a=(sendrecv|sendonly|recvonly|inactive)$/.exec(line)?.[1])
    .find((found) => found !== undefined);
}

function invalid(what: string): AppError {
  return new AppError('sdp-invalid', `the offer ${what}`);
}

function unsupported(what: string): AppError {
  return new AppError('sdp-unsupported', `the offer ${what}`);
}
