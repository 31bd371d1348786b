import { partitionCount } from '../mongo/partitions.js';
import type { DiskReport, Findings, PreflightContext, SourceReport } from './report.js';

/**
 * Bytes per second that a copy moves at least, network included. On one machine mongodump and
 * mongorestore move 40 to 50 MB/s (documents of 500 bytes, 2 cores).
 */
const BYTES_PER_SECOND = 30_000_000;
/** BSON files are as large as the collection's documents; this is for what is still growing. */
const DISK_MARGIN = 1.1;
const GIB = 1024 ** 3;

/** Hours that a copy takes, to compare with the hours of history that the source holds. */
export function estimateCopyHours(bytes: number): number {
  return bytes / BYTES_PER_SECOND / 3600;
}

/** Bytes that dump files need at once, uncompressed: what is in flight, or all where the restore has to wait. */
export function diskNeeded(
  bytes: number,
  options: PreflightContext['options'],
  singlePartition: boolean,
): number {
  const { parallelPartitions, partitionBytes } = options;
  // Of a very large collection the plan has fewer and larger partitions.
  const partitions = partitionCount({ documents: 0, bytes, partitionBytes, parallelPartitions });
  const inFlight = parallelPartitions * Math.max(partitionBytes, bytes / partitions);
  const whole = options.restore === 'signal' || singlePartition;
  return Math.ceil((whole ? bytes : Math.min(bytes, inFlight)) * DISK_MARGIN);
}

/** Whether this worker can dump at all: tools, and room for the files, which it returns. */
export async function checkDump(
  context: PreflightContext,
  findings: Findings,
  bytes: number,
  singlePartition: boolean,
): Promise<DiskReport | undefined> {
  const { options, tools, dumpFolder } = context;
  if (options.copy !== 'dump') return undefined;
  if (tools?.problem !== undefined) {
    findings.error(
      'toolsMissing',
      `copy "dump" needs mongodump and mongorestore on the worker: ${tools.problem} Or use copy ` +
        '"direct", which needs neither tools nor disk.',
    );
  }
  if (!context.freeBytes) return undefined;
  const [free, needed] = [
    await context.freeBytes(dumpFolder),
    diskNeeded(bytes, options, singlePartition),
  ];
  const report = { folder: dumpFolder, neededBytes: needed, freeBytes: free };
  if (free >= needed) return report;
  const remedies = [
    'free space',
    ...(options.restore === 'signal' ? ['restore "auto", which keeps only what is in flight'] : []),
    ...(singlePartition ? [] : ['smaller partitionBytes or parallelPartitions']),
    'copy "direct", which needs no disk',
  ];
  const size = `${gib(needed)} at once`;
  const message = (needs: string) =>
    `the worker's folder ${dumpFolder} has ${gib(free)} free, and dump files ${needs}; what helps: ` +
    remedies.join(', or ');
  // How well the documents compress, nobody knows before.
  if (options.gzip) findings.warn('diskShort', message(`would need ${size} without compression`));
  else findings.error('diskShort', message(`need ${size}`));
  return report;
}

/** Warns when the dump files of several collections, each of which would fit, may not fit the worker's folder together. */
export function checkDumps(
  findings: Findings,
  disks: readonly DiskReport[],
  {
    restore,
    gzip,
    parallelCopies,
  }: Pick<PreflightContext['options'], 'restore' | 'gzip'> & {
    readonly parallelCopies: number;
  },
): void {
  const largest = disks.map(({ neededBytes }) => neededBytes).toSorted((one, other) => other - one);
  // Those that wait for the restore have given up their turn, and others are dumped meanwhile.
  const together = restore === 'signal' ? largest : largest.slice(0, parallelCopies);
  const needed = together.reduce((sum, each) => sum + each, 0);
  const free = Math.min(...disks.map(({ freeBytes }) => freeBytes));
  const [disk] = disks;
  if (!disk || together.length < 2 || free >= needed) return;
  const remedies = [
    'free space',
    restore === 'signal'
      ? 'restore "auto", which keeps only what is in flight'
      : 'fewer parallelCopies',
    'more workers on other hosts, which are not counted here',
    'copy "direct", which needs no disk',
  ];
  findings.warn(
    'dumpsShort',
    `the worker's folder ${disk.folder} has ${gib(free)} free, and dump files of ${together.length} collections may ` +
      `need ${gib(needed)} at once${gzip ? ' without compression' : ''}; what helps: ${remedies.join(', or ')}`,
  );
}

/** Warns when the target's disk may be too small; how well its server compresses, nobody knows before. */
export function checkRoom(
  findings: Findings,
  bytes: number,
  freeBytes: number | undefined,
  what = 'the collection',
): void {
  const needed = Math.ceil(bytes * DISK_MARGIN);
  if (freeBytes === undefined || freeBytes >= needed) return;
  findings.warn(
    'targetRoom',
    `the disk of the target has ${gib(freeBytes)} free, and ${what} may take ${gib(needed)} there: all ` +
      'documents uncompressed, and a tenth for what is still growing. Servers compress, as a rule to less than half, ' +
      'but indexes and the buffer of changes need room too',
  );
}

/** How much history a source holds. */
export type OplogReport = Pick<SourceReport, 'oplogHours' | 'oplogAtLeast'>;

/** The same for collections that are copied by one migration, where each alone would be soon done. */
export function checkOplogOfAll(
  findings: Findings,
  sources: readonly OplogReport[],
  bytes: number,
): void {
  const hours = estimateCopyHours(bytes);
  const short = sources.find(({ oplogHours }) => oplogHours !== undefined && oplogHours < hours);
  if (short) checkOplog(findings, short, hours);
}

/** Whether the source holds its history for longer than the copy takes. */
export function checkOplog(
  findings: Findings,
  { oplogHours, oplogAtLeast }: OplogReport,
  copyHours: number,
): void {
  if (oplogHours === undefined || oplogAtLeast) return;
  const held = `the source holds ${oplogHours.toFixed(1)} h of change stream history`;
  const remedy = 'a larger oplog (or storage.oplogMinRetentionHours) at the source would help';
  if (oplogHours < copyHours) {
    findings.warn(
      'oplogShort',
      `${held}, and copying takes about ${copyHours.toFixed(1)} h at 30 MB/s. Changes are captured ` +
        'from the start, so that this alone is no hindrance; but a capture that stood still for ' +
        `longer than the history could not go on. ${remedy}`,
    );
  } else if (oplogHours < 1) {
    findings.warn(
      'oplogShort',
      `${held}; a capture that stood still for longer, by an outage or a pause, could not go on. ${remedy}`,
    );
  }
}

function gib(bytes: number): string {
  return `${(bytes / GIB).toFixed(1)} GiB`;
}
