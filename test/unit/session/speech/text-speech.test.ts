import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TextSpeech } from '../../../../src/session/speech/text-speech.js';
import { turn } from '../../../helpers/hearing.js';

/** A voice that takes 100 samples a character, all of them telling which sentence they are of; pieces of 250 samples. */
function recorder(): {
  asked: string[];
  stopped: string[];
  speak: (text: string, signal: AbortSignal) => AsyncIterable<Int16Array>;
} {
  const [asked, stopped]: [string[], string[]] = [[], []];
  return {
    asked,
    stopped,
    async *speak(text, signal) {
      asked.push(text);
      signal.addEventListener('abort', () => stopped.push(text), { once: true });
      if (text.startsWith('Bad')) throw new Error(`cannot say ${text}`);
      for (let left = text.length * 100; left > 0; left -= 250) {
        await turn();
        if (signal.aborted) return;
        yield new Int16Array(2 * Math.min(left, 250)).fill(text.length);
      }
    },
  };
}

const read = async (speech: TextSpeech, signal = new AbortController().signal): Promise<number> => {
  let samples = 0;
  speech.start();
  for await (const pcm of speech.sound(signal)) samples += pcm.length / 2;
  return samples;
};

describe('speech from text', () => {
  it('is the sound of its sentences in their order, two being asked for at once', async () => {
    const voice = recorder();
    const texts = ['One one.', 'Two.', 'Three three.', 'Four.'];
    const speech = new TextSpeech(texts, voice.speak);
    speech.start();
    const sound = speech.sound(new AbortController().signal);
    await sound.next();
    assert.deepEqual(voice.asked, texts.slice(0, 2));
    let samples = 250;
    for (let next = await sound.next(); !next.done; next = await sound.next())
      samples += next.value.length / 2;
    assert.deepEqual(voice.asked, texts);
    assert.equal(samples, texts.join('').length * 100);
    assert.deepEqual(
      speech.begun.map(({ offsetSamples }) => offsetSamples),
      [0, 800, 1200, 2400],
    );
  });

  it('asks for nothing before its turn comes', async () => {
    const voice = recorder();
    const speech = new TextSpeech(['One.', 'Two.'], voice.speak);
    const first = speech.sound(new AbortController().signal).next();
    await turn();
    assert.deepEqual(voice.asked, []);
    speech.start();
    assert.equal((await first).done, false);
    assert.deepEqual(voice.asked, ['One.', 'Two.']);
  });

  it('waits for text that comes later, and ends with it', async () => {
    const voice = recorder();
    const speech = new TextSpeech(async function* () {
      yield 'One.';
      for (let i = 0; i < 20; i += 1) await turn();
      yield 'Two two.';
    }, voice.speak);
    assert.equal(await read(speech), 1200);
  });

  it('held, gives up every request and text that is to come; goes on with what is missing', async () => {
    const voice = recorder();
    let isTextStopped = false;
    const speech = new TextSpeech(async function* (signal) {
      yield 'One one one.';
      yield 'Two.';
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      isTextStopped = true;
    }, voice.speak);
    speech.start();
    const sound = speech.sound(new AbortController().signal);
    let samples = 0;
    const take = async (): Promise<boolean> => {
      const { done, value } = await sound.next();
      samples += (value?.length ?? 0) / 2;
      return done === true;
    };
    await take();
    speech.hold();
    await turn();
    assert.ok(isTextStopped);
    assert.ok(voice.stopped.includes('One one one.'));
    const waiting = take();
    for (let i = 0; i < 10; i += 1) await turn();
    const askedBefore = voice.asked.length;
    speech.goOn();
    await waiting;
    assert.ok(voice.asked.length > askedBefore, 'the rest is asked for');
    while (!(await take()));
    assert.equal(samples, 'One one one.Two.'.length * 100, 'no sample twice, none lost');
  });

  it('fails where a sentence does, after what was before it', async () => {
    const voice = recorder();
    const speech = new TextSpeech(['Good.', 'Bad.', 'Given up.', 'Never.'], voice.speak);
    let samples = 0;
    speech.start();
    await assert.rejects(async () => {
      for await (const pcm of speech.sound(new AbortController().signal)) samples += pcm.length / 2;
    }, /cannot say Bad/);
    assert.equal(samples, 500);
    assert.ok(!voice.asked.includes('Never.'));
  });

  it('fails where its text does, after the sentences that came', async () => {
    const speech = new TextSpeech(async function* () {
      yield 'Good.';
      await turn();
      throw new Error('no more text');
    }, recorder().speak);
    await assert.rejects(read(speech), /no more text/);
    assert.equal(speech.begun.length, 1);
  });

  it('ends when nobody wants it any more, with every request', async () => {
    const voice = recorder();
    const abort = new AbortController();
    const speech = new TextSpeech(['One one one one.', 'Two two two.'], voice.speak);
    speech.start();
    const sound = speech.sound(abort.signal);
    await sound.next();
    abort.abort();
    let more = 0;
    while (!(await sound.next()).done) more += 1;
    assert.ok(more <= 1);
    assert.deepEqual(voice.stopped.sort(), ['One one one one.', 'Two two two.']);
  });

  it('tells what was heard of it, whole words only', async () => {
    const speech = new TextSpeech(['One two three four.', 'Five.'], recorder().speak);
    assert.equal(speech.heardText(0), '');
    await read(speech);
    assert.equal(speech.heardText(1900), 'One two three four.');
    assert.equal(speech.heardText(1000), 'One two');
    assert.equal(speech.heardText(2400), 'One two three four. Five.');
    assert.equal(speech.text, 'One two three four. Five.');
  });
});
