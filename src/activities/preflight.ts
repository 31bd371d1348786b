import { createHash } from 'node:crypto';
import { errorTypes, PermanentError } from '../errors.js';
import type { Migration, Traits } from '../migration.js';
import { decode, readCatalogue } from '../mongo/catalogue.js';
import { type ActivityDependencies, open } from './context.js';
import { describeFinding } from '../preflight/report.js';
import { withPulse } from './pulse.js';
import { lookAround } from './look-around.js';

/**
 * Looks for everything that speaks against the migration and reports it all at once. Writes nothing.
 * @throws PermanentError PreflightFailed with all reasons. Servers that cannot be reached are tried
 * again.
 */
export async function preflight(
  deps: ActivityDependencies,
  migration: Omit<Migration, 'traits'>,
): Promise<Traits> {
  return withPulse(
    () => ({ doing: 'looking at both sides; nothing is written' }),
    async ({ signal }) => {
      const report = await lookAround(deps, migration, signal);
      if (report.errors.length > 0 || !report.source || !report.target) {
        const reasons = report.errors.map(describeFinding);
        throw new PermanentError(
          errorTypes.preflightFailed,
          reasons.length === 1
            ? (reasons[0] ?? '')
            : `${reasons.length} things speak against this migration:\n${reasons.map((reason) => `- ${reason}`).join('\n')}`,
          [...report.errors],
        );
      }
      const { source: db, sourceCollection } = open(deps, migration);
      const catalogue = await readCatalogue(db, sourceCollection, signal);
      const capped = decode(catalogue?.options.get('capped')) === true;
      const { preImages, collMod, prepareUnique, ttlCollMod } = report.target.features;
      return {
        documents: report.source.documents,
        bytes: report.source.bytes,
        ...(catalogue?.options.has('clusteredIndex') && { clustered: true }),
        capped,
        exactOnly: catalogue?.options.has('collation') ?? false,
        preImages,
        features: { collMod, prepareUnique, ttlCollMod },
        ...(catalogue?.uuid && { sourceUuid: catalogue.uuid.toHexString() }),
        ...(report.source.oplogHours !== undefined && { oplogHours: report.source.oplogHours }),
        warnings: report.warnings.map(describeFinding),
        stagingTag: createHash('sha256').update(migration.runId).digest('hex').slice(0, 8),
        ...((await deps.hasSearchAttributes()) && { searchable: true }),
      };
    },
  );
}
