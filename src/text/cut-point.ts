/** What a clause ends with. */
const CLAUSE = /[,;:–—]["'”’)\]]*\s|[，、；：]/gu;
/** A cut before this share of the room would leave a stub. */
const LEAST_SHARE = 0.3;

const words = new Intl.Segmenter(undefined, { granularity: 'word' });

/**
 * Where to cut `text`, which is longer than `most` characters: behind the last clause that fits, else between words (also
 * where a language writes none apart), else between characters as readers see them.
 */
export function cutPoint(text: string, most: number): number {
  const least = most * LEAST_SHARE;
  const room = text.slice(0, most);
  const clause = [...room.matchAll(CLAUSE)].at(-1);
  if (clause !== undefined && clause.index > least) return clause.index + clause[0].length;
  const space = room.search(/\s\S*$/u);
  if (space > least) return space + 1;
  let cut = 0;
  for (const { index, segment } of words.segment(text.slice(0, 2 * most))) {
    if (index + segment.length > most) break;
    cut = index + segment.length;
  }
  if (cut > 0) return cut;
  // One word without an end: not within a surrogate pair at least.
  return /[\ud800-\udbff]$/.test(room) ? most - 1 : most;
}
