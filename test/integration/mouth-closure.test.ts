import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { findFfmpeg } from '../../src/adapters/ffmpeg.js';
import { decodeAudio } from '../../src/audio/decode.js';
import { MouthModel } from '../../src/engine/cpu/mouth-model.js';
import { silentLog } from '../../src/lib/log.js';
import { Downsampler48To16 } from '../../src/media/resample.js';

const GRID = path.resolve('..', 'shared', 'data', 'lips', 'grid-s1');
/** Words that begin with shut lips, and words whose vowel opens them wide. */
const LIPS_SHUT_FIRST = new Set(['blue', 'by', 'please', 'b', 'p']);
const WIDE = new Set(['white', 'at', 'now', 'again', 'five', 'nine', 'i', 'r']);

interface Word {
  text: string;
  startS: number;
  endS: number;
}

async function wordsOf(clip: string): Promise<Word[]> {
  const rows = await readFile(path.join(GRID, 'align', clip.replace('.mpg', '.align')), 'utf8');
  return rows
    .trim()
    .split('\n')
    .map((row) => {
      const [start, end, text] = row.trim().split(' ');
      return { text: text!, startS: Number(start) / 25_000, endS: Number(end) / 25_000 };
    });
}

test(
  'a real talker, whom the network learnt from: lips meet at p, b and m, open at wide vowels, rest before the sentence',
  { skip: existsSync(GRID) ? false : 'shared/data is absent' },
  async (t) => {
    const ffmpeg = await findFfmpeg({ log: silentLog });
    const model = await MouthModel.load(path.resolve('models'));
    const shut: number[] = [];
    const wide: number[] = [];
    const rest: number[] = [];
    try {
      for (const clip of readdirSync(GRID)
        .filter((name) => /^s.*\.mpg$/.test(name))
        .slice(0, 16)) {
        const stream = model.open();
        const down = new Downsampler48To16();
        const open: number[] = [];
        for await (const piece of decodeAudio(ffmpeg, path.join(GRID, clip))) {
          open.push(...(await stream.push(down.push(piece))).map((shape) => shape.open));
        }
        const between = (fromS: number, toS: number): number[] =>
          open.slice(Math.max(0, Math.round(fromS * 100)), Math.max(0, Math.round(toS * 100)));
        for (const [i, word] of (await wordsOf(clip)).entries()) {
          if (i === 0) rest.push(...between(0, word.endS - 0.25));
          else if (LIPS_SHUT_FIRST.has(word.text))
            shut.push(Math.min(...between(word.startS - 0.05, word.startS + 0.1)));
          else if (WIDE.has(word.text)) wide.push(Math.max(...between(word.startS, word.endS)));
        }
      }
    } finally {
      await model.close();
    }
    const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
    const seen = `shut ${mean(shut).toFixed(3)} (${shut.length}), wide ${mean(wide).toFixed(3)} (${wide.length}), rest ${mean(rest).toFixed(3)}`;
    assert.ok(shut.length >= 8 && wide.length >= 8, seen);
    assert.ok(mean(shut) < 0.08, seen);
    assert.ok(mean(wide) > 0.5, seen);
    // His breath and the noise of the room are in it; he himself parts his lips then.
    assert.ok(mean(rest) < 0.06, seen);
    t.diagnostic(seen);
  },
);
