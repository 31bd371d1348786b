import type { MetricCounter, MetricGauge, MetricTags } from '@temporalio/common';
import type { Traits } from '../migration.js';
import type { DifferenceKind, DocumentDifference } from '../mongo/compare.js';
import type { Advance } from '../mongo/control.js';
import type { ControlDocument } from '../mongo/control-document.js';
import { appliedChanges, isAllApplied, isStalled, lagSeconds } from '../mongo/lag.js';
import { oplogSecondsLeft } from '../oplog-left.js';
import { DIFFERENCE_KINDS, METRIC_PHASES, type MetricPhase } from './definitions.js';

/** Metrics that a migration sets, with its labels. */
export interface Instruments {
  readonly gauges: Readonly<
    Record<
      | 'phase'
      | 'lag'
      | 'unapplied'
      | 'bufferBytes'
      | 'bufferFull'
      | 'oplogLeft'
      | 'stalled'
      | 'refused'
      | 'shapeLeft'
      | 'differences'
      | 'sourceDocuments'
      | 'sourceBytes'
      | 'stepsRunning',
      MetricGauge
    >
  >;
  readonly counters: Readonly<
    Record<
      | 'capturedEvents'
      | 'capturedBytes'
      | 'appliedChanges'
      | 'copiedDocuments'
      | 'copiedBytes'
      | 'verifiedDocuments'
      | 'verifiedBytes'
      | 'stepFailures',
      MetricCounter
    >
  >;
}

type GaugeName = keyof Instruments['gauges'];

/** Gauges that end with what tells of the control document. */
const OF_DOCUMENT = [
  'lag',
  'unapplied',
  'bufferBytes',
  'bufferFull',
  'oplogLeft',
  'stalled',
  'refused',
  'shapeLeft',
  'sourceDocuments',
  'sourceBytes',
] as const satisfies GaugeName[];

/** Steps that hear of the control document, which most gauges tell of. */
const WATCHING = ['capture', 'cutover'];
/** Steps that look at differences. */
const COMPARING = ['verify', 'reverify', 'cutover'];

/**
 * What one migration does on this worker, as metrics. Everything comes from what its steps know anyway: no
 * server is asked for it. A gauge is there as long as the step runs here that it comes from; then it is
 * `NaN`, which no alert fires for, since another worker may know better by then.
 */
export class MigrationMetrics {
  readonly #instruments: Instruments;
  readonly #running = new Map<string, number>();
  readonly #told = new Map<string, number>();
  #document: ControlDocument | undefined;

  constructor(instruments: Instruments) {
    this.#instruments = instruments;
  }

  /** An attempt of a step begins on this worker. */
  begin(step: string, traits: Pick<Traits, 'documents' | 'bytes'> | undefined): void {
    this.#count(step, 1);
    if (!traits || !WATCHING.includes(step)) return;
    this.#set('sourceDocuments', traits.documents);
    this.#set('sourceBytes', traits.bytes);
  }

  /** It has ended, in whatever way. */
  end(step: string): void {
    this.#count(step, -1);
    if (!this.#runs(WATCHING)) this.#forget();
    if (!this.#runs(COMPARING)) this.#setDifferences(undefined);
  }

  failed(step: string, type: string): void {
    this.#instruments.counters.stepFailures.add(1, { step, type });
  }

  /** A role has moved on in the control document. */
  advanced({ role, increments, document }: Advance): void {
    const { events = 0, bytes = 0 } = increments;
    if (role === 'capture') {
      this.#add('capturedEvents', events);
      this.#add('capturedBytes', bytes);
    } else if (role === 'replay') this.#add('appliedChanges', events);
    if (!this.#runs(WATCHING)) return;
    const isFirst = this.#document === undefined;
    this.#document = document;
    // What follows is told by the next refresh: hundreds of idle migrations come here every 2 s each.
    if (isFirst) this.refresh();
  }

  copied({ documents, bytes }: { documents: number; bytes: number }): void {
    this.#add('copiedDocuments', documents);
    this.#add('copiedBytes', bytes);
  }

  compared({ documents, bytes }: { documents: number; bytes: number }): void {
    this.#add('verifiedDocuments', documents);
    this.#add('verifiedBytes', bytes);
  }

  /** Differences that are known now. */
  differ(differences: readonly Pick<DocumentDifference, 'kind'>[]): void {
    if (this.#runs(COMPARING)) this.#setDifferences(differences.map(({ kind }) => kind));
  }

  /** Tells what time has made of what was heard last: a lag grows while nothing is heard. */
  refresh(now = new Date()): void {
    const document = this.#document;
    if (!document) return;
    const phase = phaseOf(document);
    for (const each of METRIC_PHASES) this.#set('phase', each === phase ? 1 : 0, { phase: each });
    this.#set('lag', lagSeconds(document, now));
    this.#set('unapplied', unapplied(document));
    const { bufferBytes, fullSince, oplogHours, asOf } = document.capture;
    this.#set('bufferBytes', bufferBytes);
    this.#set('bufferFull', fullSince ? 1 : 0);
    const left = oplogHours === undefined ? undefined : oplogSecondsLeft(oplogHours, asOf, now);
    this.#set('oplogLeft', left);
    this.#set('stalled', isStalled(document, now) ? 1 : 0);
    this.#set('refused', document.refused?.count ?? 0);
    this.#set('shapeLeft', document.shape?.left?.length ?? 0);
  }

  #forget(): void {
    this.#document = undefined;
    for (const phase of METRIC_PHASES) this.#set('phase', undefined, { phase });
    for (const name of OF_DOCUMENT) this.#set(name, undefined);
  }

  #setDifferences(found: readonly DifferenceKind[] | undefined): void {
    for (const kind of DIFFERENCE_KINDS) {
      const count = found?.filter((each) => each === kind).length;
      this.#set('differences', count, { kind });
    }
  }

  #count(step: string, change: number): void {
    const running = (this.#running.get(step) ?? 0) + change;
    this.#running.set(step, running);
    this.#set('stepsRunning', running, { step });
  }

  #runs(steps: readonly string[]): boolean {
    return steps.some((step) => (this.#running.get(step) ?? 0) > 0);
  }

  /** Most values stay as they are, and telling one again costs as much as telling another. */
  #set(name: GaugeName, value = Number.NaN, labels: MetricTags = {}): void {
    const key = [name, ...Object.values(labels)].join(' ');
    if (Object.is(this.#told.get(key), value)) return;
    this.#told.set(key, value);
    this.#instruments.gauges[name].set(value, labels);
  }

  #add(name: keyof Instruments['counters'], value: number): void {
    if (value > 0) this.#instruments.counters[name].add(value);
  }
}

function phaseOf({ renamed, holder, caughtUp }: ControlDocument): MetricPhase {
  if (!renamed) return 'copying';
  if (holder) return 'cuttingOver';
  return caughtUp ? 'ready' : 'replaying';
}

function unapplied(document: ControlDocument): number {
  return isAllApplied(document) ? 0 : document.capture.buffered - appliedChanges(document);
}
