import { z } from 'zod';
import { forcible } from './blockers.js';
import { cutoverStart, isAboutPlan, planFields, planProblem, timeProblem } from './cutover-plan.js';
import { objectOf } from './fields.js';
import { parseNamespace } from './names.js';

/** 1 GiB: large enough that a partition's fixed costs vanish, small enough to repeat after a crash. */
const DEFAULT_PARTITION_BYTES = 1024 ** 3;
const CONNECTION_STRING = /mongodb(\+srv)?:\/\//i;

export const alias = z
  .string()
  .regex(
    /^[a-z][a-z0-9_]*$/,
    'must be an alias in lower case (a-z, 0-9, _), defined on the worker by MONGODB_URI_<ALIAS>',
  );

export const namespace = z
  .string()
  .max(255, 'is longer than the 255 bytes that MongoDB allows')
  .regex(
    /^[^./\\ "$\0]{1,63}\.[^\0]+$/u,
    'must be <database>.<collection>, for example shop.orders',
  )
  .refine((value) => {
    const { collection } = parseNamespace(value);
    return !collection.startsWith('.') && !collection.endsWith('.');
  }, 'must be <database>.<collection>, with no empty part')
  .refine((value) => {
    const { db, collection } = parseNamespace(value);
    const internal = ['admin', 'local', 'config'].includes(db);
    return !internal && !collection.startsWith('system.');
  }, "is one of MongoDB's own collections and cannot be migrated")
  .refine((value) => {
    const { collection } = parseNamespace(value);
    return collection !== 'cdc' && !/^cdc(-staging(-\d+)?(-[0-9a-f]{8})?)?\./.test(collection);
  }, 'has a name that a migration uses for its own state (cdc, cdc.*, cdc-staging*.*)');

/** Why a copy by mongodump has no limits. */
export const DIRECT_ONLY =
  'mongodump reads as fast as it can; only a copy from server to server ("copy": "direct") can be limited';

const documentsPerSecond = z.number().int().min(1).max(10_000_000).optional();

const bytesPerSecond = z
  .number()
  .int()
  .min(64 * 1024)
  .max(1024 ** 4)
  .optional();

/** What a person gives `migrateCollection`, checked; every field beyond the first three is optional. */
export const migrateCollectionInput = objectOf({
  /** Alias of the deployment to copy from. */
  source: alias,
  /** Alias of the deployment to copy to. */
  target: alias,
  /** `<database>.<collection>` at the source. */
  namespace,
  /** `<database>.<collection>` at the target; the same as `namespace` unless given. */
  targetNamespace: namespace.optional(),
  /** `dump`: mongodump and mongorestore through files. `direct`: server to server, no disk, no tools. */
  copy: z.enum(['dump', 'direct']).default('dump'),
  /**
   * Documents copied per second at most, by all partitions together; with `copy: "direct"` only, since
   * mongodump has no limits.
   */
  copyDocumentsPerSecond: documentsPerSecond,
  /** The same in bytes of documents. */
  copyBytesPerSecond: bytesPerSecond,
  /** `stream`: the change stream's own token. `marker`: insert and delete of `_id: -1` at the source. */
  token: z.enum(['stream', 'marker']).default('stream'),
  /**
   * `shared`: migrations out of one database on one worker read one change stream of it, where the user may; one
   * that is alone has its own. `own`: a change stream of its own in any case.
   */
  capture: z.enum(['shared', 'own']).default('shared'),
  /**
   * Changed documents that the capture reads back at the source per second at most. Where applications change more
   * than that, the lag grows for as long. Least 100: the server closes a stream that waits for too long. There is no
   * limit at the cutover, where applications wait.
   */
  captureDocumentsPerSecond: documentsPerSecond.unwrap().min(100).optional(),
  /** The same in bytes of documents. */
  captureBytesPerSecond: bytesPerSecond,
  /** Changes applied at once at most; without it as many as are fastest. Less of them hold the target for less long. */
  replayBatch: z.number().int().min(100).max(1_000_000).optional(),
  /** `signal`: after dump and capture, wait for the signal `restore`. */
  restore: z.enum(['auto', 'signal']).default('auto'),
  /**
   * `auto`: cut over as soon as nothing speaks against it. `{"at": …}`: at a time. `{"whenLagUnder": …}`:
   * once the lag has stayed under so many seconds for `forSeconds`.
   */
  cutover: cutoverStart.default('signal'),
  /** `full`: compare every document byte for byte before the cutover. */
  verify: z.enum(['full', 'none']).default('full'),
  /**
   * Documents read per second at most, on each side, to compare everything, before the cutover and
   * again until it comes. Documents that change are compared without a limit: there are as many as
   * applications write, and a comparison that falls behind them would never end. Nor is there one at
   * the cutover, where applications wait.
   */
  verifyDocumentsPerSecond: documentsPerSecond,
  /** The same in bytes of documents. */
  verifyBytesPerSecond: bytesPerSecond,
  /** Bytes of documents per partition of the copy. */
  partitionBytes: z
    .number()
    .int()
    .min(1024 ** 2)
    .max(1024 ** 4)
    .default(DEFAULT_PARTITION_BYTES),
  /** Partitions copied at the same time. */
  parallelPartitions: z.number().int().min(1).max(64).default(2),
  /** Compress dump files. */
  gzip: z.boolean().default(false),
  /**
   * Bytes of changes in the buffer at the target at which the capture waits for the replay to make room. Without
   * it the buffer may take all the room that the target has; with it the source's oplog has to hold what is not
   * read meanwhile.
   */
  maxBufferBytes: z
    .number()
    .int()
    .min(1024 ** 2)
    .max(1024 ** 5)
    .optional(),
  /** Lag in seconds above which a cutover is refused. */
  maxLagSeconds: z.number().min(0.1).max(3600).default(10),
  /** Leave the buffer and the control document in the target database after completion. */
  keepBuffer: z.boolean().default(false),
});

/** The checked input with all defaults filled in. */
export type MigrateCollectionOptions = Readonly<z.infer<typeof migrateCollectionInput>> & {
  readonly targetNamespace: string;
};

/** Payload of `abort`. */
export const abortInput = objectOf({
  /** Also drop the target collection if it has its final name already. */
  dropTarget: z.boolean().default(false),
  reason: z.string().max(1000).optional(),
}).prefault({});

/** Payload of `cutover`. */
export const cutoverInput = objectOf({
  /** Codes of blockers to overrule, each by its name as status shows it. */
  force: z.array(z.enum(forcible)).max(20).default([]),
  /** Only answer what speaks against it now. */
  dryRun: z.boolean().default(false),
  ...planFields,
})
  .superRefine((given, context) => {
    const isMixed = given.dryRun && isAboutPlan(given);
    const mixed = isMixed ? '"dryRun" asks about a cutover now, without "at" or a lag' : undefined;
    const message = planProblem(given) ?? mixed;
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  })
  .prefault({});

export type CutoverPayload = Readonly<z.infer<typeof cutoverInput>>;

/** Payload of `restore`, `pause`, `resume` and `restart`: nothing, or an empty object (the UI's forms send one). */
export const emptyInput = objectOf({ reason: z.string().max(1000).optional() }).prefault({});

/** Result of reading a payload: the value, or one message that says all that is wrong. */
export type Parsed<T> = { readonly value: T } | { readonly error: string };

/**
 * Checks a payload and puts everything that is wrong into one message. Values are never repeated in
 * it, so that a password pasted into the wrong field goes no further.
 */
export function parseInput<S extends z.ZodType>(
  schema: S,
  payload: unknown,
  what: string,
): Parsed<z.output<S>> {
  if (CONNECTION_STRING.test(JSON.stringify(payload) ?? '')) {
    return {
      error:
        `Invalid ${what}: it holds a connection string. Connections travel by name only: set ` +
        'MONGODB_URI_<ALIAS> on the worker and give the alias here. What was sent is now readable ' +
        'in the workflow history: change that password.',
    };
  }
  if (Array.isArray(payload)) {
    return { error: `Invalid ${what}: takes one JSON object, and not a list or several` };
  }
  const parsed = schema.safeParse(payload ?? undefined);
  if (parsed.success) return { value: parsed.data };
  const problems = parsed.error.issues.flatMap(plainIssues).map((issue) => {
    const path = issue.path.join('.');
    return path ? `"${path}": ${issue.message}` : issue.message;
  });
  return { error: `Invalid ${what}: ${problems.join('; ')}` };
}

/** What is wrong with one of several forms: with the one that was meant, by its type. */
function plainIssues(issue: z.core.$ZodIssue): z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union') return [issue];
  const isOtherType = ({ code, path }: z.core.$ZodIssue) =>
    code === 'invalid_type' && path.length === 0;
  const meant = issue.errors.find((issues) => !issues.some(isOtherType)) ?? [];
  return meant
    .flatMap(plainIssues)
    .map((each) => ({ ...each, path: [...issue.path, ...each.path] }));
}

/**
 * Checks the input of `migrateCollection` and fills in its defaults. `preflight` takes the same.
 * @param workflow the one to name in what is wrong.
 * @param now when it was started, in ms.
 */
export function parseMigrateCollection(
  payload: unknown,
  workflow = 'migrateCollection',
  now = Date.now(),
): Parsed<MigrateCollectionOptions> {
  const what = `input of ${workflow}`;
  const parsed = parsePair(migrateCollectionInput, payload, what);
  if ('error' in parsed) return parsed;
  const { cutover, copy, ...options } = parsed.value;
  const problems: string[] = [];
  const tooLate = typeof cutover === 'string' ? undefined : timeProblem(cutover.at, now);
  if (tooLate !== undefined) problems.push(`"cutover.at": ${tooLate}`);
  if (copy === 'dump') {
    for (const name of ['copyDocumentsPerSecond', 'copyBytesPerSecond'] as const) {
      if (options[name] !== undefined) problems.push(`"${name}": ${DIRECT_ONLY}`);
    }
  }
  return problems.length === 0 ? parsed : { error: `Invalid ${what}: ${problems.join('; ')}` };
}

/** Checks an input that names two collections, which have to be different ones. */
function parsePair<
  S extends z.ZodType<{
    source: string;
    target: string;
    namespace: string;
    targetNamespace?: string | undefined;
  }>,
>(
  schema: S,
  payload: unknown,
  what: string,
): Parsed<z.output<S> & { readonly targetNamespace: string }> {
  const parsed = parseInput(schema, payload ?? {}, what);
  if ('error' in parsed) return parsed;
  const { source, target, namespace: from, targetNamespace = from } = parsed.value;
  if (source === target && targetNamespace === from) {
    return {
      error:
        `Invalid ${what}: source and target are the same collection; give another target alias or ` +
        'a targetNamespace',
    };
  }
  return { value: { ...parsed.value, targetNamespace } };
}

/** What a person gives `verifyCollection`, checked; every field beyond the first three is optional. */
export const verifyCollectionInput = objectOf({
  /** Alias of the deployment that is taken for right. */
  source: alias,
  /** Alias of the deployment that is compared with it. */
  target: alias,
  /** `<database>.<collection>` at the source. */
  namespace,
  /** `<database>.<collection>` at the target; the same as `namespace` unless given. */
  targetNamespace: namespace.optional(),
  /** Documents read per second at most, on each side. */
  documentsPerSecond,
  /** Bytes of documents read per second at most, on each side. */
  bytesPerSecond,
});

/** The checked input with the target's namespace filled in. */
export type VerifyCollectionOptions = Readonly<z.infer<typeof verifyCollectionInput>> & {
  readonly targetNamespace: string;
};

/** Checks the input of `verifyCollection`. */
export function parseVerifyCollection(payload: unknown): Parsed<VerifyCollectionOptions> {
  return parsePair(verifyCollectionInput, payload, 'input of verifyCollection');
}
