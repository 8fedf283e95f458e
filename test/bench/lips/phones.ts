import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { cached, hashOfFile } from './cache.js';
import { PHONE_NAMES, type Phone } from './shape-table.js';
import { DICTIONARY, listen, type Segment } from './sphinx.js';

/** Raise it whenever the same sound would give other phones. */
const VERSION = 'phones 1';

/** Where the words came from: the clip's own list, the grammar that the corpus was read from, or free recognition. */
export type WordSource = 'align file' | 'GRID grammar' | 'recognised';

export interface ClipPhones {
  readonly source: WordSource;
  readonly words: readonly string[];
  readonly phones: readonly Phone[];
}

/** Every sentence of the GRID corpus; a letter is called `a.` in the recogniser's dictionary. */
const GRID_SENTENCE = [
  '(bin | lay | place | set) (blue | green | red | white) (at | by | in | with)',
  `(${[...'abcdefghijklmnopqrstuvxyz'].map((letter) => `${letter}.`).join(' | ')})`,
  '(zero | one | two | three | four | five | six | seven | eight | nine) (again | now | please | soon)',
].join(' ');

/**
 * The phones of a clip's sound by forced alignment: first its words, then the phones of these words in a dictionary in
 * which every word is one phone. Words come from `align/NAME.align` beside the clip (GRID: times in 1/25000 s, not
 * used), from GRID's grammar if the clip's folder is named after that corpus, else from recognition.
 */
export async function alignPhones(file: string, pcm16k: Float32Array): Promise<ClipPhones> {
  const alignFile = path.join(path.dirname(file), 'align', `${path.parse(file).name}.align`);
  const own = await readFile(alignFile, 'utf8').catch(() => undefined);
  const isGrid = /grid/i.test(path.basename(path.dirname(file)));
  return cached([VERSION, await hashOfFile(file), own ?? '', String(isGrid)], async () => {
    const dictionary = await pronunciations();
    let source: WordSource = 'recognised';
    let words: string[];
    if (own !== undefined) {
      source = 'align file';
      words = wordsOfAlign(own);
    } else if (isGrid) {
      source = 'GRID grammar';
      words = spoken(await listen(pcm16k, { sentence: GRID_SENTENCE, dictionary: DICTIONARY }));
    } else {
      words = spoken(await listen(pcm16k, 'english'));
    }
    const sentence = words
      .map((word) => dictionary.get(word) ?? [])
      .filter((variants) => variants.length > 0)
      .map((variants) => `(${variants.join(' | ')})`)
      .join(' ');
    return { source, words, phones: sentence === '' ? [] : await phonesOf(pcm16k, sentence) };
  });
}

async function phonesOf(pcm16k: Float32Array, sentence: string): Promise<Phone[]> {
  const folder = await mkdtemp(path.join(tmpdir(), 'musecast-phones-'));
  try {
    const dictionary = path.join(folder, 'phones.dict');
    await writeFile(dictionary, PHONE_NAMES.map((name) => `${name} ${name.toUpperCase()}\n`).join(''));
    const segments = await listen(pcm16k, { sentence, dictionary });
    return segments.map(({ word, startMs, endMs }) => ({
      name: /^[a-z]+(\(\d+\))?$/.test(word) ? word.replace(/\(.*/, '') : 'sil',
      startMs,
      endMs,
    }));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function spoken(segments: readonly Segment[]): string[] {
  return segments.map(({ word }) => word).filter((word) => /^[a-z']/.test(word));
}

function wordsOfAlign(text: string): string[] {
  return text
    .trim()
    .split('\n')
    .map((row) => row.trim().split(/\s+/)[2]!)
    .filter((word) => word !== 'sil' && word !== 'sp')
    .map((word) => (word.length === 1 ? `${word}.` : word));
}

/** Word to its ways of saying it; a recognised `the(2)` names one of them, a plain word from a list has all. */
async function pronunciations(): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  for (const row of (await readFile(DICTIONARY, 'utf8')).split('\n')) {
    const [entry, ...phones] = row.trim().toLowerCase().split(/\s+/);
    if (entry === undefined || phones.length === 0) continue;
    const spelling = phones.join(' ');
    const word = entry.replace(/\(\d+\)$/, '');
    found.set(word, [...(found.get(word) ?? []), spelling]);
    if (word !== entry) found.set(entry, [spelling]);
  }
  return found;
}
