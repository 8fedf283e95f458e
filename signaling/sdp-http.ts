import type { Context } from 'hono';
import { isAppError } from '../src/errors.js';
import { HttpRefusal } from './problem.js';
import { mediaTypeOf, readBody } from './request-body.js';

/**
 * What WHEP (draft-ietf-wish-whep) and WHIP (RFC 9725) have in common: bodies of SDP, the 201 that answers an offer, and
 * the PATCH that trickles candidates or restarts ICE.
 */

export const SDP = 'application/sdp';
export const ICE_FRAGMENT = 'application/trickle-ice-sdpfrag';
const MAX_SDP_BYTES = 65_536;

/** @throws HttpRefusal 415, and 400 for what is no SDP with a media section. */
export async function readOfferBody(c: Context): Promise<string> {
  assertMediaType(c, SDP);
  const offer = await readText(c);
  if (!/^v=0\r?\n/.test(offer) || !/^m=/m.test(offer)) throw malformed('the body is not an SDP offer');
  return offer;
}

/** The headers of the 201 that answers an offer (RFC 9725 section 4.2). */
export function createdHeaders(answer: {
  location: string;
  etag: string;
  links: readonly string[];
}): Record<string, string | string[]> {
  return {
    'Content-Type': SDP,
    Location: answer.location,
    ETag: answer.etag,
    // Only older drafts ask for it; it tells their players that they may trickle.
    'Accept-Patch': ICE_FRAGMENT,
    'Cache-Control': 'no-store',
    ...(answer.links.length > 0 ? { Link: [...answer.links] } : {}),
  };
}

export interface IcePatch {
  /** `restart` brings new credentials and asks for ours; `trickle` brings candidates of the session that runs. */
  readonly kind: 'trickle' | 'restart';
  readonly fragment: string;
}

/**
 * Reads a PATCH against the ETag of the ICE session that runs (RFC 9725 section 4.3). `lenient` takes a missing If-Match
 * for the right one. @throws HttpRefusal 400, 412, 413, 415, 428
 */
export async function readIcePatch(c: Context, tag: string, lenient: boolean): Promise<IcePatch> {
  assertMediaType(c, ICE_FRAGMENT);
  const ifMatch = c.req.header('if-match')?.trim();
  if (ifMatch === undefined && !lenient)
    throw new HttpRefusal(
      428,
      'precondition-required',
      'If-Match with the ETag of the ICE session is required',
    );
  // Strong comparison (RFC 9110 section 8.8.3.2): a weak tag never matches, and a list does if one of its tags does.
  if (ifMatch !== undefined && ifMatch !== '*' && !ifMatch.split(',').some((one) => one.trim() === tag))
    throw new HttpRefusal(412, 'precondition-failed', `If-Match ${ifMatch.slice(0, 200)} is stale`);
  const fragment = await readText(c);
  const has = (line: RegExp): boolean => line.test(fragment);
  if (ifMatch === '*') {
    if (!has(/^a=ice-ufrag:\S/m) || !has(/^a=ice-pwd:\S/m))
      throw malformed('an ICE restart needs a=ice-ufrag and a=ice-pwd');
    return { kind: 'restart', fragment };
  }
  if (!has(/^a=(candidate:|end-of-candidates|ice-ufrag:)/m))
    throw malformed('the body is not an ICE fragment');
  return { kind: 'trickle', fragment };
}

/** What a session does not support of {trickle, restart} is 422 (RFC 9725 section 4.3.1), not our general 501. */
export async function unsupportedAs422<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (isAppError(error, 'not-supported')) throw new HttpRefusal(422, error.code, error.message);
    throw error;
  }
}

function assertMediaType(c: Context, wanted: typeof SDP | typeof ICE_FRAGMENT): void {
  const got = mediaTypeOf(c);
  if (got === wanted) return;
  throw new HttpRefusal(415, 'unsupported-media-type', `expected ${wanted}, got "${got}"`, {
    headers: { [wanted === SDP ? 'Accept-Post' : 'Accept-Patch']: wanted },
  });
}

async function readText(c: Context): Promise<string> {
  return (await readBody(c, MAX_SDP_BYTES)).toString('utf8');
}

function malformed(sentence: string): HttpRefusal {
  return new HttpRefusal(400, 'sdp-invalid', sentence);
}
