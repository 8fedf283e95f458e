/** The element with this id, checked to be of the given kind; a page without it is a programming error. */
export function byId<T extends HTMLElement>(id: string, kind: new () => T): T {
  const element = document.getElementById(id);
  if (!(element instanceof kind)) throw new Error(`the page has no #${id}`);
  return element;
}

/** A new element with properties and children; text is never parsed as HTML. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** The value of the chosen radio button of a group. */
export function chosen(form: HTMLFormElement, name: string): string {
  const value = new FormData(form).get(name);
  return typeof value === 'string' ? value : '';
}

/** Shows, in every `[data-for="<name>:<value>"]` of the form, the one that belongs to the chosen radio button. */
export function showChosen(form: HTMLFormElement, name: string): void {
  const value = chosen(form, name);
  for (const part of form.querySelectorAll<HTMLElement>(`[data-for^="${name}:"]`)) {
    part.hidden = part.dataset['for'] !== `${name}:${value}`;
  }
}

/** A wait that ends early, without an error, when the signal aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}

/** One sentence for a person, whatever was thrown. */
export function sentence(error: unknown): string {
  if (error instanceof TypeError && /fetch|network|load failed/i.test(error.message))
    return 'The server cannot be reached.';
  return error instanceof Error ? error.message : String(error);
}
