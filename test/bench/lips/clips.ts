import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';

export interface Clip {
  readonly file: string;
  readonly name: string;
  readonly speaker: string;
}

const VIDEO = /\.(mp4|mpg|mpeg|mov|mkv|webm|avi|m4v)$/i;
/** A folder called like this holds clips of one speaker: grid-s1, s12. */
const ONE_SPEAKER = /^(.*-)?s\d+$/i;

export interface ClipSet {
  readonly name: string;
  readonly clips: readonly Clip[];
}

/** Each folder is a set; all single files together are one. At most `limit` clips of each. */
export async function findSets(places: readonly string[], limit: number): Promise<ClipSet[]> {
  const sets: ClipSet[] = [];
  const single: Clip[] = [];
  for (const place of places) {
    if ((await stat(place)).isDirectory())
      sets.push({
        name: path.basename(path.resolve(place)),
        clips: (await clipsBelow(place)).slice(0, limit),
      });
    else single.push(clipOf(place));
  }
  return single.length === 0 ? sets : [...sets, { name: 'named clips', clips: single.slice(0, limit) }];
}

/**
 * The talking clips below a folder, by name. In a folder named like `grid-s1` all are of one speaker, else each is of
 * another.
 */
async function clipsBelow(folder: string): Promise<Clip[]> {
  const clips: Clip[] = [];
  const entries = await readdir(folder, { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const inside = path.join(folder, entry.name);
    if (entry.isDirectory()) clips.push(...(await clipsBelow(inside)));
    else if (VIDEO.test(entry.name)) clips.push(clipOf(inside));
  }
  return clips;
}

function clipOf(file: string): Clip {
  const name = path.parse(file).name;
  const folder = path.basename(path.dirname(path.resolve(file)));
  return { file, name, speaker: ONE_SPEAKER.test(folder) ? folder : `${folder}/${name}` };
}
