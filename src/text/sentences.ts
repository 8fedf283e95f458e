import { cutPoint } from './cut-point.js';
import { endsInAbbreviation } from './abbreviations.js';

/** A longer sentence is cut, so that a speech service answers soon; the first one sooner, as somebody waits for it. */
const MAX_CHARS = 300;
const FIRST_MAX_CHARS = 160;

/** Marks that end a sentence wherever they stand: Chinese and Japanese, Hindi, Arabic and Urdu. */
const FULL_WIDTH_END = /[。！？｡।؟۔]+[」』”’）】》〉"')\]]*/u;
/** Marks that end one if a space follows, also within marks of Markdown. */
const SPACED_END = /[.!?…]+["'”’»)\]*_~`]*(?=\s)/u;
const PARAGRAPH = /\n[ \t\r]*\n/;
const LINE = /\n/;
const END = new RegExp([FULL_WIDTH_END, SPACED_END].map(({ source }) => source).join('|'), 'gu');

export interface SplitOptions {
  /** A line's end is a sentence's end, as in lists; else only an empty line is. */
  readonly lines?: boolean;
}

/**
 * Cuts text that comes in pieces into sentences of 300 characters at most, for English and its relatives, Chinese and
 * Japanese. A mark is an end once what follows it is known: "3.5", "Dr. Who" and "e.g. this" are none. What holds neither
 * letter nor digit is left out.
 */
export class SentenceSplitter {
  readonly #gap: RegExp;
  #rest = '';
  #isFirst = true;

  constructor(options: SplitOptions = {}) {
    this.#gap = options.lines === true ? LINE : PARAGRAPH;
  }

  /** The sentences that are complete now. */
  push(text: string): string[] {
    this.#rest += text;
    return this.#takeAll(false);
  }

  /** What is left; a new text may follow. */
  flush(): string[] {
    const sentences = [...this.#takeAll(true), ...spoken(this.#rest)];
    this.#rest = '';
    this.#isFirst = true;
    return sentences;
  }

  #takeAll(isWhole: boolean): string[] {
    const sentences: string[] = [];
    for (;;) {
      this.#rest = this.#rest.trimStart();
      const end = this.#end(isWhole);
      if (end === undefined) return sentences;
      const found = spoken(this.#rest.slice(0, end));
      this.#rest = this.#rest.slice(end);
      sentences.push(...found);
      if (found.length > 0) this.#isFirst = false;
    }
  }

  /** Where the first sentence ends; undefined while that is not known. */
  #end(isWhole: boolean): number | undefined {
    const rest = this.#rest;
    const gap = this.#gap.exec(rest)?.index ?? Infinity;
    const most = this.#isFirst ? FIRST_MAX_CHARS : MAX_CHARS;
    for (const match of rest.slice(0, Math.min(gap, most) + 2).matchAll(END)) {
      const end = match.index + match[0].length;
      if (end > Math.min(gap, most)) break;
      const next = /\S/u.exec(rest.slice(end));
      // Another mark or a quote may follow, and a small letter would mean that it goes on.
      if (next === null && !isWhole) return undefined;
      const decided = isEnd(rest.slice(0, match.index), match[0], rest.slice(end), next?.[0], isWhole);
      if (decided === undefined) return undefined;
      if (decided) return end;
    }
    if (gap <= most) return gap + 1;
    return rest.length > most ? cutPoint(rest, most) : undefined;
  }
}

/** All at once. */
export function splitSentences(text: string, options: SplitOptions = {}): string[] {
  const splitter = new SentenceSplitter(options);
  return [...splitter.push(text), ...splitter.flush()];
}

/** Undefined while the word that follows decides, and is not whole. */
function isEnd(
  before: string,
  mark: string,
  after: string,
  next: string | undefined,
  isWhole: boolean,
): boolean | undefined {
  if (next === undefined || !/^[.!?…]/u.test(mark)) return true;
  if (/\p{Ll}/u.test(next)) return false;
  if (!mark.startsWith('.') || mark.startsWith('..')) return true;
  const word = after.trimStart();
  if (!isWhole && /^["'“‘(]*\p{L}*$/u.test(word)) return undefined;
  return !endsInAbbreviation(before, word);
}

/** White space evened out; nothing if there is nothing to speak and no block of code begins or ends. */
function spoken(sentence: string): string[] {
  // eslint-disable-next-line no-control-regex -- a speech service may choke on them
  const even = sentence.replaceAll(/[\s\u0000-\u001f\u007f]+/gu, ' ').trim();
  return /[\p{L}\p{N}]|^(?:```|~~~)/u.test(even) ? [even] : [];
}
