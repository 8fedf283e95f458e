import type { Abilities, Sound } from './api.js';
import { byId, chosen, showChosen } from './dom.js';

/** The choice of what shall be spoken. */
export class SpeakForm {
  readonly #form = byId('speak-form', HTMLFormElement);
  readonly #file = byId('sound-file', HTMLInputElement);
  readonly #path = byId('sound-path', HTMLInputElement);
  readonly #text = byId('sound-text', HTMLInputElement);
  readonly #chat = byId('sound-chat', HTMLInputElement);

  constructor(onSpeak: () => void) {
    this.#form.addEventListener('change', () => showChosen(this.#form, 'sound'));
    showChosen(this.#form, 'sound');
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      onSpeak();
    });
  }

  /** Text is offered only where the server can speak it. */
  offer({ text, chat }: Abilities): void {
    byId('offer-text', HTMLElement).hidden = !text;
    byId('offer-chat', HTMLElement).hidden = !chat;
  }

  /** It was sent: a chat goes on with the next line. */
  sent(): void {
    if (chosen(this.#form, 'sound') === 'chat') this.#chat.value = '';
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
      case 'text': {
        const text = this.#text.value.trim();
        if (text === '') throw new Error('Please write the text to be spoken.');
        return { kind: 'text', text };
      }
      case 'chat': {
        const text = this.#chat.value.trim();
        if (text === '') throw new Error('Please write something to the avatar.');
        return { kind: 'chat', text };
      }
      default:
        return { kind: 'demo' };
    }
  }
}
