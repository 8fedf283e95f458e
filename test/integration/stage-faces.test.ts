import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { AvatarSource } from '../../src/engine/engine.js';
import { idleIndex } from '../../src/media/idle-index.js';
import { Stage, type Entrance } from '../../src/worker/stage/stage.js';
import { babble } from '../helpers/hearing.js';
import { StubEngine } from '../helpers/stub-engine.js';
import { syntheticAvatar } from '../helpers/synthetic-avatar.js';
import { syntheticLandmarks } from '../helpers/synthetic-face.js';

/** One avatar after the other with generated faces: the MuseTalk engine on stand-in networks that paint green. */

const [widthPx, heightPx, FRAMES] = [256, 256, 3];

function avatar(brightness: number): AvatarSource {
  return syntheticAvatar({
    widthPx,
    heightPx,
    landmarks: Array.from({ length: FRAMES }, () => syntheticLandmarks(128, 110, 60)),
    paint: (index, rgb) => rgb.fill(30).fill(brightness + 10 * index, 0, widthPx * 20 * 3),
  });
}

it('an avatar that enters has a generated mouth at once, and no face is asked for that is not shown', async (t) => {
  const stub = await StubEngine.open();
  t.after(() => stub.close());
  const [dark, light] = [avatar(60), avatar(200)];
  const [{ mask }] = (await stub.prepare(dark)) as [Awaited<ReturnType<StubEngine['prepare']>>[number]];
  const open = async (source: AvatarSource, loopFrom = 0) => ({
    avatar: source,
    stream: await stub.engine.open(source, { fps: 25, loopFrom }),
  });
  const stage = new Stage(await open(dark), { fps: 25 });
  t.after(() => stage.close());

  const { x1, y1, x2 } = mask.area;
  const full = mask.alpha.lastIndexOf(255);
  const at = (y1 + Math.floor(full / (x2 - x1))) * widthPx + x1 + (full % (x2 - x1));
  const sound = babble(5);
  const own = new Uint8Array((widthPx * heightPx * 3) / 2);
  const drawn: { sky: number; mouth: number }[] = [];
  let entrance: Promise<Entrance> | undefined;
  for (let piece = 0; piece < sound.length; piece += 320) {
    if (piece === 48_000) entrance = stage.enter((first) => open(light, first));
    await new Promise((resolve) => setTimeout(resolve, 5));
    for await (const { data } of stage.push(sound.slice(piece, piece + 320))) {
      dark.readFrame(idleIndex(drawn.length, FRAMES), own);
      drawn.push({ sky: data[5 * widthPx]!, mouth: Math.abs(data[at]! - own[at]!) });
    }
  }
  const { fromPicture, toPicture } = await entrance!;
  assert.equal(toPicture - fromPicture, 5);
  assert.ok(drawn[fromPicture - 1]!.sky < 100 && drawn[toPicture]!.sky > 180, 'it is another avatar');
  const speaking = drawn.slice(fromPicture - 10);
  assert.ok(
    speaking.every(({ mouth }) => mouth > 20),
    `the mouth is a generated one throughout: ${speaking.map(({ mouth }) => mouth).join(' ')}`,
  );
  // What the leaving one had under way when it left was asked for in vain.
  const shown = drawn.length + (toPicture - fromPicture);
  assert.ok(stub.calls.faces <= shown + 25, `${stub.calls.faces} faces for ${shown}`);
});
