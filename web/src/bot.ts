/** The bare page for the browser of a conferencing bot: /bot/<session or avatar>. Starts by itself and never gives up. */
import './bot.css';
import { createSession, getSession, isGone } from './api.js';
import { byId, sentence } from './dom.js';
import { SessionLink } from './session-link.js';

const video = byId('video', HTMLVideoElement);
const mjpeg = byId('mjpeg', HTMLImageElement);
const path = location.pathname.split('/').filter((part) => part !== '');
const id = new URLSearchParams(location.search).get('id') ?? decodeURIComponent(path[1] ?? '');

async function play(): Promise<void> {
  try {
    await video.play();
  } catch {
    // Sound needs a gesture here: begin in silence, the first gesture brings it.
    video.muted = true;
    await video.play().catch(() => undefined);
  }
}

function unmute(): void {
  video.muted = false;
  void video.play().catch(() => undefined);
}
for (const gesture of ['pointerdown', 'keydown', 'touchend']) window.addEventListener(gesture, unmute);

const start = (): SessionLink =>
  SessionLink.start({
    video,
    mjpeg,
    // Somebody else's session is shared and left alone; one made here goes with the page.
    open: async (signal) => {
      try {
        const session = await getSession(id, signal);
        if (session.state !== 'ended') return { session, owned: false };
      } catch (error) {
        if (!isGone(error)) throw error;
      }
      return { session: await createSession(id, signal), owned: true };
    },
    onState: (state) => {
      document.body.dataset['state'] = state === 'webrtc' || state === 'mjpeg' ? 'live' : 'connecting';
      document.body.dataset['transport'] = state;
      if (state === 'webrtc') void play();
    },
    onSession: (session) => (document.body.dataset['session'] = session.id),
    onError: (error) => {
      document.body.dataset['error'] = sentence(error);
      console.warn(sentence(error));
    },
  });

let link = start();
window.addEventListener('pagehide', () => void link.close());
window.addEventListener('pageshow', (event) => {
  if (event.persisted) link = start();
});
