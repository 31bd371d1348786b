import type { DifferenceKind } from '../mongo/compare.js';

/** One metric, as Prometheus shows it. */
export interface MetricDefinition {
  readonly name: `csm_${string}`;
  readonly type: 'counter' | 'gauge';
  /** Labels besides those that every metric has. */
  readonly labels: readonly string[];
  readonly help: string;
}

/**
 * Labels of every metric. The namespace of the source is called `collection`: Prometheus gives the
 * label `namespace` another meaning on Kubernetes, and Temporal's own metrics give it a third one.
 */
export const LABELS = ['source', 'target', 'collection'] as const;

/** Phases that the control document tells apart, by the names that `status.phase` has. */
export const METRIC_PHASES = ['copying', 'replaying', 'ready', 'cuttingOver'] as const;
export type MetricPhase = (typeof METRIC_PHASES)[number];

/** Kinds of differences, as `csm_differences` tells them apart. */
export const DIFFERENCE_KINDS = ['differs', 'missing', 'extra'] as const satisfies DifferenceKind[];

/**
 * All metrics of this project, besides Temporal's own. Dashboards and alerts depend on the names: they do
 * not change.
 */
export const definitions = {
  phase: gauge('csm_phase', 'Where the migration is: 1 for its phase, 0 for the others.', [
    'phase',
  ]),
  lag: gauge('csm_lag_seconds', 'Age of the oldest change that may not be at the target yet.'),
  unapplied: gauge('csm_unapplied_changes', 'Changes in the buffer that are not applied yet.'),
  bufferBytes: gauge('csm_buffer_bytes', 'Bytes of all changes in the buffer, applied ones too.'),
  bufferFull: gauge(
    'csm_buffer_full',
    '1 while the capture waits because the buffer has reached maxBufferBytes.',
  ),
  oplogLeft: gauge(
    'csm_oplog_left_seconds',
    'How long the capture may stand still before the source loses history; 31 days is that or more.',
  ),
  stalled: gauge(
    'csm_stalled',
    '1 while nothing is heard of the capture, or it reads nothing new.',
  ),
  refused: gauge('csm_refused_documents', 'Documents of the source that the target does not take.'),
  shapeLeft: gauge('csm_shape_left', 'Indexes and options of the source not at the target yet.'),
  differences: gauge('csm_differences', 'Documents that differ, as last looked at.', ['kind']),
  sourceDocuments: gauge('csm_source_documents', 'Documents of the source when it started.'),
  sourceBytes: gauge('csm_source_bytes', 'Bytes of documents of the source when it started.'),
  stepsRunning: gauge('csm_steps_running', 'Attempts of a step that run on this worker.', ['step']),
  capturedEvents: counter('csm_captured_events_total', 'Events read from the change stream.'),
  capturedBytes: counter('csm_captured_bytes_total', 'Bytes of changes put into the buffer.'),
  appliedChanges: counter('csm_applied_changes_total', 'Changes applied to the target.'),
  copiedDocuments: counter('csm_copied_documents_total', 'Documents the copy wrote to the target.'),
  copiedBytes: counter('csm_copied_bytes_total', 'Bytes of documents the copy read at the source.'),
  verifiedDocuments: counter('csm_verified_documents_total', 'Documents compared on both sides.'),
  verifiedBytes: counter('csm_verified_bytes_total', 'Bytes of documents compared on both sides.'),
  stepFailures: counter('csm_step_failures_total', 'Attempts of a step that failed.', [
    'step',
    'type',
  ]),
  refusals: counter('csm_cutover_refusals_total', 'Reasons for which a cutover was refused.', [
    'code',
  ]),
  ended: counter('csm_migrations_ended_total', 'Migrations that are over.', ['phase']),
} as const satisfies Record<string, MetricDefinition>;

function gauge(
  name: MetricDefinition['name'],
  help: string,
  labels: readonly string[] = [],
): MetricDefinition & { type: 'gauge' } {
  return { name, type: 'gauge', labels, help };
}

function counter(
  name: MetricDefinition['name'],
  help: string,
  labels: readonly string[] = [],
): MetricDefinition & { type: 'counter' } {
  return { name, type: 'counter', labels, help };
}
