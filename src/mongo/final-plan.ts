import type { Catalogue } from './catalogue.js';
import { indexName } from './catalogue.js';
import { expirySeconds } from './expiry.js';
import { plainTwins } from './index-twins.js';
import { hasFlag, secondaryIndexes } from './indexes.js';

/** Seconds per million documents to build a unique index again: small keys, and large ones. */
const REBUILD_SECONDS = [0.25, 1] as const;

/** What the target can do to an index or a collection that is there. */
export interface FinalFeatures {
  /** Whether its user may run `collMod`; the role `readWrite` may not. */
  readonly collMod: boolean;
  /** 6.0 and later: an index can become unique without being built again. */
  readonly prepareUnique: boolean;
  /** 5.1 and later: an index can become a TTL index. */
  readonly ttlCollMod: boolean;
}

/** One thing to do at the cutover. Each may be done again: what is there already stays. */
export type FinalStep =
  /** Refuses new duplicates from now on; takes 2 ms on 2,000,000 documents (6.0.5). */
  | { readonly kind: 'prepareUnique'; readonly index: string }
  /** Makes a prepared index unique; scans it, while applications write. */
  | { readonly kind: 'convertUnique'; readonly index: string }
  | { readonly kind: 'expire'; readonly index: string; readonly seconds: number }
  /** Builds the index in its final form; drops what is there in another form. */
  | { readonly kind: 'rebuild'; readonly index: string }
  | { readonly kind: 'validator' }
  | { readonly kind: 'expireClustered'; readonly seconds: number };

/** What is left to do for a collection once all documents are there. */
export interface FinalPlan {
  /** In order; applications may write when all of it is done. */
  readonly beforeOpening: readonly FinalStep[];
  /** What can follow while applications write. */
  readonly afterOpening: readonly FinalStep[];
}

/** What a server of this version can do, for a user who may or may not run `collMod`. */
export function finalFeatures(version: string, collMod: boolean): FinalFeatures {
  return {
    collMod,
    prepareUnique: collMod && isAtLeast(version, 6, 0),
    ttlCollMod: collMod && isAtLeast(version, 5, 1),
  };
}

/** Compares a server's version, `6.0.5`, with a major and minor one. */
export function isAtLeast(version: string, major: number, minor: number): boolean {
  const [ofMajor = 0, ofMinor = 0] = version.split('.').map(Number);
  return ofMajor > major || (ofMajor === major && ofMinor >= minor);
}

/** Decides how what was held back comes into force. Expiry comes last: it deletes. */
export function planFinal(
  source: Pick<Catalogue, 'options' | 'indexes'>,
  features: FinalFeatures,
): FinalPlan {
  const steps: FinalStep[] = [];
  const expiry: FinalStep[] = [];
  const afterOpening: FinalStep[] = [];
  const twins = plainTwins(source);
  for (const spec of secondaryIndexes(source)) {
    const index = indexName(spec);
    if (twins.has(index)) continue;
    const seconds = expirySeconds(spec.get('expireAfterSeconds'));
    const unique = hasFlag(spec, 'unique');
    const prepared = unique || hasFlag(spec, 'prepareUnique');
    if (unique && !features.prepareUnique) {
      steps.push(rebuild(index));
      continue;
    }
    if (prepared && features.prepareUnique) steps.push({ kind: 'prepareUnique', index });
    if (unique) afterOpening.push({ kind: 'convertUnique', index });
    if (seconds === undefined) continue;
    if (features.ttlCollMod) {
      expiry.push({ kind: 'expire', index, seconds });
      continue;
    }
    expiry.push(rebuild(index));
  }
  const held = planOptions(source, features);
  return {
    beforeOpening: [...steps, ...held.steps, ...expiry, ...held.expiry],
    afterOpening: [...afterOpening, ...[...twins].map((index) => rebuild(index))],
  };
}

/** What it means that indexes are built again at the cutover, for people. */
export function describeRebuilds(names: readonly string[], documents: number): string {
  const millions = (documents / 1e6) * names.length;
  const [least, most] = REBUILD_SECONDS.map((seconds) => Math.ceil(seconds * millions));
  return (
    `unique and TTL indexes (${names.join(', ')}) are built again at the cutover, while no ` +
    `application may write: about ${least} to ${most} s. It takes milliseconds where the target is 6.0 or later, ` +
    'runs by the rules of that version (featureCompatibilityVersion), and its user may run collMod (the role dbAdmin)'
  );
}

function rebuild(index: string): FinalStep {
  return { kind: 'rebuild', index };
}

/** Where `collMod` may not be run, preflight refuses what only that would bring into force. */
function planOptions(
  { options }: Pick<Catalogue, 'options'>,
  { collMod }: FinalFeatures,
): { steps: FinalStep[]; expiry: FinalStep[] } {
  if (!collMod) return { steps: [], expiry: [] };
  const seconds = expirySeconds(options.get('expireAfterSeconds'));
  const isValidated = ['validator', 'validationLevel', 'validationAction'].some((name) =>
    options.has(name),
  );
  return {
    steps: isValidated ? [{ kind: 'validator' }] : [],
    expiry: seconds === undefined ? [] : [{ kind: 'expireClustered', seconds }],
  };
}
