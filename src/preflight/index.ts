import { checkDump, checkOplog, checkRoom, estimateCopyHours } from './copy.js';
import { checkPair } from './pair.js';
import { reachSide } from './reach.js';
import { signedIn } from './refusal.js';
import { Findings, type PreflightContext, type PreflightReport } from './report.js';
import { checkSlots } from './slots.js';
import { checkSource } from './source.js';
import { checkTarget } from './target.js';

export type * from './report.js';

/**
 * Looks for everything that speaks against a migration, and reports it all at once. Writes nothing.
 * @throws MongoServerSelectionError, MongoNetworkError when a server cannot be reached and there is no
 * `limitMs`: that may pass, and is for the caller to try again.
 */
export async function preflight(context: PreflightContext): Promise<PreflightReport> {
  const findings = new Findings();
  const [source, target] = await Promise.all([
    reachSide(context, findings, 'source', (limited) =>
      signedIn(findings, 'source', () => checkSource(limited, findings)),
    ),
    reachSide(context, findings, 'target', (limited) =>
      signedIn(findings, 'target', () => checkTarget(limited, findings)),
    ),
  ]);
  if (source && target) checkPair(context, findings, source, target);
  const options = source?.catalogue?.options;
  const natural = options?.has('capped') ?? false;
  const singlePartition = natural || (options?.has('clusteredIndex') ?? false);
  const bytes = source?.report.bytes ?? 0;
  const estimatedCopyHours = estimateCopyHours(bytes);
  const disk = await checkDump(context, findings, bytes, singlePartition);
  if (target) checkRoom(findings, bytes, target.report.freeBytes);
  if (context.maxActivities !== undefined) {
    const { parallelPartitions } = context.options;
    const load = { collections: 1, parallelCopies: 1, parallelPartitions };
    checkSlots(findings, load, context.maxActivities);
  }
  if (source) checkOplog(findings, source.report, estimatedCopyHours);
  return {
    errors: findings.errors,
    warnings: findings.warnings,
    ...(source && { source: source.report }),
    ...(target && { target: target.report }),
    ...(disk && { disk }),
    ...(context.options.copy === 'dump' &&
      context.tools?.versions !== undefined && { tools: context.tools.versions }),
    estimatedCopyHours,
    singlePartition,
    natural,
  };
}
