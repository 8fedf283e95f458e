import { faceMask, faceSquare, labelsFrom, parsingInput, toAlphaMask } from '../../compositor/face-mask.js';
import { meshLabels } from '../../compositor/mesh-labels.js';
import { resizeLanczos4 } from '../../compositor/resize-opencv.js';
import { AppError } from '../../errors.js';
import type { DWPose } from '../../face/dwpose.js';
import type { FaceParser } from '../../face/load-face-models.js';
import type { S3FD } from '../../face/s3fd.js';
import type { Log } from '../../lib/log.js';
import { i420SizeBytes } from '../../media/frame.js';
import type { AlphaMask, Box, RgbImage } from '../../media/frame.js';
import { i420ToRgb } from '../../media/yuv.js';
import type { AvatarSource } from '../engine.js';
import type { ShiftAdvice } from './crop-box.js';
import type { FaceFamily } from './face-family.js';
import type { FaceParameters } from './face-material.js';
import { findBoxes } from './find-boxes.js';
import type { EdgeDifference, FoundBoxes } from './find-boxes.js';

/** Crops that the family's networks see at once. */
const BATCH = 4;
/** Share of the work of looking for faces with networks. */
const SEARCH_SHARE = 0.2;
/** A face this much larger than a generated one looks soft. */
const SOFT_FROM = 1.25;

/** What is prepared of one footage picture; the arrays belong to the sink. */
export interface PreparedPicture {
  readonly box: Box;
  readonly mask: AlphaMask;
  readonly input: Float32Array;
}

/** Takes the pictures in order, one for every picture of the avatar. */
export interface MaterialSink {
  add(picture: PreparedPicture): Promise<void>;
}

export interface PrepareMaterialOptions {
  readonly avatar: AvatarSource;
  readonly family: Pick<FaceFamily, 'name' | 'faceSidePx' | 'inputValues' | 'prepare'>;
  /** Without one the avatar's face mesh gives the boxes. */
  readonly landmarker?: Pick<DWPose, 'face68'> | undefined;
  /** Without one every picture counts as showing a face. */
  readonly faceFinder?: Pick<S3FD, 'bestFace'> | undefined;
  /** Without one the avatar's face mesh gives the masks. */
  readonly parser?: FaceParser | undefined;
  readonly parameters: FaceParameters;
  readonly sink: MaterialSink;
  /** 0 to 1, never falling. */
  readonly onProgress?: (fraction: number) => void;
  readonly signal?: AbortSignal;
  readonly log: Log;
}

export interface MaterialSummary {
  readonly frameCount: number;
  readonly landmarks: 'dwpose' | 'mesh';
  readonly masks: 'parsing' | 'mesh';
  /** Pictures without a face of their own; they hold the nearest picture's box. */
  readonly heldCount: number;
  /** Pictures that are shown as they are, because nothing of a face is in their box. */
  readonly unmaskedCount: number;
  /** The range of bbox_shift that the reference advises (v1). */
  readonly shiftAdvice: ShiftAdvice;
  /** The mesh's boxes less DWPose's, mean of each edge; where both are there. */
  readonly meshDifferencePx?: EdgeDifference;
  /** Sentences for the avatar's quality report. */
  readonly notes: readonly string[];
}

/**
 * Prepares an avatar's pictures for a face-generating family: where the face sits, how it is pasted back, and what the
 * networks make of it. Two passes over the pictures, one in memory at a time: boxes first (they are smoothed over
 * time), then crops, masks and inputs. Follows the MuseTalk reference except that boxes stay inside the picture and
 * that a picture without a face still gets its entry, so that lists never fall out of step.
 * @throws AppError no-face; the family's and the models' own errors; the signal's reason when it aborts
 */
export async function prepareMaterial(options: PrepareMaterialOptions): Promise<MaterialSummary> {
  const { avatar, family, landmarker, faceFinder, parser, parameters, sink, signal, log } = options;
  const total = avatar.frameCount;
  const searchShare = landmarker || faceFinder ? SEARCH_SHARE : 0;
  const read = pictureReader(avatar);
  const found = await findBoxes({
    ...{ avatar, landmarker, faceFinder, parameters, read, log },
    onPicture(index) {
      signal?.throwIfAborted();
      options.onProgress?.((searchShare * index) / total);
    },
  });

  let unmaskedCount = 0;
  for (let first = 0; first < total; first += BATCH) {
    const boxes = found.boxes.slice(first, first + BATCH);
    const crops: RgbImage[] = [];
    const masks: AlphaMask[] = [];
    for (const [offset, box] of boxes.entries()) {
      signal?.throwIfAborted();
      const picture = read(first + offset);
      crops.push(resizeLanczos4(cropOf(picture, box), family.faceSidePx, family.faceSidePx));
      masks.push(await maskOf(first + offset, picture, box));
    }
    const inputs = await family.prepare(crops);
    for (const [offset, box] of boxes.entries()) {
      signal?.throwIfAborted();
      const [mask, input] = [masks[offset], inputs[offset]];
      if (mask === undefined || input?.length !== family.inputValues) {
        throw new AppError(
          'internal',
          `${family.name} prepared ${input?.length ?? 'no'} numbers for picture ${first + offset}, not ${family.inputValues}`,
        );
      }
      if (mask.alpha.length === 0) unmaskedCount++;
      await sink.add({ box, mask, input });
      options.onProgress?.(Math.min(1, searchShare + ((1 - searchShare) * (first + offset + 1)) / total));
    }
  }
  const summary = summaryOf(found, {
    unmaskedCount,
    parsing: parser !== undefined,
    faceSidePx: family.faceSidePx,
    parameters,
  });
  log.info({ avatar: avatar.id, family: family.name, ...summary }, 'face material prepared');
  return summary;

  async function maskOf(index: number, picture: RgbImage, box: Box): Promise<AlphaMask> {
    const square = faceSquare(box);
    let labels: Uint8Array;
    if (parser) labels = labelsFrom(await parser(parsingInput(picture, square)));
    else if (found.meshFound[index]) labels = meshLabels(avatar.landmarks(index), square);
    else return { area: { x1: 0, y1: 0, x2: 0, y2: 0 }, alpha: new Uint8Array(0) };
    const mode = parameters.version === 'v1' ? 'raw' : parameters.parsingMode;
    const { leftCheekWidthPx, rightCheekWidthPx } = parameters;
    const mask = faceMask({ labels, box, square, mode, leftCheekWidthPx, rightCheekWidthPx });
    return toAlphaMask(mask, square, avatar);
  }
}

/** Reads pictures one by one into the same memory. */
function pictureReader(avatar: AvatarSource): (index: number) => RgbImage {
  const { widthPx, heightPx } = avatar;
  const i420 = new Uint8Array(i420SizeBytes(widthPx, heightPx));
  const rgb = { widthPx, heightPx, data: new Uint8Array(widthPx * heightPx * 3) };
  return (index) => {
    avatar.readFrame(index, i420);
    i420ToRgb(i420, widthPx, heightPx, rgb.data);
    return rgb;
  };
}

/** A box inside the picture, in an array of its own. */
function cropOf(picture: RgbImage, box: Box): RgbImage {
  const widthPx = box.x2 - box.x1;
  const heightPx = box.y2 - box.y1;
  const data = new Uint8Array(widthPx * heightPx * 3);
  for (let y = 0; y < heightPx; y++) {
    const from = ((box.y1 + y) * picture.widthPx + box.x1) * 3;
    data.set(picture.data.subarray(from, from + widthPx * 3), y * widthPx * 3);
  }
  return { widthPx, heightPx, data };
}

function summaryOf(
  found: FoundBoxes,
  facts: { unmaskedCount: number; parsing: boolean; faceSidePx: number; parameters: FaceParameters },
): MaterialSummary {
  const heldCount = found.found.filter((each) => !each).length;
  const largestPx = Math.max(...found.boxes.map(({ x1, y1, x2, y2 }) => Math.max(x2 - x1, y2 - y1)));
  const notes: string[] = [];
  if (found.landmarks === 'mesh')
    notes.push('The face boxes come from the face mesh, uncalibrated against DWPose.');
  if (!facts.parsing) notes.push('The face masks come from the face mesh, without a face parsing model.');
  const { minPx, maxPx } = found.shiftAdvice;
  const { version, bboxShiftPx } = facts.parameters;
  if (version === 'v1' && (bboxShiftPx < minPx || bboxShiftPx > maxPx))
    notes.push(`A bbox_shift of ${bboxShiftPx} is outside ${minPx} to ${maxPx}, which suits this face.`);
  if (heldCount > 0)
    notes.push(`In ${heldCount} pictures the face was not found; they hold the box of the nearest picture.`);
  if (facts.unmaskedCount > 0)
    notes.push(`In ${facts.unmaskedCount} pictures there is nothing to draw on; they are shown as they are.`);
  if (largestPx > SOFT_FROM * facts.faceSidePx)
    notes.push(
      `The face is ${largestPx} pixels large and drawn from ${facts.faceSidePx}; it will look soft.`,
    );
  return {
    frameCount: found.boxes.length,
    landmarks: found.landmarks,
    masks: facts.parsing ? 'parsing' : 'mesh',
    heldCount,
    unmaskedCount: facts.unmaskedCount,
    shiftAdvice: found.shiftAdvice,
    ...(found.meshDifferencePx && { meshDifferencePx: found.meshDifferencePx }),
    notes,
  };
}
