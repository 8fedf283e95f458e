import { AppError } from '../errors.js';

/** What a viewer's offer asks for, as far as it decides whether and how we answer. */
export interface Offer {
  /** All sections, in order: an answer repeats them one by one. */
  readonly sections: readonly OfferedSection[];
  /** Of the section under whose transport the bundle runs. */
  readonly ice: { readonly ufrag: string; readonly pwd: string };
  /** User fragments of all sections; a trickled candidate must belong to one of them. */
  readonly ufrags: ReadonlySet<string>;
  readonly fingerprints: readonly { readonly algorithm: string; readonly value: string }[];
  /** Values of the `a=candidate` lines. */
  readonly candidates: readonly string[];
  readonly iceLite: boolean;
}

export interface OfferedSection {
  readonly kind: string;
  /** Third word of the m-line. */
  readonly protocol: string;
  /** Formats of the m-line, as they stand there. */
  readonly formats: string;
  readonly mid: string | undefined;
  /** Absent: the section is answered with port 0. */
  readonly codec: OfferedCodec | undefined;
}

export type VideoCodec = 'VP8' | 'H264';

export interface OfferedCodec {
  readonly name: 'opus' | VideoCodec;
  readonly payloadType: number;
  /** Of H.264: profile and level as offered. */
  readonly profileLevelId?: string | undefined;
  /** Of the repeats of this codec, if the viewer takes any. */
  readonly rtxPayloadType: number | undefined;
  /** `a=rtcp-fb` values offered for it. */
  readonly feedback: readonly string[];
  /** Ids of the header extensions offered, by URI. */
  readonly extensions: ReadonlyMap<string, number>;
}

const MAX_OFFER_BYTES = 100_000;
const MAX_SECTIONS = 64;
const ENCODING = {
  opus: /^opus\/48000(\/2)?$/i,
  VP8: /^VP8\/90000$/i,
  H264: /^H264\/90000$/i,
} as const;
/** Baseline, and 3.1 (encoder/h264-encoder.ts) or a higher level. */
const BASELINE = 0x42;
const LEVEL = 31;

interface Section {
  readonly kind: 'audio' | 'video' | 'other';
  readonly name: string;
  readonly protocol: string;
  readonly formats: string;
  readonly rejected: boolean;
  readonly lines: readonly string[];
}

/**
 * Reads an SDP offer (RFC 8866) against the rules for players (draft-ietf-wish-whep), who only receive, or for publishers
 * (RFC 9725), who only send, and here only sound: one transport, at most one track a kind, and no half answers: an m-section that cannot be served refuses the whole offer.
 * Throws `sdp-invalid` or `sdp-unsupported`.
 * @param codecs those of pictures that can be sent, the best first
 */
export function readOffer(
  sdp: string,
  codecs: readonly VideoCodec[] = ['VP8'],
  side: 'player' | 'publisher' = 'player',
): Offer {
  const { session, sections } = split(sdp);
  const live = sections.filter((section) => !section.rejected);
  const media = live.filter((section) => section.kind !== 'other');
  const [first] = media;
  if (first === undefined) throw unsupported('asks for neither sound nor picture');
  const of = (name: string): string[] =>
    [session, ...live.map((section) => section.lines)].flat().flatMap((line) => valueOf(line, name));
  for (const needed of ['ice-ufrag', 'ice-pwd', 'fingerprint'])
    if (of(needed).length === 0) throw invalid(`lacks a=${needed}`);
  // The section's own value, else the session's, else that of another section whose transport it shares.
  const near = (name: string): string =>
    [...first.lines, ...session].flatMap((line) => valueOf(line, name))[0] ?? of(name)[0] ?? '';
  checkBundle(session, media);
  for (const section of media) checkSection(section, session, codecs, side);
  for (const kind of ['audio', 'video'] as const) {
    const count = media.filter((section) => section.kind === kind).length;
    if (count > 1) throw unsupported(`asks for ${count} ${kind} tracks, one is the limit`);
  }
  return {
    sections: sections.map((section) => describe(section, codecs)),
    ice: { ufrag: near('ice-ufrag'), pwd: near('ice-pwd') },
    ufrags: new Set(of('ice-ufrag')),
    fingerprints: [...new Set(of('fingerprint'))].map((text) => {
      const [algorithm = '', value = ''] = text.trim().split(/\s+/);
      return { algorithm, value };
    }),
    candidates: of('candidate').map((value) => `candidate:${value}`),
    iceLite: session.includes('a=ice-lite'),
  };
}

function split(sdp: string): { session: string[]; sections: Section[] } {
  if (sdp.length > MAX_OFFER_BYTES) throw invalid(`is longer than ${MAX_OFFER_BYTES} bytes`);
  const lines = sdp.split(/\r\n|\n|\r/).filter((line) => line !== '');
  if (lines[0] !== 'v=0') throw invalid('does not begin with v=0');
  const broken = lines.find((line) => !/^[a-z]=/.test(line));
  if (broken !== undefined)
    throw invalid(`has a line that is no SDP: ${JSON.stringify(broken.slice(0, 60))}`);
  const session: string[] = [];
  const sections: (Section & { lines: string[] })[] = [];
  let current: string[] = session;
  for (const line of lines) {
    if (!line.startsWith('m=')) {
      current.push(line);
      continue;
    }
    const found = /^m=(\S+) (\d+)(?:\/\d+)? (\S+) (.+)$/.exec(line);
    if (found === null) throw invalid(`has a broken m-line: ${JSON.stringify(line.slice(0, 60))}`);
    const [, name = '', port, protocol = '', formats = ''] = found;
    current = [];
    const kind = name === 'audio' || name === 'video' ? name : 'other';
    sections.push({ kind, name, protocol, formats, rejected: port === '0', lines: current });
  }
  if (sections.length === 0) throw invalid('has no m-line');
  if (sections.length > MAX_SECTIONS)
    throw unsupported(`has ${sections.length} m-lines, ${MAX_SECTIONS} is the limit`);
  return {
    session,
    // Port 0 with bundle-only is a section that lives on another one's port (RFC 8843 section 6).
    sections: sections.map((section) => ({
      ...section,
      rejected: section.rejected && !section.lines.includes('a=bundle-only'),
    })),
  };
}

/** Sound and picture travel on one transport, so the offer must allow that. */
function checkBundle(session: readonly string[], media: readonly Section[]): void {
  if (media.length < 2) return;
  const groups = session.flatMap((line) => valueOf(line, 'group')).map((value) => value.split(' '));
  const bundled = groups.some(
    ([semantics, ...mids]) =>
      semantics === 'BUNDLE' && media.every((section) => mids.includes(midOf(section) ?? '')),
  );
  if (!bundled) throw unsupported('does not bundle its sections; max-bundle is needed');
}

function checkSection(
  section: Section,
  session: readonly string[],
  codecs: readonly VideoCodec[],
  side: 'player' | 'publisher',
): void {
  const kind = section.kind as 'audio' | 'video';
  const direction = directionOf(section.lines) ?? directionOf(session) ?? 'sendrecv';
  if (direction === 'inactive' || direction === (side === 'player' ? 'sendonly' : 'recvonly'))
    throw unsupported(
      `has an ${kind} section that is ${direction}; a ${side} offers ${side === 'player' ? 'recvonly' : 'sendonly'}`,
    );
  if (side === 'publisher' && kind === 'video')
    throw unsupported('has a video section; a session takes sound only, so offer just that');
  if (!section.protocol.endsWith('RTP/SAVPF'))
    throw unsupported(`has an ${kind} section over ${section.protocol.slice(0, 40)}; DTLS-SRTP is needed`);
  const setup = [...section.lines, ...session].flatMap((line) => valueOf(line, 'setup'))[0] ?? 'actpass';
  if (setup !== 'actpass' && setup !== 'active')
    throw unsupported(
      `has a=setup:${setup.slice(0, 20)}; the server waits for the viewer's handshake (actpass)`,
    );
  if (codecOf(section, codecs) !== undefined) return;
  if (kind === 'audio') throw unsupported('offers no Opus for audio');
  throw unsupported(
    codecs.includes('H264')
      ? 'offers for video neither VP8 nor H.264 of profile 42, level 3.1 or higher, packetization-mode 1'
      : 'offers no VP8 for video, and the ffmpeg of this server codes no H.264',
  );
}

function describe(section: Section, codecs: readonly VideoCodec[]): OfferedSection {
  const { name, protocol, formats, rejected } = section;
  const codec = rejected || section.kind === 'other' ? undefined : codecOf(section, codecs);
  return { kind: name, protocol, formats, mid: midOf(section), codec };
}

/** Of the best codec that it offers, the first payload type in the viewer's order of preference. */
function codecOf(section: Section, codecs: readonly VideoCodec[]): OfferedCodec | undefined {
  if (section.kind === 'other') return undefined;
  const names = section.kind === 'audio' ? (['opus'] as const) : codecs;
  const maps = new Map(
    section.lines.flatMap((line) => {
      const found = /^a=rtpmap:(\d+) (\S+)/.exec(line);
      return found === null ? [] : [[Number(found[1]), found[2] ?? ''] as const];
    }),
  );
  const [found] = names.flatMap((name) =>
    section.formats
      .split(' ')
      .map(Number)
      .filter((type) => ENCODING[name].test(maps.get(type) ?? ''))
      .map((payloadType) => ({ name, payloadType, profileLevelId: profileLevelId(section, payloadType) }))
      .filter((one) => name !== 'H264' || one.profileLevelId !== undefined),
  );
  if (found === undefined || found.payloadType > 127) return undefined;
  const { name, payloadType } = found;
  const aptPairs = section.lines
    .flatMap((line) => valueOf(line, 'fmtp'))
    .flatMap((value) => /^(\d+) (?:.*;\s*)?apt=(\d+)/.exec(value)?.slice(1, 3) ?? [])
    .map(Number);
  const at = aptPairs.findIndex((value, n) => n % 2 === 1 && value === payloadType);
  const rtx = at < 0 ? undefined : aptPairs[at - 1];
  const feedback = section.lines
    .flatMap((line) => valueOf(line, 'rtcp-fb'))
    .map((value) => /^(\d+|\*) (.+)$/.exec(value.trim()))
    .filter((found) => found !== null && (found[1] === '*' || Number(found[1]) === payloadType))
    .map((found) => found?.[2] ?? '');
  // Repeats are sent when asked for, so they need the asking.
  const repeats =
    rtx !== undefined && rtx <= 127 && /^rtx\//i.test(maps.get(rtx) ?? '') && feedback.includes('nack');
  return {
    name,
    payloadType,
    profileLevelId: name === 'H264' ? found.profileLevelId : undefined,
    rtxPayloadType: repeats ? rtx : undefined,
    feedback,
    extensions: new Map(
      section.lines.flatMap((line) => {
        const found = /^a=extmap:(\d+)(?:\/\S+)? (\S+)/.exec(line);
        const id = Number(found?.[1]);
        return found !== null && id >= 1 && id <= 14 ? [[found[2] ?? '', id] as const] : [];
      }),
    ),
  };
}

/** What the viewer says of H.264 (RFC 6184 section 8.1), if it takes what the server sends. */
function profileLevelId(section: Section, payloadType: number): string | undefined {
  const parameters = new Map(
    section.lines
      .flatMap((line) => valueOf(line, 'fmtp'))
      .filter((value) => value.startsWith(`${payloadType} `))
      .flatMap((value) => value.slice(`${payloadType} `.length).split(';'))
      .map((pair) => pair.trim().toLowerCase().split('='))
      .map(([name = '', value = '']) => [name, value] as const),
  );
  const id = /^([0-9a-f]{2})[0-9a-f]{2}([0-9a-f]{2})$/.exec(parameters.get('profile-level-id') ?? '');
  const fits =
    id !== null &&
    parseInt(id[1] ?? '', 16) === BASELINE &&
    parseInt(id[2] ?? '', 16) >= LEVEL &&
    parameters.get('packetization-mode') === '1';
  return fits ? id[0] : undefined;
}

/** Values of `a=<name>:` lines; the result has none or one entry, for flatMap. */
function valueOf(line: string, name: string): string[] {
  return line.startsWith(`a=${name}:`) ? [line.slice(name.length + 3)] : [];
}

function midOf(section: Section): string | undefined {
  return section.lines.flatMap((line) => valueOf(line, 'mid'))[0];
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
