/** The studio page: choose or make an avatar, let it speak, watch it live. */
import './style.css';
import * as api from './api.js';
import { AvatarList } from './avatar-list.js';
import { CreateForm } from './create-form.js';
import { byId, sentence } from './dom.js';
import { figuresLine } from './figures.js';
import { Microphone } from './microphone.js';
import { RecordingPanel } from './recording.js';
import { SessionLink, type LinkState } from './session-link.js';
import { SpeakForm } from './speak-form.js';

type PageState = 'loading' | 'idle' | 'connecting' | 'live' | 'rendering' | 'speaking' | 'error';

const STATUS: Record<PageState, string> = {
  loading: 'Loading',
  idle: 'Choose an avatar',
  connecting: 'Connecting',
  live: 'Live',
  rendering: 'Rendering',
  speaking: 'Speaking',
  error: 'Error',
};
/** The server tells its state once a second: what Speak started is believed for so long without its word. */
const TRUST_MS = 2500;
const DEMO_AVATAR = 'demo';
const DEMO_SOUND = '/demo/speech.wav';

class Studio {
  readonly #stage = byId('stage', HTMLElement);
  readonly #video = byId('video', HTMLVideoElement);
  readonly #mjpeg = byId('mjpeg', HTMLImageElement);
  readonly #poster = byId('poster', HTMLImageElement);
  readonly #status = byId('status', HTMLElement);
  readonly #figures = byId('figures', HTMLElement);
  readonly #message = byId('message', HTMLElement);
  readonly #speakButton = byId('speak', HTMLButtonElement);
  readonly #stopButton = byId('stop', HTMLButtonElement);
  readonly #muteButton = byId('mute', HTMLButtonElement);
  readonly #micButton = byId('microphone', HTMLButtonElement);
  readonly #muteEcho = byId('mute-echo', HTMLInputElement);
  readonly #empty = byId('avatars-empty', HTMLElement);
  readonly #avatars = new Map<string, api.Avatar>();
  readonly #following = new Set<string>();
  readonly #list: AvatarList;
  readonly #speakForm: SpeakForm;
  #selected: api.Avatar | undefined;
  #link: SessionLink | undefined;
  #linkState: LinkState = 'waiting';
  #speaking = false;
  #ownSoundToPlay: api.Sound | undefined;
  #microphone: Microphone | undefined;
  /** 0..1 while the server renders speech before it plays it. */
  #rendered: number | undefined;
  #trustUntilMs = 0;
  /** MJPEG has no sound: what the browser has itself, it plays itself. */
  readonly #ownSound = new Audio();

  constructor() {
    this.#list = new AvatarList({
      list: byId('avatars', HTMLElement),
      onSelect: (avatar) => this.#select(avatar),
      onDelete: (avatar) => void this.#delete(avatar),
    });
    this.#speakForm = new SpeakForm(() => void this.#speak());
    new CreateForm({
      isTaken: (id) => this.#avatars.has(id),
      onChange: (avatar) => this.#keep(avatar),
      onReady: (avatar) => this.#select(avatar),
    });
    new RecordingPanel({
      session: async () => {
        if (!this.#link) throw new Error('Please choose or create an avatar first.');
        return this.#link.whenLive(8000);
      },
      onError: (text) => (this.#message.textContent = text),
    });
    this.#stopButton.onclick = () => void this.#stop();
    this.#muteButton.onclick = () => this.#mute(!this.#video.muted);
    this.#micButton.onclick = () => void this.#toggleMicrophone();
    this.#muteEcho.onchange = () => {
      if (this.#microphone) this.#mute(this.#muteEcho.checked);
    };
    this.#poster.onerror = () => (this.#poster.hidden = true);
    // What is hidden by the browser's back-and-forward cache comes back without its session.
    window.addEventListener('pagehide', () => {
      void this.#endMicrophone();
      void this.#link?.close();
    });
    window.addEventListener('pageshow', (event) => {
      if (event.persisted && this.#selected) this.#connect(this.#selected);
    });
    this.#mute(true);
  }

  async load(): Promise<void> {
    this.#show('loading');
    try {
      this.#speakForm.offer(await api.getAbilities());
      const avatars = await api.listAvatars();
      for (const avatar of avatars) this.#avatars.set(avatar.id, avatar);
      this.#list.show(avatars);
      this.#empty.hidden = avatars.length > 0;
      for (const avatar of avatars) if (avatar.state === 'preparing') void this.#follow(avatar.id);
      const ready = avatars.filter(({ state }) => state === 'ready');
      const wanted = new URLSearchParams(location.search).get('avatar') ?? DEMO_AVATAR;
      const first = ready.find(({ id }) => id === wanted) ?? ready[0];
      if (first) this.#select(first);
      else this.#show('idle');
    } catch (error) {
      this.#fail(error);
      setTimeout(() => void this.load(), 3000);
    }
  }

  #keep(avatar: api.Avatar): void {
    this.#avatars.set(avatar.id, avatar);
    this.#list.update(avatar);
    this.#empty.hidden = true;
  }

  /** A preparation that was already under way when the page was opened. */
  async #follow(id: string): Promise<void> {
    if (this.#following.has(id)) return;
    this.#following.add(id);
    try {
      const onChange = (avatar: api.Avatar): void => this.#keep(avatar);
      const avatar = await api.followAvatar(id, { signal: new AbortController().signal, onChange });
      if (avatar.state === 'ready' && !this.#selected) this.#select(avatar);
    } catch {
      this.#forget(id);
    } finally {
      this.#following.delete(id);
    }
  }

  #select(avatar: api.Avatar): void {
    this.#keep(avatar);
    if (this.#selected?.id === avatar.id && this.#link) return;
    this.#selected = avatar;
    this.#list.select(avatar.id);
    this.#poster.src = api.previewUrl(avatar);
    this.#poster.hidden = false;
    this.#stage.setAttribute('aria-label', `Live picture of ${avatar.id}`);
    const session = this.#link?.session;
    // What is being said is not broken off for another face; that one is fitted into the running picture.
    if (session && (this.#speaking || this.#microphone)) void this.#change(session, avatar);
    else this.#connect(avatar);
  }

  async #change(session: api.Session, avatar: api.Avatar): Promise<void> {
    try {
      await api.changeAvatar(session, avatar.id);
    } catch {
      // A session that keeps its avatar (it renders before it plays), or is gone.
      if (this.#selected?.id === avatar.id) this.#connect(avatar);
    }
  }

  /** Opens the session and the picture before anybody asks for it, so that Speak is one short request. */
  #connect(avatar: api.Avatar): void {
    if (avatar.widthPx && avatar.heightPx)
      this.#stage.style.setProperty('--ratio', `${avatar.widthPx} / ${avatar.heightPx}`);
    void this.#endMicrophone();
    void this.#link?.close();
    this.#ownSound.pause();
    this.#speaking = false;
    this.#trustUntilMs = 0;
    this.#message.textContent = '';
    this.#link = SessionLink.start({
      video: this.#video,
      mjpeg: this.#mjpeg,
      open: async (signal) => ({
        session: await api.createSession((this.#selected ?? avatar).id, signal),
        owned: true,
      }),
      onState: (state) => this.#linkChanged(state),
      onSession: (session) => this.#sessionChanged(session),
      onFigures: (figures) => (this.#figures.textContent = `${figuresLine(figures)} · WebRTC`),
      onError: (error) => this.#fail(error),
    });
  }

  #linkChanged(state: LinkState): void {
    this.#linkState = state;
    const live = state === 'webrtc' || state === 'mjpeg';
    if (live) this.#message.textContent = '';
    this.#poster.classList.toggle('covered', live);
    if (state === 'webrtc') void this.#play();
    if (state === 'mjpeg') {
      this.#figures.textContent = `${this.#mjpeg.naturalWidth}×${this.#mjpeg.naturalHeight} · MJPEG`;
    } else if (!live) {
      this.#figures.textContent = '';
    }
    if (state === 'waiting' && document.body.dataset['state'] === 'error') return;
    this.#refresh();
  }

  #sessionChanged(session: api.Session): void {
    this.#figures.title =
      session.engine === undefined ? '' : `${session.engine}: ${session.engineReason ?? ''}`;
    this.#rendered = session.rendering?.[0]?.progress;
    const speaking = session.state === 'speaking';
    if (speaking) this.#playOwnSound();
    if (speaking || this.#rendered !== undefined) this.#trustUntilMs = 0;
    else if (performance.now() < this.#trustUntilMs) return;
    this.#speaking = speaking;
    this.#refresh();
  }

  async #speak(): Promise<void> {
    this.#message.textContent = '';
    const link = this.#link;
    if (!link) {
      this.#message.textContent = 'Please choose or create an avatar first.';
      return;
    }
    // Inside the click: browsers let sound start only there.
    this.#mute(false);
    void this.#play();
    this.#speakButton.disabled = true;
    try {
      const sound = this.#speakForm.sound();
      try {
        await api.say(await link.whenLive(8000), sound);
      } catch (error) {
        if (!api.isGone(error) || sound.kind === 'path') throw error;
        // The session ended while nobody looked.
        link.renew();
        await api.say(await link.whenLive(8000), sound);
      }
      this.#ownSoundToPlay = sound;
      this.#speakForm.sent();
      if (link.session?.engineMode !== 'prerendered') this.#playOwnSound();
      this.#speaking = true;
      this.#trustUntilMs = performance.now() + TRUST_MS;
      this.#refresh();
    } catch (error) {
      this.#message.textContent = sentence(error);
    } finally {
      this.#speakButton.disabled = false;
    }
  }

  async #stop(): Promise<void> {
    const link = this.#link;
    const session = link?.session;
    if (!link || !session) return;
    this.#stopButton.disabled = true;
    this.#ownSound.pause();
    try {
      await api.interrupt(session);
    } catch {
      // A server that cannot interrupt falls silent with the end of the session.
      link.renew();
    }
    this.#speaking = false;
    this.#trustUntilMs = 0;
    this.#refresh();
  }

  async #toggleMicrophone(): Promise<void> {
    this.#message.textContent = '';
    this.#micButton.disabled = true;
    try {
      if (this.#microphone) await this.#endMicrophone();
      else if (this.#link) {
        const session = await this.#link.whenLive(8000);
        this.#microphone = await Microphone.open(session, () => void this.#endMicrophone());
        // The own voice comes back a third of a second late: nobody can speak against that.
        this.#mute(this.#muteEcho.checked);
        this.#showMicrophone();
      } else this.#message.textContent = 'Please choose or create an avatar first.';
    } catch (error) {
      this.#message.textContent = sentence(error);
    } finally {
      this.#micButton.disabled = false;
    }
  }

  async #endMicrophone(): Promise<void> {
    const microphone = this.#microphone;
    this.#microphone = undefined;
    this.#showMicrophone();
    await microphone?.close();
  }

  #showMicrophone(): void {
    const on = this.#microphone !== undefined;
    this.#micButton.setAttribute('aria-pressed', String(on));
    this.#micButton.textContent = on ? 'Microphone off' : 'Speak with my microphone';
  }

  async #delete(avatar: api.Avatar): Promise<void> {
    try {
      // An avatar that is in use cannot be deleted.
      if (this.#selected?.id === avatar.id) await this.#leave();
      await api.deleteAvatar(avatar.id);
      this.#forget(avatar.id);
    } catch (error) {
      if (api.isGone(error)) this.#forget(avatar.id);
      else this.#message.textContent = sentence(error);
    }
  }

  #forget(id: string): void {
    this.#avatars.delete(id);
    this.#list.remove(id);
    this.#empty.hidden = this.#avatars.size > 0;
  }

  async #leave(): Promise<void> {
    const link = this.#link;
    await this.#endMicrophone();
    this.#ownSound.pause();
    this.#link = undefined;
    this.#selected = undefined;
    this.#list.select(undefined);
    this.#poster.hidden = true;
    this.#figures.textContent = '';
    this.#speaking = false;
    this.#show('idle');
    await link?.close();
  }

  async #play(): Promise<void> {
    try {
      await this.#video.play();
    } catch {
      // Without a click sound is not allowed yet; the silent picture always is.
      this.#mute(true);
      await this.#video.play().catch(() => undefined);
    }
  }

  /** With the picture: the session may have to render the speech first. */
  #playOwnSound(): void {
    const sound = this.#ownSoundToPlay;
    this.#ownSoundToPlay = undefined;
    if (sound === undefined) return;
    if (this.#linkState !== 'mjpeg' || (sound.kind !== 'demo' && sound.kind !== 'file')) return;
    URL.revokeObjectURL(this.#ownSound.src);
    this.#ownSound.src = sound.kind === 'demo' ? DEMO_SOUND : URL.createObjectURL(sound.file);
    // A format that this browser cannot play leaves the picture silent.
    this.#ownSound.play().catch(() => undefined);
  }

  #mute(muted: boolean): void {
    this.#video.muted = muted;
    this.#muteButton.textContent = muted ? 'Unmute' : 'Mute';
  }

  #fail(error: unknown): void {
    this.#message.textContent = sentence(error);
    this.#show('error');
  }

  #refresh(): void {
    if (!this.#link) return;
    const live = this.#linkState === 'webrtc' || this.#linkState === 'mjpeg';
    const rendering = this.#rendered !== undefined && !this.#speaking;
    this.#show(!live ? 'connecting' : rendering ? 'rendering' : this.#speaking ? 'speaking' : 'live');
  }

  #show(state: PageState): void {
    document.body.dataset['state'] = state;
    document.body.dataset['transport'] = this.#linkState;
    this.#status.textContent =
      state === 'rendering' && this.#rendered !== undefined
        ? `Rendering ${Math.round(100 * this.#rendered)} %`
        : STATUS[state];
    this.#stopButton.disabled = state !== 'speaking' && state !== 'rendering';
    this.#muteButton.hidden = this.#linkState !== 'webrtc';
  }
}

void new Studio().load();
