import type { Sound } from './api.js';
import { byId, chosen, showChosen } from './dom.js';

/** The choice of what shall be spoken. */
export class SpeakForm {
  readonly #form = byId('speak-form', HTMLFormElement);
  readonly #file = byId('sound-file', HTMLInputElement);
  readonly #path = byId('sound-path', HTMLInputElement);

  constructor(onSpeak: () => void) {
    this.#form.addEventListener('change', () => showChosen(this.#form, 'sound'));
    showChosen(this.#form, 'sound');
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      onSpeak();
    });
  }

  /** What is chosen; throws a sentence for the visitor where something is missing. */
  sound(): Sound {
    switch (chosen(this.#form, 'sound')) {
      case 'file': {
        const file = this.#file.files?.[0];
        if (!file) throw new Error('Please choose a sound file first.');
        return { kind: 'file', file };
      }
      case 'path': {
        const path = this.#path.value.trim();
        if (path === '') throw new Error('Please give the path of a sound file on the server.');
        return { kind: 'path', path };
      }
      default:
        return { kind: 'demo' };
    }
  }
}
