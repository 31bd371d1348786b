import { z } from 'zod';
import { cutoverStart, isAboutPlan, planFields, planProblem, timeProblem } from './cutover-plan.js';
import { forcible } from './blockers.js';
import { objectOf } from './fields.js';
import { NamespacePattern, patternProblem } from './namespace-pattern.js';
import {
  alias,
  migrateCollectionInput,
  type MigrateCollectionOptions,
  parseInput,
  type Parsed,
  parseMigrateCollection,
} from './options.js';
import { tuneFields, tuningOf } from './tuning.js';

/** Temporal holds 2,000 running children of one workflow; half of that leaves room for those that end. */
export const MAX_COLLECTIONS = 1_000;

const pattern = z
  .string()
  .max(512)
  .superRefine((text, context) => {
    const message = patternProblem(text);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });

const renaming = objectOf({ from: pattern, to: pattern }).superRefine((rule, context) => {
  if (patternProblem(rule.from) !== undefined || patternProblem(rule.to) !== undefined) return;
  const [from, to] = [rule.from, rule.to].map((text) => new NamespacePattern(text).stars);
  if (from === to) return;
  const message = `"from" has ${from} and "to" has ${to} stars: as many are needed, so that no two names become one`;
  context.addIssue({ code: 'custom', message });
});

const {
  source: _source,
  target: _target,
  namespace: _namespace,
  targetNamespace: _targetNamespace,
  cutover: _cutover,
  ...shared
} = migrateCollectionInput.shape;

/** What a person gives `migrateCollections`, checked; what is not of its own goes to each collection. */
export const migrateCollectionsInput = objectOf({
  /** Alias of the deployment to copy from. */
  source: alias,
  /** Alias of the deployment to copy to. */
  target: alias,
  /** Namespaces and patterns of them: `["shop.*", "crm.people"]`. */
  namespaces: z.array(pattern).min(1).max(MAX_COLLECTIONS),
  /** What is left out of them. */
  exclude: z.array(pattern).max(MAX_COLLECTIONS).default([]),
  /** Names at the target: `[{"from": "shop.*", "to": "store.*"}]`; the first rule that matches counts. */
  rename: z.array(renaming).max(MAX_COLLECTIONS).default([]),
  /** Take up collections that appear at the source meanwhile; otherwise status names them. */
  follow: z.boolean().default(false),
  /** Collections copied at the same time, the largest first. Changes of all are captured from the start. */
  parallelCopies: z.number().int().min(1).max(64).default(2),
  /** One cutover for all: by a message, `auto`, `{"at": …}`, or `{"whenLagUnder": …}` for the largest lag of all. */
  cutover: cutoverStart.default('signal'),
  ...shared,
});

/** The checked input with all defaults filled in. */
export type MigrateCollectionsOptions = Readonly<z.infer<typeof migrateCollectionsInput>>;

/**
 * Checks the input of `migrateCollections` and fills in its defaults.
 * @param workflow what messages call it.
 * @param now when it was started, in ms.
 */
export function parseMigrateCollections(
  payload: unknown,
  workflow = 'migrateCollections',
  now = Date.now(),
): Parsed<MigrateCollectionsOptions> {
  const what = `input of ${workflow}`;
  const parsed = parseInput(migrateCollectionsInput, payload ?? {}, what);
  if ('error' in parsed) return parsed;
  const { cutover } = parsed.value;
  const problem = typeof cutover === 'string' ? undefined : timeProblem(cutover.at, now);
  if (problem !== undefined) return { error: `Invalid ${what}: "cutover.at": ${problem}` };
  // What options contradict each other in is the same as for one collection.
  const one = parseMigrateCollection({
    ...optionsOfOne(parsed.value),
    namespace: 'any.name',
    targetNamespace: 'any.other',
  });
  if ('error' in one) return { error: one.error.replace('migrateCollection', workflow) };
  return parsed;
}

/** Options of a single collection in a group. */
export function optionsFor(
  options: MigrateCollectionsOptions,
  names: { readonly namespace: string; readonly targetNamespace: string },
): MigrateCollectionOptions {
  return { ...optionsOfOne(options), ...names };
}

/** Payload of a group's `tune`: what is for each collection, and how many are copied at the same time. */
export const groupTuneFields = {
  ...tuneFields,
  /** Of those that are copied none is stopped. */
  parallelCopies: migrateCollectionsInput.shape.parallelCopies.unwrap().optional(),
} as const;

export const groupTuneInput = tuningOf(groupTuneFields).prefault({});

type OptionsOfOne = Omit<MigrateCollectionOptions, 'namespace' | 'targetNamespace'>;

function optionsOfOne({
  namespaces: _namespaces,
  exclude: _exclude,
  rename: _rename,
  follow: _follow,
  parallelCopies: _parallelCopies,
  ...options
}: MigrateCollectionsOptions): OptionsOfOne {
  return { ...options, cutover: 'signal' };
}

/** Payload of a group's `cutover`. */
export const groupCutoverInput = objectOf({
  /** Codes of blockers to overrule, for whichever collection. */
  force: z.array(z.enum(forcible)).max(20).default([]),
  /** Namespaces that the cutover leaves as they are; all others are cut over together. */
  leave: z.array(z.string().max(255)).max(MAX_COLLECTIONS).default([]),
  /** Only answer what speaks against it now. */
  dryRun: z.boolean().default(false),
  ...planFields,
})
  .superRefine((given, context) => {
    const isMixed = isAboutPlan(given) && given.dryRun;
    const mixed = isMixed ? '"dryRun" is for a cutover now, not for a plan' : undefined;
    const message = planProblem(given) ?? mixed;
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  })
  .prefault({});

export type GroupCutoverPayload = Readonly<z.infer<typeof groupCutoverInput>>;

/** Payload of `retry`: which of those that have ended without a cutover to begin anew; all unless given. */
export const retryInput = objectOf({
  namespaces: z.array(z.string().max(255)).min(1).max(MAX_COLLECTIONS).optional(),
}).prefault({});
