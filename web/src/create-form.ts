/** "New avatar": a file of the visitor (made smaller first where that helps) or a path on the server. */
import { type Avatar, type Footage, createAvatar, followAvatar } from './api.js';
import { byId, chosen, sentence, showChosen } from './dom.js';
import { MAX_SECONDS, inspectVideo, isVideo, reasonToShrink } from './upload-check.js';

export interface CreateFormOptions {
  isTaken(id: string): boolean;
  onChange(avatar: Avatar): void;
  onReady(avatar: Avatar): void;
}

const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** An id made from a file's name, free of what an id may not contain. */
export function idFromName(name: string, isTaken: (id: string) => boolean): string {
  const stem = name.replace(/^.*[\\/]/, '').replace(/\.[^.]*$/, '');
  const base =
    stem
      .replace(/[^A-Za-z0-9._-]+/g, '-')
      .replace(/^[^A-Za-z0-9]+/, '')
      .replace(/-+$/, '')
      .slice(0, 56) || 'avatar';
  let id = base;
  for (let n = 2; isTaken(id); n++) id = `${base}-${n}`;
  return id;
}

export class CreateForm {
  readonly #options: CreateFormOptions;
  readonly #form = byId('create-form', HTMLFormElement);
  readonly #file = byId('avatar-file', HTMLInputElement);
  readonly #path = byId('avatar-path', HTMLInputElement);
  readonly #id = byId('avatar-id', HTMLInputElement);
  readonly #submit = byId('create', HTMLButtonElement);
  readonly #work = byId('create-work', HTMLElement);
  readonly #text = byId('create-text', HTMLElement);
  readonly #bar = byId('create-progress', HTMLProgressElement);
  readonly #skip = byId('create-skip', HTMLButtonElement);
  readonly #cancel = byId('create-cancel', HTMLButtonElement);
  readonly #error = byId('create-error', HTMLElement);
  #idIsOurs = true;

  constructor(options: CreateFormOptions) {
    this.#options = options;
    this.#form.addEventListener('change', () => showChosen(this.#form, 'footage'));
    showChosen(this.#form, 'footage');
    this.#file.addEventListener('change', () => this.#suggestId(this.#file.files?.[0]?.name));
    this.#path.addEventListener('input', () => this.#suggestId(this.#path.value));
    this.#id.addEventListener('input', () => (this.#idIsOurs = this.#id.value === ''));
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#create();
    });
  }

  #suggestId(name: string | undefined): void {
    if (name && this.#idIsOurs) this.#id.value = idFromName(name, this.#options.isTaken);
  }

  async #create(): Promise<void> {
    const cancel = new AbortController();
    this.#cancel.onclick = () => cancel.abort();
    this.#error.textContent = '';
    try {
      const { id, footage } = this.#read();
      this.#busy(true);
      const smaller: Footage =
        footage.kind === 'file'
          ? { kind: 'file', file: await this.#smaller(footage.file, cancel.signal) }
          : footage;
      this.#step(
        smaller.kind === 'file' ? 'Uploading' : 'Asking the server',
        smaller.kind === 'file' ? 0 : undefined,
      );
      const onUploaded = (fraction: number): void =>
        this.#step(fraction < 1 ? 'Uploading' : 'Preparing', fraction);
      await createAvatar(id, smaller, { signal: cancel.signal, onUploaded });
      // From here the avatar has a row with its own progress and its own Delete.
      this.#cancel.hidden = true;
      this.#step('Preparing', 0);
      const avatar = await followAvatar(id, {
        signal: cancel.signal,
        onChange: (now) => {
          this.#step('Preparing', now.progress);
          this.#options.onChange(now);
        },
      });
      if (avatar.state === 'failed') throw new Error(avatar.error?.message ?? 'The preparation failed.');
      this.#form.reset();
      this.#idIsOurs = true;
      showChosen(this.#form, 'footage');
      this.#options.onReady(avatar);
    } catch (error) {
      if (!cancel.signal.aborted) this.#error.textContent = sentence(error);
    } finally {
      this.#busy(false);
    }
  }

  #read(): { id: string; footage: Footage } {
    let footage: Footage;
    if (chosen(this.#form, 'footage') === 'path') {
      const path = this.#path.value.trim();
      if (path === '') throw new Error('Please give the path of a video or photo on the server.');
      footage = { kind: 'path', path };
    } else {
      const file = this.#file.files?.[0];
      if (!file) throw new Error('Please choose a video or a photo first.');
      footage = { kind: 'file', file };
    }
    const name = footage.kind === 'path' ? footage.path : footage.file.name;
    const id = this.#id.value.trim() || idFromName(name, this.#options.isTaken);
    if (!ID.test(id))
      throw new Error(
        'A name starts with a letter or digit and has only letters, digits, ".", "_" and "-" (at most 64).',
      );
    if (this.#options.isTaken(id)) throw new Error(`There is already an avatar named "${id}".`);
    return { id, footage };
  }

  /** The file itself, or a shorter and smaller one where it is long, large or in a phone's format. */
  async #smaller(file: File, signal: AbortSignal): Promise<File> {
    if (!isVideo(file)) return file;
    this.#step('Looking at the video', undefined);
    const facts = await inspectVideo(file);
    signal.throwIfAborted();
    // "?shrink-over=<seconds>" sets another limit, to try the conversion with a short clip.
    const over = Number(new URLSearchParams(location.search).get('shrink-over') ?? MAX_SECONDS);
    const reason = reasonToShrink(facts, over);
    if (reason === undefined) return file;
    const skip = new AbortController();
    this.#skip.onclick = () => skip.abort();
    this.#skip.hidden = false;
    try {
      this.#step(`${reason} Getting the converter`, undefined);
      const { shrinkVideo } = await import('./shrink-video.js');
      return await shrinkVideo(file, {
        signal: AbortSignal.any([signal, skip.signal]),
        onStage: (stage) =>
          this.#step(
            stage === 'loading' ? `${reason} Getting the converter` : 'Making it smaller',
            undefined,
          ),
        onProgress: (fraction) => this.#step('Making it smaller', fraction),
      });
    } catch (error) {
      signal.throwIfAborted();
      // Skipped, or a browser without the memory for it: the server can do this too, it only takes a longer upload.
      if (!skip.signal.aborted) console.warn('the video is sent as it is', error);
      return file;
    } finally {
      this.#skip.hidden = true;
    }
  }

  #busy(busy: boolean): void {
    this.#submit.disabled = busy;
    this.#work.hidden = !busy;
    this.#cancel.hidden = !busy;
    this.#skip.hidden = true;
  }

  #step(text: string, fraction: number | undefined): void {
    this.#text.textContent =
      fraction === undefined ? `${text} …` : `${text}: ${Math.round(fraction * 100)} %`;
    if (fraction === undefined) this.#bar.removeAttribute('value');
    else this.#bar.value = fraction;
  }
}
