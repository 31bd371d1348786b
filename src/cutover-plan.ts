import { z } from 'zod';
import { objectOf } from './fields.js';

/** A time further away has a mistake in its year. */
const FURTHEST_DAYS = 366;
const DAY_MS = 24 * 3600 * 1000;
/** How long the lag has to stay under its bound unless it is said. */
const DEFAULT_FOR_SECONDS = 60;

/** A cutover that comes by itself. */
export type CutoverPlan = { readonly kind: 'auto' } | TimedCutover | LagCutover;

/** What holds for a planned cutover as it does for one that is asked for. */
export interface CutoverTerms {
  /** Codes of blockers that it overrules. */
  readonly force: readonly string[];
  /** Of a group: namespaces that it leaves as they are. */
  readonly leave?: readonly string[];
}

/** A cutover at a time, ISO 8601 in UTC. */
export interface TimedCutover extends CutoverTerms {
  readonly kind: 'at';
  readonly at: string;
}

/** A cutover once the lag has stayed at or under the bound for so long. */
export interface LagCutover extends LagBound, CutoverTerms {
  readonly kind: 'lag';
}

/** A bound of the lag, and how long it has to hold. */
export interface LagBound {
  readonly whenLagUnder: number;
  readonly forSeconds: number;
}

const time = z.string().superRefine((text, context) => {
  if (z.iso.datetime({ offset: true }).safeParse(text).success) return;
  const isLocal = z.iso.datetime({ local: true }).safeParse(text).success;
  const message = isLocal
    ? 'has no time zone: end it with Z for UTC or with an offset such as +02:00'
    : 'must be a time with its zone, for example 2027-06-01T02:00:00Z';
  context.addIssue({ code: 'custom', message });
});

/** Fields of a plan, in the start's `cutover` and in the message `cutover`. */
export const planFields = {
  /** When to cut over; `null` withdraws whatever is planned. */
  at: time.nullable().optional(),
  /** Cut over once the lag has stayed at or under so many seconds. */
  whenLagUnder: z.number().min(0.1).max(3600).optional(),
  /** For how long; 60 s unless given. */
  forSeconds: z.number().int().min(1).max(86_400).optional(),
} as const;

interface PlanFields {
  readonly at?: string | null | undefined;
  readonly whenLagUnder?: number | undefined;
  readonly forSeconds?: number | undefined;
}

/** What fields of a plan contradict each other in; nothing where they do not. */
export function planProblem({ at, whenLagUnder, forSeconds }: PlanFields): string | undefined {
  if (at !== undefined && whenLagUnder !== undefined) return 'give either "at" or "whenLagUnder"';
  if (forSeconds !== undefined && whenLagUnder === undefined) {
    return '"forSeconds" belongs to "whenLagUnder"';
  }
  return undefined;
}

/** `cutover` of the start: by a message, by itself, at a time, or at a lag. */
export const cutoverStart = z.union([
  objectOf({ ...planFields, at: time.optional() }).superRefine((fields, context) => {
    const isEmpty = fields.at === undefined && fields.whenLagUnder === undefined;
    const message = planProblem(fields) ?? (isEmpty ? 'needs "at" or "whenLagUnder"' : undefined);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  }),
  z.enum(['signal', 'auto'], {
    error: 'must be "signal", "auto", {"at": "<time>"} or {"whenLagUnder": <seconds>}',
  }),
]);

/** The plan that a start or a message holds; nothing where it holds none. */
export function planOf(
  given: 'signal' | 'auto' | PlanFields,
  { force, leave = [] }: CutoverTerms = { force: [] },
): CutoverPlan | undefined {
  if (given === 'signal') return undefined;
  if (given === 'auto') return { kind: 'auto' };
  const { at, whenLagUnder, forSeconds = DEFAULT_FOR_SECONDS } = given;
  const terms = { force, ...(leave.length > 0 && { leave }) };
  if (at) return { kind: 'at', at: new Date(at).toISOString(), ...terms };
  return whenLagUnder === undefined
    ? undefined
    : { kind: 'lag', whenLagUnder, forSeconds, ...terms };
}

/** Whether a message is about a plan and not a cutover now. */
export function isAboutPlan({ at, whenLagUnder }: PlanFields): boolean {
  return at !== undefined || whenLagUnder !== undefined;
}

/**
 * What is wrong with the time of a cutover at this moment; nothing where it is well.
 * @param now milliseconds since 1970.
 */
export function timeProblem(at: string | null | undefined, now: number): string | undefined {
  if (!at) return undefined;
  const milliseconds = Date.parse(at) - now;
  if (milliseconds <= 0) return `is in the past: it is ${new Date(now).toISOString()} now`;
  if (milliseconds <= FURTHEST_DAYS * DAY_MS) return undefined;
  return `is more than ${FURTHEST_DAYS} days away: see that the year is right`;
}
