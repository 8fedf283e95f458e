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

/**
 * The talking clips below a folder (or one file), by name. In a folder named like `grid-s1` all are of one speaker, else each is of
 * another.
 */
export async function findClips(place: string, limit = Infinity): Promise<Clip[]> {
  if (!(await stat(place)).isDirectory()) return [clipOf(place)];
  const clips: Clip[] = [];
  const entries = await readdir(place, { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const inside = path.join(place, entry.name);
    if (entry.isDirectory()) clips.push(...(await findClips(inside)));
    else if (VIDEO.test(entry.name)) clips.push(clipOf(inside));
  }
  return clips.slice(0, limit);
}

function clipOf(file: string): Clip {
  const name = path.parse(file).name;
  const folder = path.basename(path.dirname(path.resolve(file)));
  return { file, name, speaker: ONE_SPEAKER.test(folder) ? folder : `${folder}/${name}` };
}
