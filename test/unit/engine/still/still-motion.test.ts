import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Blinks } from '../../../../src/engine/still/blinks.js';
import { seedOf, seededRandom } from '../../../../src/engine/still/seeded-random.js';
import { SpeechStress } from '../../../../src/engine/still/speech-stress.js';
import { StillMotion } from '../../../../src/engine/still/still-motion.js';

const DEG = Math.PI / 180;

/** Four syllables a second for two seconds, every fourth one wide, then a second of silence. */
function talk(timeMs: number): number {
  const within = timeMs % 3000;
  if (within >= 2000) return 0;
  const wide = Math.floor(within / 250) % 4 === 1 ? 0.7 : 0.25;
  return wide * Math.sin((Math.PI * (within % 250)) / 250);
}

function blinkStarts(blinks: Blinks, untilMs: number, phraseEndsMs: readonly number[] = []): number[] {
  const starts: number[] = [];
  let before = 0;
  for (let timeMs = 0; timeMs < untilMs; timeMs += 10) {
    if (phraseEndsMs.includes(timeMs)) blinks.phraseEnded(timeMs);
    const blink = blinks.at(timeMs);
    assert.ok(blink >= 0 && blink <= 1);
    if (blink > 0 && before === 0) starts.push(timeMs);
    before = blink;
  }
  return starts;
}

test('the eyes shut fully every 2 to 6 seconds, sometimes twice, for a fraction of a second', () => {
  const starts = blinkStarts(new Blinks(seededRandom(7)), 600_000);
  const apart = starts.slice(1).map((start, i) => start - starts[i]!);
  const pairs = apart.filter((ms) => ms < 500);
  assert.ok(starts.length > 120 && starts.length < 300, `${starts.length} blinks in ten minutes`);
  assert.ok(pairs.length > 5 && pairs.length < 0.3 * starts.length, `${pairs.length} pairs`);
  for (const ms of apart) assert.ok((ms > 300 && ms < 500) || (ms > 1990 && ms < 6400), `${ms} ms apart`);
  const blinks = new Blinks(seededRandom(7));
  let [shut, moving] = [0, 0];
  for (let timeMs = 0; timeMs < 600_000; timeMs += 10) {
    const blink = blinks.at(timeMs);
    if (blink === 1) shut += 1;
    else if (blink > 0) moving += 1;
  }
  assert.ok(shut >= 3 * starts.length && shut + moving < 30 * starts.length);
});

test('blinks gather where phrases end', () => {
  const ends = Array.from({ length: 100 }, (_, i) => 1000 + i * 5000);
  const near = (starts: number[]): number =>
    ends.filter((end) => starts.some((start) => start >= end && start < end + 150)).length;
  const asked = near(blinkStarts(new Blinks(seededRandom(3)), 505_000, ends));
  const chance = near(blinkStarts(new Blinks(seededRandom(3)), 505_000));
  assert.ok(asked > 40, `${asked} of 100 phrases end with a blink`);
  assert.ok(chance < 15, `by chance ${chance}`);
});

test('wide syllables are stressed and pauses end phrases; silence and an even murmur are neither', () => {
  const count = (open: (timeMs: number) => number): { stresses: number[]; ends: number[] } => {
    const stress = new SpeechStress();
    const found = { stresses: [] as number[], ends: [] as number[] };
    for (let timeMs = 0; timeMs < 30_000; timeMs += 40) {
      stress.step(open(timeMs), 40);
      if (stress.stressed) found.stresses.push(timeMs);
      if (stress.phraseEnded) found.ends.push(timeMs);
    }
    return found;
  };
  const speech = count(talk);
  assert.ok(
    speech.stresses.length >= 10 && speech.stresses.length <= 25,
    `${speech.stresses.length} stresses`,
  );
  for (const timeMs of speech.stresses) {
    const within = (timeMs % 1000) - 250;
    assert.ok(within >= 0 && within < 250, `stress at ${timeMs} ms, not in a wide syllable`);
  }
  assert.equal(speech.ends.length, 10);
  for (const timeMs of speech.ends)
    assert.ok(timeMs % 3000 > 2000 && timeMs % 3000 < 2300, `end at ${timeMs}`);
  assert.deepEqual(
    count(() => 0),
    { stresses: [], ends: [] },
  );
  assert.deepEqual(count(() => 0.12).stresses, []);
});

test('the head moves little, smoothly and from rest, in silence and in speech', () => {
  for (const open of [() => 0, talk]) {
    const motion = new StillMotion({ seed: 7, iodPx: 100 });
    const at = (timeMs: number): number[] => {
      const { turn } = motion.at(timeMs, open(timeMs), open === talk ? 1 : 0);
      return [turn.yawRad / DEG, turn.pitchRad / DEG, turn.rollRad / DEG];
    };
    let before = at(0);
    assert.deepEqual(before.map(Math.abs), [0, 0, 0]);
    const speed = [0, 0, 0];
    const farthest = [0, 0, 0];
    for (let timeMs = 40; timeMs < 120_000; timeMs += 40) {
      const now = at(timeMs);
      now.forEach((degrees, axis) => {
        const step = degrees - before[axis]!;
        assert.ok(Math.abs(step) < 0.75, `axis ${axis} jumps by ${step} degrees at ${timeMs}`);
        assert.ok(Math.abs(step - speed[axis]!) < 0.6, `axis ${axis} jerks at ${timeMs}`);
        farthest[axis] = Math.max(farthest[axis]!, Math.abs(degrees));
        speed[axis] = step;
      });
      before = now;
    }
    assert.ok(farthest[0]! > 0.8 && farthest.every((degrees) => degrees < 4.5), farthest.join());
  }
});

test('stressed syllables make the head nod and now and then the brows rise; silence does not', () => {
  const follow = (open: (timeMs: number) => number): { pitch: number; brows: number } => {
    const motion = new StillMotion({ seed: 11, iodPx: 100 });
    let [pitch, brows] = [-Infinity, 0];
    for (let timeMs = 0; timeMs < 60_000; timeMs += 40) {
      const { turn } = motion.at(timeMs, open(timeMs), 0);
      pitch = Math.max(pitch, turn.pitchRad / DEG);
      brows = Math.max(brows, turn.brows);
    }
    return { pitch, brows };
  };
  const [silent, spoken] = [follow(() => 0), follow(talk)];
  assert.equal(silent.brows, 0);
  assert.ok(spoken.brows > 0.9, `brows ${spoken.brows}`);
  assert.ok(spoken.pitch > silent.pitch + 0.3, `${spoken.pitch} against ${silent.pitch} degrees`);
});

test('the same seed lives the same life, another one another', () => {
  const life = (id: string): number[] => {
    const motion = new StillMotion({ seed: seedOf(id), iodPx: 100 });
    return Array.from({ length: 200 }, (_, k) => {
      const { blink, turn } = motion.at(k * 40, talk(k * 40), 1);
      return blink + turn.yawRad + turn.brows;
    });
  };
  assert.deepEqual(life('anna'), life('anna'));
  assert.notDeepEqual(life('anna'), life('bert'));
});
