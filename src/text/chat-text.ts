import { SentenceSplitter } from './sentences.js';

const FENCE = /^(?:```|~~~)/;
/** Emoji with what belongs to them: skin tones, joiners, flags, key caps. */
const EMOJI_PART = String.raw`\p{Extended_Pictographic}|[\u{1F1E6}-\u{1F1FF}]|[0-9#*]\u{FE0F}?\u{20E3}`;
const EMOJI_REST = String.raw`\u{FE0F}|\u{200D}|[\u{1F3FB}-\u{1F3FF}]|[\u{E0020}-\u{E007F}]|\p{Extended_Pictographic}`;
const EMOJI = new RegExp(`(?:${EMOJI_PART})(?:${EMOJI_REST})*`, 'gu');

/** One sentence of a model's answer as it is to be spoken: without marks of Markdown, tags, emoji; addresses short. */
export function spokenOf(sentence: string): string {
  return sentence
    .replace(/^(?:[-*_] ?){3,}$/, '')
    .replace(/^(?:>\s*)*(?:#{1,6}\s+|[-*+•]\s+(?:\[[ xX]\]\s+)?)?/, '')
    .replaceAll(/!?\[([^\]]*)\]\((?:[^()\s]|\([^()\s]*\))*(?:\s+"[^"]*")?\)/g, '$1')
    .replaceAll(/<\/?[a-z][^<>]*>/gi, ' ')
    .replaceAll(/https?:\/\/(?:www\.)?([^\s/)]+)[^\s)]*/g, '$1')
    .replaceAll(/\*\*|__|~~|`+/g, '')
    .replaceAll(/(^|[\s(])[*_](\S(?:[^*_]*\S)?)[*_](?=[\s).,;:!?]|$)/g, '$1$2')
    .replaceAll(/^\||\|$/g, '')
    .replaceAll(/\s*\|\s*/g, ', ')
    .replaceAll(EMOJI, '')
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/ (?=[.,!?;:])/g, '')
    .trim();
}

/**
 * A model's answer, as it streams, in sentences to be spoken. Blocks of code and what a model thinks aloud between
 * `<think>` and `</think>` are left out.
 */
export class ChatText {
  readonly #splitter = new SentenceSplitter({ lines: true });
  #isCode = false;
  #isThought = false;
  #held = '';

  push(text: string): string[] {
    return this.#spoken(this.#splitter.push(this.#aloud(text)));
  }

  flush(): string[] {
    const held = this.#isThought ? '' : this.#held;
    this.#held = '';
    return this.#spoken([...this.#splitter.push(held), ...this.#splitter.flush()]);
  }

  /** A tag may come in two pieces: what may be the beginning of one is held. */
  #aloud(text: string): string {
    let rest = this.#held + text;
    let aloud = '';
    for (;;) {
      const tag = this.#isThought ? '</think>' : '<think>';
      const at = rest.indexOf(tag);
      const end = at < 0 ? rest.length - startOf(tag, rest) : at;
      if (!this.#isThought) aloud += rest.slice(0, end);
      if (at < 0) {
        this.#held = rest.slice(end);
        return aloud;
      }
      rest = rest.slice(at + tag.length);
      this.#isThought = !this.#isThought;
    }
  }

  #spoken(sentences: readonly string[]): string[] {
    return sentences.flatMap((sentence) => {
      if (FENCE.test(sentence)) {
        // A block may begin and end within one line.
        if (!/^(```|~~~).*\1$/.test(sentence)) this.#isCode = !this.#isCode;
        return [];
      }
      const spoken = this.#isCode ? '' : spokenOf(sentence);
      return /[\p{L}\p{N}]/u.test(spoken) ? [spoken] : [];
    });
  }
}

/** How many characters at the end of `text` may be the beginning of `tag`. */
function startOf(tag: string, text: string): number {
  for (let count = Math.min(tag.length - 1, text.length); count > 0; count -= 1)
    if (text.endsWith(tag.slice(0, count))) return count;
  return 0;
}
