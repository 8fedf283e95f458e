/** How fast the opening is followed, for the syllable and for the voice's usual measure. */
const SYLLABLE_MS = 70;
const USUAL_MS = 1500;
/** A syllable stands out when it opens the mouth so much more than usual. */
const STANDS_OUT = 1.35;
const LEAST_OPEN = 0.16;
/** Between two stresses. */
const APART_MS = 750;
/** A mouth that is this shut for so long, after so much speech, has ended a phrase. */
const SHUT_OPEN = 0.07;
const PAUSE_MS = 140;
const PHRASE_MS = 450;

/**
 * Finds stressed syllables and the ends of phrases in what the mouth does. Hears nothing else: a wide mouth is a loud
 * vowel. Call `step` for every picture, in order.
 */
export class SpeechStress {
  /** True after the step in which a syllable stood out; `strength` says how much, 0..1. */
  stressed = false;
  strength = 0;
  /** True after the step in which a pause was recognised. */
  phraseEnded = false;
  #syllable = 0;
  #usual = 0.2;
  #sinceStressMs = APART_MS;
  #shutMs = Infinity;
  #speechMs = 0;

  /** @param open 0..1, the mouth's opening over the last `stepMs` */
  step(open: number, stepMs: number): void {
    const before = this.#syllable;
    this.#syllable += (open - before) * (1 - Math.exp(-stepMs / SYLLABLE_MS));
    this.#sinceStressMs += stepMs;
    const over = this.#syllable / (STANDS_OUT * this.#usual);
    this.stressed =
      this.#sinceStressMs >= APART_MS && over > 1 && this.#syllable > LEAST_OPEN && this.#syllable > before;
    if (this.stressed) {
      this.#sinceStressMs = 0;
      this.strength = Math.min(1, over - 0.5);
    }
    const shut = open < SHUT_OPEN;
    const shutBefore = this.#shutMs;
    this.#shutMs = shut ? shutBefore + stepMs : 0;
    if (!shut) this.#speechMs += stepMs;
    // The usual measure is one of speech: pauses do not make the next syllable a shout.
    if (this.#shutMs < PAUSE_MS) this.#usual += (open - this.#usual) * (1 - Math.exp(-stepMs / USUAL_MS));
    this.phraseEnded = this.#shutMs >= PAUSE_MS && shutBefore < PAUSE_MS && this.#speechMs >= PHRASE_MS;
    if (this.#shutMs >= PAUSE_MS) this.#speechMs = 0;
  }
}
