import { type Avatar, previewUrl } from './api.js';
import { make } from './dom.js';

export interface AvatarListOptions {
  list: HTMLElement;
  onSelect(avatar: Avatar): void;
  /** The visitor has confirmed. */
  onDelete(avatar: Avatar): void;
}

/** How long "Really delete?" stays before the button is harmless again. */
const CONFIRM_MS = 3000;

/** The avatars as a list of pictures to choose from. Rows are kept, so that focus and pictures survive an update. */
export class AvatarList {
  readonly #options: AvatarListOptions;
  readonly #rows = new Map<string, Row>();
  #selected: string | undefined;

  constructor(options: AvatarListOptions) {
    this.#options = options;
  }

  show(avatars: readonly Avatar[]): void {
    const ids = new Set(avatars.map(({ id }) => id));
    for (const id of this.#rows.keys()) if (!ids.has(id)) this.remove(id);
    for (const avatar of avatars) this.update(avatar);
  }

  update(avatar: Avatar): void {
    let row = this.#rows.get(avatar.id);
    if (!row) {
      row = new Row(avatar, this.#options);
      this.#rows.set(avatar.id, row);
      this.#options.list.append(row.element);
    }
    row.update(avatar, avatar.id === this.#selected);
  }

  remove(id: string): void {
    this.#rows.get(id)?.element.remove();
    this.#rows.delete(id);
  }

  select(id: string | undefined): void {
    this.#selected = id;
    for (const row of this.#rows.values()) row.update(row.avatar, row.avatar.id === id);
  }
}

class Row {
  readonly element = make('li');
  avatar: Avatar;
  readonly #choose = make('button', { type: 'button', className: 'choose' });
  readonly #picture = make('img', { alt: '', loading: 'lazy', width: 56, height: 56 });
  readonly #name = make('span', { className: 'name' });
  readonly #note = make('span', { className: 'note' });
  readonly #progress = make('progress', { max: 1 });
  readonly #delete = make('button', { type: 'button', className: 'delete' });
  #sure: ReturnType<typeof setTimeout> | undefined;

  constructor(avatar: Avatar, options: AvatarListOptions) {
    this.avatar = avatar;
    this.element.dataset['avatarId'] = avatar.id;
    this.#choose.append(
      this.#picture,
      make('span', { className: 'texts' }, this.#name, this.#note, this.#progress),
    );
    this.#choose.onclick = () => options.onSelect(this.avatar);
    this.#picture.onerror = () => (this.#picture.style.visibility = 'hidden');
    this.#picture.onload = () => (this.#picture.style.visibility = 'visible');
    this.#delete.onclick = () => {
      if (this.#sure === undefined) this.#ask();
      else options.onDelete(this.avatar);
    };
    this.#calm();
    this.element.append(this.#choose, this.#delete);
  }

  update(avatar: Avatar, selected: boolean): void {
    this.avatar = avatar;
    this.element.dataset['state'] = avatar.state;
    this.#choose.disabled = avatar.state !== 'ready';
    this.#choose.setAttribute('aria-pressed', String(selected));
    this.#name.textContent = avatar.id;
    this.#note.textContent = note(avatar);
    // The list cuts a long reason short; the pointer shows the whole.
    this.#note.title = this.#note.textContent;
    this.#note.classList.toggle('bad', avatar.state === 'failed');
    this.#progress.hidden = avatar.state !== 'preparing';
    this.#progress.value = avatar.progress;
    this.#progress.setAttribute('aria-label', `Preparation of ${avatar.id}`);
    if (avatar.state === 'ready' && this.#picture.getAttribute('src') !== previewUrl(avatar)) {
      this.#picture.src = previewUrl(avatar);
    }
    this.#delete.setAttribute('aria-label', `Delete ${avatar.id}`);
  }

  #ask(): void {
    this.#delete.textContent = 'Really?';
    this.#delete.classList.add('sure');
    this.#sure = setTimeout(() => this.#calm(), CONFIRM_MS);
  }

  #calm(): void {
    this.#sure = undefined;
    this.#delete.textContent = 'Delete';
    this.#delete.classList.remove('sure');
  }
}

function note(avatar: Avatar): string {
  if (avatar.state === 'preparing') return `preparing, ${Math.round(avatar.progress * 100)} %`;
  if (avatar.state === 'failed') return avatar.error?.message ?? 'The preparation failed.';
  const notes = avatar.quality?.notes ?? [];
  const size = avatar.widthPx && avatar.heightPx ? `${avatar.widthPx}×${avatar.heightPx}` : 'ready';
  return notes.length > 0 ? `${size}. ${notes[0] ?? ''}` : size;
}
