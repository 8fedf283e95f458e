import { discoveryRows, refusalRows, type Endpoint } from './endpoint-rows.js';
import { askerWith } from './http.js';
import { restartRows, trickleRows } from './ice-rows.js';
import { Rows } from './rows.js';
import { endRows, eventRows, livingRows } from './session-rows.js';
import { createdRows, openViewer } from './viewer.js';

/**
 * Asks a WHEP endpoint (draft-ietf-wish-whep) everything that its HTTP side has to answer. Two viewers are made and ended;
 * no media flows. Rows that depend on a viewer are missing if none could be made: "POST offer" then says why.
 */
export async function whepMatrix(url: string, token: string | undefined): Promise<Rows> {
  const rows = new Rows();
  const ask = askerWith(token);
  const endpoint: Endpoint = { url, ask, rows, hasToken: token !== undefined };
  await discoveryRows(endpoint);
  await refusalRows(endpoint);
  const viewer = await openViewer(endpoint);
  if (viewer === undefined) return rows;
  // Asked for its URL alone, so its own rows are not wanted.
  const other = await openViewer({ ...endpoint, rows: new Rows() });
  createdRows(endpoint, viewer, other);
  if (other !== undefined) await ask('DELETE', other.url);
  await livingRows(endpoint, viewer);
  await eventRows(endpoint, viewer);
  await trickleRows(endpoint, viewer);
  await restartRows(endpoint, viewer);
  await endRows(endpoint, viewer);
  return rows;
}
