import leven from 'leven';

/** More wrong letters than this share, and a name is no misspelling of another one. */
const FAR = 0.4;
const SHOWN = 3;

/**
 * The candidates that somebody may have meant, the nearest first, three at most: those that contain what
 * was given, or differ from it in a few letters.
 */
export function nearest(given: string, candidates: Iterable<string>): string[] {
  const wanted = given.toLowerCase();
  const ranked = [...new Set(candidates)].flatMap((candidate) => {
    const known = candidate.toLowerCase();
    const letters = leven(wanted, known);
    const isPart = wanted.length > 2 && (known.includes(wanted) || wanted.includes(known));
    const isNear = letters <= Math.max(2, Math.floor(FAR * Math.max(wanted.length, 1)));
    return isPart || isNear ? [{ candidate, letters }] : [];
  });
  return ranked
    .toSorted((one, other) => one.letters - other.letters)
    .slice(0, SHOWN)
    .map(({ candidate }) => candidate);
}

/** The nearest of them as a question, to stand behind what was given; empty where none is near. */
export function didYouMean(given: string, candidates: Iterable<string>): string {
  const [near] = nearest(given, candidates);
  return near === undefined ? '' : ` (did you mean "${near}"?)`;
}
