import { BSON } from 'mongodb';
import { hasEqualKeys } from '../mongo/index-twins.js';
import { hasFlag, secondaryIndexes } from '../mongo/indexes.js';
import { isAtLeast, describeRebuilds, planFinal } from '../mongo/final-plan.js';
import { type Catalogue, decode, indexName } from '../mongo/catalogue.js';
import { expirySeconds } from '../mongo/expiry.js';
import { fields, type RawValue } from '../mongo/raw.js';
import { isSameDeployment } from './deployment.js';
import type { Findings, PreflightContext } from './report.js';
import type { SourceState } from './source.js';
import type { TargetState } from './target.js';

/** Checks that need both sides. */
export function checkPair(
  { options }: PreflightContext,
  findings: Findings,
  source: SourceState,
  target: TargetState,
): void {
  checkExisting(findings, options, source, target);
  checkFeatures(findings, options.targetNamespace, source, target);
}

function checkExisting(
  findings: Findings,
  { namespace, targetNamespace }: PreflightContext['options'],
  source: SourceState,
  { deployment, existing, existingDocuments, existingIsOurs }: TargetState,
): void {
  const { uuid } = source.catalogue ?? {};
  const sharded = source.deployment.topology === 'sharded' && deployment.topology === 'sharded';
  // Two mongos of one cluster have nothing else in common that any user may see.
  const sameSharded = sharded && uuid !== undefined && existing?.uuid?.equals(uuid) === true;
  const same = sameSharded || isSameDeployment(source.deployment, deployment);
  if (same && namespace === targetNamespace) {
    findings.error(
      'sameCollection',
      `source and target lead to one deployment, where ${namespace} would be copied to itself; ` +
        'correct one of the two connections, or give a targetNamespace',
    );
    return;
  }
  if (!existing || existingIsOurs) return;
  const holds =
    existing.type !== 'collection'
      ? `is a ${existing.type === 'view' ? 'view' : 'time series collection'}`
      : existingDocuments === 0
        ? 'is empty'
        : `has ${existingDocuments.toLocaleString('en')} documents`;
  findings.error(
    'targetExists',
    `${targetNamespace} exists at the target (it ${holds}); if a migration has cut it over, applications may use it: ` +
      'leave it. Else drop or rename it there, or give another targetNamespace',
  );
}

function checkFeatures(
  findings: Findings,
  targetNamespace: string,
  { catalogue, report }: SourceState,
  target: TargetState,
): void {
  if (catalogue?.type !== 'collection') return;
  const { features, version } = target.report;
  const isBefore = (major: number) => !isAtLeast(target.deployment.featureVersion, major, 0);
  if (isBefore(5)) checkOldTarget(findings, catalogue, version);
  const lacks = (major: number) => isBefore(major) && isAtLeast(report.version, major, 0);
  warnOfOlderTarget(findings, catalogue, version, lacks);
  if (isAtLeast(version, 5, 0)) checkHaystacks(findings, catalogue, version);
  if (isBefore(6)) checkFilters(findings, catalogue, version);
  if (catalogue.options.has('clusteredIndex') && !features.clustered) {
    findings.error(
      'clusteredUnsupported',
      `the source is a clustered collection, which the target (${version}) does not have; clustered ` +
        'collections need 5.3 or later, with its featureCompatibilityVersion',
    );
  }
  checkCollMod(findings, targetNamespace, catalogue, target);
  checkPreImages(findings, catalogue, target.report);
  checkPrepared(findings, catalogue, target.report);
  warnOfRebuilds(findings, { catalogue, report }, features);
}

function checkCollMod(
  findings: Findings,
  targetNamespace: string,
  catalogue: Catalogue,
  { report: { features }, stagingCollMod }: TargetState,
): void {
  const held = ['validator', 'expireAfterSeconds'].filter((name) => catalogue.options.has(name));
  const steps = planFinal(catalogue, features).beforeOpening;
  if (held.length > 0 && !features.collMod) {
    findings.error(
      'collModRefused',
      `the collection's ${held.join(' and ')} can only be applied to the full collection, by ` +
        `collMod, which the user of the target may not run on ${targetNamespace}; grant collMod ` +
        'on the whole database (the role dbAdmin has it)',
    );
  } else if (!stagingCollMod && steps.some(({ kind }) => kind === 'validator')) {
    findings.error(
      'collModRefused',
      "the collection's validator is tried on the migration's staging collection first, by collMod, which the " +
        `user of the target may run on ${targetNamespace} alone; grant collMod on the whole database (the role ` +
        'dbAdmin has it)',
    );
  }
}

/** `recordPreImages` is the option before 6.0, `changeStreamPreAndPostImages` that since. */
function checkPreImages(
  findings: Findings,
  { options }: Catalogue,
  { features, version }: TargetState['report'],
): void {
  const [known, unknown] = features.preImages
    ? (['changeStreamPreAndPostImages', 'recordPreImages'] as const)
    : (['recordPreImages', 'changeStreamPreAndPostImages'] as const);
  if (!options.has(unknown)) return;
  findings.warn(
    'preImages',
    `the collection records pre-images for change streams by the option ${unknown}, which the target (${version}, ` +
      'with its featureCompatibilityVersion) does not have, so that the migrated one will not record them: turn ' +
      `${known} on there after the cutover, by collMod`,
  );
}

/** Indexes that take no duplicates any more and are not unique yet. */
function checkPrepared(
  findings: Findings,
  catalogue: Catalogue,
  { features, version }: TargetState['report'],
): void {
  if (features.prepareUnique) return;
  const prepared = secondaryIndexes(catalogue).filter(
    (spec) => hasFlag(spec, 'prepareUnique') && !hasFlag(spec, 'unique'),
  );
  if (prepared.length === 0) return;
  findings.warn(
    'prepareUnique',
    `indexes that refuse new duplicates (prepareUnique: ${prepared.map(indexName).join(', ')}) will take them at the ` +
      `target (${version}), which is older than 6.0 or whose user may not run collMod (the role dbAdmin)`,
  );
}

/** Indexes that no server since 5.0 has. */
function checkHaystacks(findings: Findings, catalogue: Catalogue, version: string): void {
  for (const spec of secondaryIndexes(catalogue)) {
    const key = fields(spec.get('key')?.bytes ?? BSON.serialize({}));
    if (![...key.values()].some((value) => decode(value) === 'geoHaystack')) continue;
    findings.error(
      'targetIndex',
      `the index "${indexName(spec)}" is of the kind geoHaystack, which the target (${version}) does not have, ` +
        'as no server since 5.0: drop it at the source, or build one of the kind 2d there instead',
    );
  }
}

/** What filters of partial indexes could not have before 6.0. */
const newFilters: readonly string[] = ['$in', '$or', '$geoWithin'];

function checkFilters(findings: Findings, catalogue: Catalogue, version: string): void {
  for (const spec of secondaryIndexes(catalogue)) {
    const filter = spec.get('partialFilterExpression');
    const found = filter && newFilters.find((name) => hasName(filter, name));
    if (found === undefined) continue;
    findings.error(
      'targetIndex',
      `the index "${indexName(spec)}" is a partial one whose filter has ${found}, which the target (${version}) does ` +
        'not take, as no server before 6.0: build it with another filter at the source, or drop it there',
    );
  }
}

function hasName({ type, bytes }: RawValue, wanted: string): boolean {
  if (type !== BSON.BSONType.object && type !== BSON.BSONType.array) return false;
  return [...fields(bytes)].some(([name, value]) => name === wanted || hasName(value, wanted));
}

/**
 * What older servers refuse of documents that newer ones have.
 * @param lacks whether the target is older than that, and the source is not.
 */
function warnOfOlderTarget(
  findings: Findings,
  { options }: Catalogue,
  version: string,
  lacks: (major: number) => boolean,
): void {
  const refused = [
    ...(lacks(5) ? ['documents with names at the top that begin with "$"'] : []),
    ...(lacks(6) && options.has('capped')
      ? ['changes that make a document of this capped collection larger or smaller']
      : []),
    ...(lacks(5) && options.has('capped') ? ['deletes in this capped collection'] : []),
  ];
  if (refused.length === 0) return;
  findings.warn(
    'olderTarget',
    `the target (${version}) does not take all that the source's version does: ${refused.join(', and ')}. ` +
      'Those that there are refuse the cutover, and status names them (refused, differences)',
  );
}

function warnOfRebuilds(
  findings: Findings,
  { catalogue, report }: Required<Pick<SourceState, 'report'>> & Pick<SourceState, 'catalogue'>,
  features: TargetState['report']['features'],
): void {
  if (!catalogue) return;
  const { beforeOpening } = planFinal(catalogue, features);
  const names = beforeOpening.flatMap((step) => (step.kind === 'rebuild' ? [step.index] : []));
  if (names.length === 0) return;
  findings.warn('slowCutover', describeRebuilds(names, report.documents));
}

/** What servers before 5.0 refuse of indexes that newer ones have. */
function checkOldTarget(findings: Findings, catalogue: Catalogue, version: string): void {
  if (hasEqualKeys(catalogue)) {
    findings.error(
      'equalKeys',
      'the source has indexes of one and the same key, which differ in options only; the target ' +
        `(${version}) allows that from 5.0 on: drop one of them at the source`,
    );
  }
  // Before 5.0 the limit is the time since 1970.
  const now = Date.now() / 1000;
  for (const spec of secondaryIndexes(catalogue)) {
    if ((expirySeconds(spec.get('expireAfterSeconds')) ?? 0) < now) continue;
    findings.error(
      'expiryRange',
      `the TTL index "${indexName(spec)}" has an expireAfterSeconds that the target (${version}) ` +
        'does not take; give it a smaller one at the source, by collMod, or where nothing is to expire build it there ' +
        'without',
    );
  }
}
