/** Before a name or a number, so that what follows is never a new sentence. */
const BEFORE_MORE = new Set(
  (
    'mr mrs ms dr prof st sr jr rev hon gen col lt sgt capt cmdr gov sen rep pres ' +
    'vs no nos vol ch pp fig figs eq sec art ed eds cf approx ca al e.g i.e viz esp incl ' +
    'mt ft ave blvd rd dept univ inc ltd co corp bros ' +
    'jan feb mar apr jun jul aug sep sept oct nov dec ' +
    // German, French, Spanish.
    'hr fr frl nr str bzw z.b d.h u.a ggf vgl abb mme mlle sra srta ud uds'
  ).split(' '),
);

/** These end a sentence as often as not: what follows decides. */
const BEFORE_ANY = new Set('a.m p.m etc u.s u.k u.n e.u ph.d b.c a.d'.split(' '));

/** Words that begin sentences; a name after "U.S." is none of them. */
const BEGINS =
  /^["'“‘(]*(?:The|This|That|These|Those|It|He|She|We|They|You|I|In|On|At|But|And|So|If|When|There|Then|Now|What|How|Why|Who|A|An)\b/;

/**
 * Whether the full stop that follows `before` belongs to an abbreviation, an initial, or the number of a list's item, and
 * ends no sentence. `after` is what comes next, without the space between.
 */
export function endsInAbbreviation(before: string, after: string): boolean {
  // "1. Take it": nothing but the number so far.
  if (/^\s*\(?\d{1,3}$/.test(before)) return true;
  const word = /[\p{L}.]+$/u.exec(before)?.[0];
  if (word === undefined) return false;
  const lower = word.toLowerCase();
  if (BEFORE_ANY.has(lower)) return !BEGINS.test(after);
  if (BEFORE_MORE.has(lower)) return true;
  // "J. R. R. Tolkien", but not "Vitamin C. It helps" or "So do I. We"
  return /^\p{Lu}$/u.test(word) && word !== 'I' && !BEGINS.test(after);
}
