import { type Command, InvalidArgumentError, Option } from 'commander';
import { z } from 'zod';
import { groupTuneFields, migrateCollectionsInput } from '../group-options.js';
import { migrateCollectionInput, verifyCollectionInput } from '../options.js';
import { readNames, readNumber } from './arguments.js';
import { readRenaming } from './patterns.js';

/** A limit that is taken away; commander knows no `null`. */
export const NONE = 'none';

type Named = 'source' | 'target' | 'namespace';
type Texts<Shape> = Readonly<Record<Exclude<keyof Shape, Named>, readonly [string, string]>>;

/** Name of the value, and what it does; the schema says the rest. */
const migrationTexts: Texts<typeof migrateCollectionInput.shape> = {
  targetNamespace: ['db.collection', 'name at the target, when it is another one'],
  copy: ['way', 'dump: mongodump and mongorestore through files; direct: from server to server'],
  copyDocumentsPerSecond: ['n', 'documents copied per second at most; with --copy direct'],
  copyBytesPerSecond: ['n', 'bytes copied per second at most; with --copy direct'],
  capture: [
    'how',
    'shared: one change stream for all of a database, where that may be read; own: one for each',
  ],
  captureDocumentsPerSecond: ['n', 'changed documents read back per second at most'],
  captureBytesPerSecond: ['n', 'bytes of changed documents read back per second at most'],
  replayBatch: ['n', 'changes applied at once at most'],
  token: ['how', 'stream: position of the change stream; marker: insert and delete of _id: -1'],
  restore: ['when', 'auto: at once; signal: wait after dump and capture for "csm restore"'],
  cutover: [
    'when',
    'signal: by "csm cutover"; auto: as soon as nothing speaks against it; a time, such as 2027-06-01T02:00:00Z; or lag:2/60, once the lag has been at most 2 s for 60 s, which lag:2 means too',
  ],
  verify: ['how much', 'full: compare every document byte for byte; none: do not'],
  verifyDocumentsPerSecond: ['n', 'documents compared per second at most, on each side'],
  verifyBytesPerSecond: ['n', 'bytes compared per second at most, on each side'],
  partitionBytes: ['bytes', 'documents per partition of the copy, in bytes'],
  parallelPartitions: ['number', 'partitions that are copied at the same time'],
  gzip: ['', 'compress dump files'],
  maxBufferBytes: ['bytes', 'changes kept at the target at which the capture waits for the replay'],
  maxLagSeconds: ['seconds', 'lag above which a cutover is refused'],
  keepBuffer: ['', 'leave buffer and control documents at the target after completion'],
};

const groupTexts = {
  follow: ['', 'of several: take up collections that appear at the source meanwhile'],
  parallelCopies: ['n', 'of several: collections copied at the same time, the largest first'],
} as const satisfies Partial<Texts<typeof migrateCollectionsInput.shape>>;

const verifyTexts: Texts<typeof verifyCollectionInput.shape> = {
  targetNamespace: ['db.collection', 'name at the target, when it is another one'],
  documentsPerSecond: ['number', 'documents read per second at most, on each side'],
  bytesPerSecond: ['bytes', 'bytes read per second at most, on each side'],
};

const tuneTexts: Texts<typeof groupTuneFields> = {
  parallelPartitions: ['number', 'partitions that are copied at the same time'],
  gzip: ['', 'compress the dump files that follow'],
  copyDocumentsPerSecond: ['n', 'documents copied per second at most, or "none"'],
  copyBytesPerSecond: ['n', 'bytes copied per second at most, or "none"'],
  captureDocumentsPerSecond: ['n', 'changed documents read back per second at most, or "none"'],
  captureBytesPerSecond: ['n', 'bytes of them read back per second at most, or "none"'],
  replayBatch: ['n', 'changes applied at once at most, or "none"'],
  verifyDocumentsPerSecond: ['n', 'documents compared per second at most, or "none"'],
  verifyBytesPerSecond: ['n', 'bytes compared per second at most, or "none"'],
  maxBufferBytes: ['bytes', 'changes kept at which the capture waits for the replay, or "none"'],
  parallelCopies: groupTexts.parallelCopies,
};

/** Adds an option for each field of the payload of `tune`. */
export function addTuneOptions(command: Command): Command {
  return addOptions(command, groupTuneFields, tuneTexts, []).option(
    '--no-gzip',
    'do not compress them',
  );
}

/** Adds an option for each field of `migrateCollection`'s input, but for those that are given. */
export function addMigrationOptions(command: Command, without: readonly string[] = []): Command {
  return addOptions(command, migrateCollectionInput.shape, migrationTexts, without);
}

/** Adds an option for each field that `migrateCollections`' input has beyond that of a single collection. */
export function addGroupOptions(command: Command): Command {
  command
    .addOption(
      new Option(
        '--exclude <pattern>',
        'of several: leave these collections out; repeat it or separate by commas',
      ).argParser(readNames),
    )
    .addOption(
      new Option(
        '--rename <from=to>',
        "of several: names at the target, such as 'shop.*=store.*'; repeat it, the first that matches counts",
      ).argParser(readRenaming),
    );
  return addOptions(command, migrateCollectionsInput.shape, groupTexts, []);
}

/** Adds an option for each field of `verifyCollection`'s input. */
export function addVerifyOptions(command: Command): Command {
  return addOptions(command, verifyCollectionInput.shape, verifyTexts, []);
}

/** What of a command's options belongs into an input, by the fields of its schema. */
export function inputFrom(
  shape: Readonly<Record<string, unknown>>,
  options: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const fields = Object.entries(options).filter(([name]) => name in shape);
  return Object.fromEntries(fields.filter(([, value]) => value !== undefined));
}

function addOptions(
  command: Command,
  shape: Readonly<Record<string, z.ZodType>>,
  texts: Readonly<Record<string, readonly [string, string]>>,
  without: readonly string[],
): Command {
  for (const [name, [value, text]] of Object.entries(texts)) {
    const field = shape[name];
    if (field && !without.includes(name)) command.addOption(optionFor(name, value, text, field));
  }
  return command;
}

function optionFor(name: string, value: string, text: string, field: z.ZodType): Option {
  const flag = `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  const given =
    field instanceof z.ZodDefault || field instanceof z.ZodOptional ? field.unwrap() : field;
  const inner = given instanceof z.ZodNullable ? given.unwrap() : given;
  const mayBeNone = given !== inner;
  const preset = field instanceof z.ZodDefault ? field.parse(undefined) : undefined;
  const isFlag = inner instanceof z.ZodBoolean;
  // Left out is left to the worker, whose default it is; the text only tells it.
  const told =
    preset === undefined || isFlag ? text : `${text} (default: ${JSON.stringify(preset)})`;
  const option = new Option(isFlag ? flag : `${flag} <${value}>`, told);
  if (inner instanceof z.ZodEnum) return option.choices(inner.options.map(String));
  if (inner instanceof z.ZodUnion) return option.argParser((typed) => readWhen(inner, typed));
  if (inner instanceof z.ZodNumber) {
    return option.argParser((typed) =>
      mayBeNone && typed === NONE ? NONE : checked(inner, typed),
    );
  }
  return option;
}

/** When to cut over: a word, a lag and for how long, or else a time. */
function readWhen(schema: z.ZodUnion, given: string): unknown {
  if (schema.safeParse(given).success) return given;
  const [, lag, seconds] = /^lag:([^/]*)(?:\/(.*))?$/.exec(given) ?? [];
  const plan =
    lag === undefined
      ? { at: given }
      : {
          whenLagUnder: readNumber(lag),
          ...(seconds !== undefined && { forSeconds: readNumber(seconds) }),
        };
  const isWord = /^[a-z]*$/i.test(given);
  const parsed = schema.safeParse(plan);
  if (parsed.success) return plan;
  throw new InvalidArgumentError(
    isWord
      ? 'It has to be signal, auto, a time such as 2027-06-01T02:00:00Z, or a lag such as lag:2/60.'
      : parsed.error.issues.map(({ message }) => message).join('; '),
  );
}

function checked(schema: z.ZodNumber, given: string): number {
  const number = readNumber(given);
  const parsed = schema.safeParse(number);
  if (parsed.success) return number;
  throw new InvalidArgumentError(parsed.error.issues.map(({ message }) => message).join('; '));
}
