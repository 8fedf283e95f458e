/** The page /diagnose: the server's test of itself, a connection from this browser, and both as a report to copy. */
import './style.css';
import './diagnose.css';
import { problemSentence } from './api.js';
import { BrowserCheck, STEP_NAMES, type Step, type StepName } from './browser-check.js';
import { byId, make, sentence } from './dom.js';

interface ServerReport {
  checks: { name: string; ok: boolean; ms?: number; detail: string }[];
  summary: string[];
  candidates: { address: string; port: number; protocol: string; type: string; ok: boolean; ms?: number }[];
}

const LABEL: Record<StepName, string> = {
  http: 'Server reachable',
  offer: 'Offer and answer',
  pair: 'Candidate pair',
  dtls: 'Encryption (DTLS)',
  codec: 'Codecs',
  picture: 'First key picture',
  sound: 'Sound',
  quality: 'Round trip and loss',
};
const MARK: Record<Step['state'], [mark: string, word: string, kind: string]> = {
  waiting: ['·', 'waiting', ''],
  running: ['…', 'running', ''],
  good: ['✓', 'works', 'good'],
  fault: ['✗', 'fails', 'fault'],
  skipped: ['–', 'not tried', ''],
};

const video = byId('video', HTMLVideoElement);
const status = byId('status', HTMLParagraphElement);
const report = byId('report', HTMLTextAreaElement);
const copy = byId('copy', HTMLButtonElement);
const again = byId('again', HTMLButtonElement);
const copied = byId('copied', HTMLParagraphElement);
let leaving = new AbortController();

function row(label: string, state: Step['state'], detail = '', ms?: number): HTMLLIElement {
  const [mark, word, kind] = MARK[state];
  const line = make(
    'li',
    {},
    make('span', { className: `mark ${kind}`, title: word, ariaHidden: 'true' }, mark),
    make('span', {}, label, make('span', { className: 'unseen' }, `: ${word}`)),
    make('span', { className: 'ms' }, ms === undefined ? '' : `${Math.round(ms)} ms`),
  );
  if (detail !== '') line.append(make('span', { className: 'note' }, detail));
  return line;
}

/** `udp4.key-picture` in words. */
function nameOf(check: string): string {
  const [, protocol = '', family, step = ''] = /^(udp|tcp)([46])\.(.+)$/.exec(check) ?? [];
  if (step === '') return 'Test session';
  const label = {
    codec: 'codecs',
    pair: 'candidate pair',
    dtls: 'encryption (DTLS)',
    'key-picture': 'key picture',
  };
  return `${protocol.toUpperCase()} over IPv${family}: ${label[step as keyof typeof label] ?? step}`;
}

const items = (sentences: readonly string[]): HTMLLIElement[] => sentences.map((one) => make('li', {}, one));

async function askServer(): Promise<ServerReport | string> {
  const advice = byId('server-advice', HTMLUListElement);
  advice.replaceChildren(...items(['The server is testing itself.']));
  byId('server-checks', HTMLOListElement).replaceChildren();
  try {
    const response = await fetch('/v1/diagnose', { signal: leaving.signal });
    const body = await response.text();
    if (!response.ok) throw new Error(problemSentence(response.status, body));
    const found = JSON.parse(body) as ServerReport;
    advice.replaceChildren(...items(found.summary));
    byId('server-checks', HTMLOListElement).replaceChildren(
      ...found.checks.map(({ name, ok, ms, detail }) => row(nameOf(name), ok ? 'good' : 'fault', detail, ms)),
    );
    byId('candidates', HTMLUListElement).replaceChildren(
      ...items(
        found.candidates.map(
          ({ address, port, protocol, type, ok }) =>
            `${address} ${protocol.toUpperCase()} ${port}, ${type}: ${ok ? 'answers' : 'does not answer'} from inside`,
        ),
      ),
    );
    byId('candidates-box', HTMLDetailsElement).hidden = false;
    return found;
  } catch (error) {
    const why = sentence(error);
    advice.replaceChildren(...items([`The server did not test itself: ${why}`]));
    return why;
  }
}

async function tryBrowser(): Promise<{ steps: Step[]; fault: string | undefined; seen: unknown }> {
  const steps = new Map<StepName, Step>(STEP_NAMES.map((name) => [name, { name, state: 'waiting' }]));
  const list = byId('browser-checks', HTMLOListElement);
  const advice = byId('browser-advice', HTMLUListElement);
  const show = (): void =>
    list.replaceChildren(
      ...[...steps.values()].map(({ name, state, detail, ms }) => row(LABEL[name], state, detail, ms)),
    );
  show();
  advice.replaceChildren();
  const check = new BrowserCheck({
    video,
    signal: leaving.signal,
    onStep: (step) => {
      steps.set(step.name, step);
      show();
    },
  });
  const fault = await check.run();
  advice.replaceChildren(
    ...items([fault ?? 'Everything works from this browser: connection, encryption, picture and sound.']),
  );
  return { steps: [...steps.values()], fault, seen: check.seen };
}

async function run(): Promise<void> {
  leaving = new AbortController();
  document.body.dataset['state'] = 'running';
  status.textContent = 'Testing';
  copied.textContent = '';
  video.hidden = false;
  copy.disabled = again.disabled = true;
  try {
    const server = await askServer();
    const browser = await tryBrowser();
    const serverGood = typeof server !== 'string' && server.checks.every(({ ok }) => ok);
    video.hidden = true;
    const good = browser.fault === undefined && serverGood;
    report.value = JSON.stringify(
      { page: location.origin, browser: { agent: navigator.userAgent, ...browser }, server },
      null,
      2,
    );
    document.body.dataset['state'] = good ? 'good' : 'bad';
    status.textContent = good
      ? 'Everything works'
      : browser.fault === undefined
        ? 'This browser works, the server found a fault'
        : 'Something fails';
  } catch (error) {
    if (leaving.signal.aborted) return;
    document.body.dataset['state'] = 'bad';
    status.textContent = sentence(error);
  }
  copy.disabled = again.disabled = false;
}

copy.addEventListener('click', () => {
  // The clipboard is there on https and on this machine only; elsewhere the old way does.
  const oldWay = (): boolean => {
    const box = report.closest('details');
    if (box !== null) box.open = true;
    report.select();
    return document.execCommand('copy');
  };
  const tell = (done: boolean): void => {
    copied.textContent = done ? 'Copied.' : 'It could not be copied: it is selected below.';
  };
  if (navigator.clipboard === undefined) tell(oldWay());
  else
    navigator.clipboard.writeText(report.value).then(
      () => tell(true),
      () => tell(oldWay()),
    );
});
again.addEventListener('click', () => void run());
window.addEventListener('pagehide', () => leaving.abort());
void run();
