import { isAboutPlan, timeProblem } from '../../cutover-plan.js';
import type { CutoverReport, DryRun } from '../../migration.js';
import { cutoverInput, parseInput } from '../../options.js';
import type { MigrationStatus } from '../../workflows/status.js';
import { CliError } from '../cli-error.js';
import { count, moment, number } from '../format.js';
import { describeBlockers, describePlan, nameOf } from '../next-step.js';
import { type Message, send } from '../send.js';
import { type Context, openContext } from './context.js';
import { addressOf, confirm, type MessageOptions } from './messages.js';

/** Options of `cutover`. */
export interface CutoverOptions extends MessageOptions {
  readonly force?: readonly string[];
  readonly dryRun?: boolean;
  readonly at?: string;
  readonly whenLagUnder?: number;
  readonly forSeconds?: number;
  readonly withdraw?: boolean;
  readonly yes?: boolean;
}

type Payload = Message['payload'] & { readonly at?: string | null; readonly whenLagUnder?: number };

/** `csm cutover`: waits until the target is open, or says why not; or plans it. */
export async function cutover(migration: string, options: CutoverOptions): Promise<void> {
  const payload = payloadOf(options);
  const context = await openContext(options);
  const { session, output } = context;
  const { workflowId, runId } = await addressOf(context, migration, options.source);
  const name = nameOf(workflowId);
  const force = options.force ?? [];
  if (options.dryRun) {
    await ask(context, { workflowId, runId, name: 'cutover', payload });
    return;
  }
  if (force.includes('differences') || force.includes('refused')) {
    await confirm(context, options.yes, `Open a target that may differ from its source?`);
  }
  if (isAboutPlan(payload)) {
    await plan(context, { workflowId, runId, name: 'cutover', payload });
    return;
  }
  output.onInterrupt(`the cutover may go on all the same; look at: csm status ${name}`);
  output.show(['cutting over: fence, last changes, indexes; applications wait']);
  const report = await send<CutoverReport>(session, {
    workflowId,
    runId,
    name: 'cutover',
    payload,
  });
  output.data({ workflowId, runId, cutover: report });
  const { openedAt, downtimeMs, drainedChanges, rechecked } = report;
  output.say(
    `open since ${moment(openedAt)}, ${number(downtimeMs)} ms after the fence: start the applications on the target`,
    `${count(drainedChanges, 'change')} applied after the fence, ${count(rechecked, 'document')} compared again`,
    `what is left is done while they write: csm status ${name} --watch`,
  );
}

/** Checked here, so that a mistake never reaches Temporal. @throws CliError usage */
function payloadOf(options: CutoverOptions): Payload {
  const { force = [], dryRun, at, whenLagUnder, forSeconds, withdraw } = options;
  if (withdraw && at !== undefined) {
    throw new CliError('usage', '--withdraw and --at exclude each other');
  }
  const payload = {
    ...(force.length > 0 && { force }),
    ...(dryRun && { dryRun }),
    ...(at !== undefined && { at }),
    ...(withdraw && { at: null }),
    ...(whenLagUnder !== undefined && { whenLagUnder }),
    ...(forSeconds !== undefined && { forSeconds }),
  };
  const parsed = parseInput(cutoverInput, payload, 'cutover');
  if ('error' in parsed) throw new CliError('usage', parsed.error);
  const problem = timeProblem(at, Date.now());
  if (problem !== undefined) throw new CliError('usage', `--at ${problem}`);
  return payload;
}

/** Sets or withdraws a cutover that comes by itself. */
async function plan({ session, output }: Context, message: Message): Promise<void> {
  const answer = await send<Pick<MigrationStatus, 'cutoverAt' | 'cutoverWhen'>>(session, message);
  const { workflowId, runId } = message;
  output.data({ workflowId, runId, answer });
  output.say(describePlan(answer) ?? `${workflowId} no longer cuts over by itself`);
  if (answer.cutoverAt !== null) output.say('stop the writers before that');
  output.say(`see it with: csm status ${nameOf(workflowId)}`);
}

async function ask({ session, output }: Context, to: Message): Promise<void> {
  const answer = await send<DryRun>(session, to);
  const { mayCutOver, blockers } = answer;
  output.data({ workflowId: to.workflowId, mayCutOver, blockers });
  if (mayCutOver) {
    output.say(
      'nothing speaks against a cutover now',
      `stop the writers, then: csm cutover ${nameOf(to.workflowId)}`,
    );
    return;
  }
  throw new CliError('refused', 'a cutover would be refused now; nothing was touched', {
    todo: describeBlockers(blockers, to.workflowId),
    facts: { blockers },
  });
}
