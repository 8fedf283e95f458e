import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

/** Debian's packages pocketsphinx and pocketsphinx-en-us. */
const PROGRAM = '/usr/bin/pocketsphinx_batch';
const MODEL = '/usr/share/pocketsphinx/model/en-us';
export const DICTIONARY = path.join(MODEL, 'cmudict-en-us.dict');

export const NOT_INSTALLED =
  'pocketsphinx is not installed (Debian: apt-get install pocketsphinx pocketsphinx-en-us)';

export function sphinxIsInstalled(): boolean {
  return existsSync(PROGRAM) && existsSync(DICTIONARY);
}

export interface Segment {
  readonly word: string;
  readonly startMs: number;
  readonly endMs: number;
}

/** What to listen for: free English, or sentences of a grammar (JSGF, the rule's right side) in words of a dictionary file. */
export type Listening = 'english' | { readonly sentence: string; readonly dictionary: string };

/**
 * Between two frames of 10 ms lies this, after the earlier one's first sample: its window is 25.6 ms long.
 */
const FRAME_EDGE_MS = 8;
/** Much wider than usual: the sentence is known, so it must be found even in bad sound. */
const WIDE_BEAMS = ['-beam', '1e-120', '-wbeam', '1e-100', '-pbeam', '1e-120'];

/** Listens to 16 kHz mono sound (-1..1). Empty if the sentence was not found in it. */
export async function listen(pcm16k: Float32Array, listening: Listening): Promise<Segment[]> {
  const folder = await mkdtemp(path.join(tmpdir(), 'musecast-sphinx-'));
  const file = (name: string): string => path.join(folder, name);
  try {
    await writeFile(
      file('sound.raw'),
      Int16Array.from(pcm16k, (value) => value * 32_767),
    );
    await writeFile(file('list'), 'sound\n');
    const search =
      listening === 'english'
        ? ['-lm', path.join(MODEL, 'en-us.lm.bin'), '-dict', DICTIONARY]
        : ['-jsgf', file('grammar'), '-dict', listening.dictionary, '-bestpath', 'no', ...WIDE_BEAMS];
    if (listening !== 'english') {
      const text = `#JSGF V1.0;\ngrammar bench;\npublic <sentence> = ${listening.sentence};\n`;
      await writeFile(file('grammar'), text);
    }
    await promisify(execFile)(PROGRAM, [
      ...['-hmm', path.join(MODEL, 'en-us'), ...search, '-logfn', file('log')],
      ...['-ctl', file('list'), '-cepdir', folder, '-cepext', '.raw', '-adcin', 'yes'],
      // Silence that is taken out would take its time with it.
      ...['-remove_silence', 'no', '-hypseg', file('segments')],
    ]);
    return parseSegments(await readFile(file('segments'), 'utf8'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** `name S n T n A n L n` and then `frame score score word` for each word, at last the frame after the end. */
function parseSegments(line: string): Segment[] {
  const tokens = line.trim().split(/\s+/);
  const rows = tokens.slice(tokens.indexOf('L') + 2);
  const timeMs = (token: string | undefined): number => {
    const frame = Number(token);
    return frame === 0 ? 0 : frame * 10 + FRAME_EDGE_MS;
  };
  return Array.from({ length: Math.floor(rows.length / 4) }, (_, k) => ({
    word: rows[4 * k + 3]!,
    startMs: timeMs(rows[4 * k]),
    endMs: timeMs(rows[4 * k + 4]),
  }));
}
