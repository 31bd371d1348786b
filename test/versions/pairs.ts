import { isOldRelease, obtainMongod, obtainOldMongod, oldReleases } from '../../embedded/index.js';
import type { OnProgress } from '../../embedded/index.js';

/** The mongod that all other tests run with. */
export const USUAL = 'usual';

/** Releases at both ends of a migration: names of `oldReleases`, or the usual one. */
export interface Pair {
  readonly source: string;
  readonly target: string;
}

/** Old to usual, between two patch releases of one version, and back to old ones. */
export const pairs: readonly Pair[] = [
  { source: '4.4', target: USUAL },
  { source: '5.0', target: USUAL },
  { source: '6.0.27', target: USUAL },
  { source: USUAL, target: '6.0.27' },
  { source: USUAL, target: '5.0' },
  { source: USUAL, target: '4.4' },
];

/** Reads `4.4:usual`. @throws Error that says what releases there are */
export function readPair(text: string): Pair {
  const [source = '', target = '', ...more] = text.split(':');
  const isRelease = (name: string) => name === USUAL || isOldRelease(name);
  if (more.length === 0 && isRelease(source) && isRelease(target)) return { source, target };
  const releases = [USUAL, ...oldReleases].join(', ');
  throw new Error(`--pair takes <source>:<target>, each one of ${releases}, and not ${text}`);
}

/** Path of a release's mongod. @throws Error that says which variable to set */
export function obtainRelease(name: string, onProgress: OnProgress): Promise<string> {
  return isOldRelease(name) ? obtainOldMongod(name, onProgress) : obtainMongod(onProgress);
}
