import { isAboutPlan, timeProblem } from '../../cutover-plan.js';
import type { GroupBlocker, GroupCutoverReport } from '../../group.js';
import { groupCutoverInput } from '../../group-options.js';
import type { CutoverReport, DryRun } from '../../migration.js';
import { cutoverInput, parseInput } from '../../options.js';
import type { plannedOfGroup } from '../../workflows/group/plan.js';
import { writeNames } from '../arguments.js';
import { CliError } from '../cli-error.js';
import { count, moment, number, quoted } from '../format.js';
import { describeBlockers, describePlan, nameOf } from '../next-step.js';
import { type Message, send } from '../send.js';
import { readInput } from '../workflow-list.js';
import { type Context, openContext } from './context.js';
import { addressOf, confirm, type MessageOptions } from './messages.js';

/** Options of `cutover`. */
export interface CutoverOptions extends MessageOptions {
  readonly force?: readonly string[];
  /** Namespaces of a group that stay as they are. */
  readonly leave?: readonly string[];
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
  const payload = cutoverPayload(options);
  const context = await openContext(options);
  const { session, output } = context;
  const { isGroup, ...to } = await addressOf(context, migration, options.source, 'cutover');
  requireFitting(options, isGroup);
  const group = isGroup ? undefined : (await readInput(session, to.workflowId, to.runId))?.group;
  const message: Message = { ...to, name: 'cutover', payload, group };
  const force = options.force ?? [];
  if (options.dryRun) {
    await ask(context, message);
    return;
  }
  if (force.includes('differences') || force.includes('refused')) {
    const [opened, their] = isGroup ? ['targets', 'their sources'] : ['a target', 'its source'];
    await confirm(context, options.yes, `Open ${opened} that may differ from ${their}?`);
  }
  if (isAboutPlan(payload)) {
    await plan(context, message);
    return;
  }
  const name = nameOf(to.workflowId);
  output.onInterrupt(`the cutover may go on all the same; look at: csm status ${name}`);
  output.show(['cutting over: fence, last changes, indexes; applications wait']);
  const report = await send<CutoverReport | GroupCutoverReport>(session, output, message);
  output.data({ ...to, cutover: report });
  output.say(
    ...('collections' in report ? describeGroup(report, options) : describeOne(report)),
    `what is left is done while they write: csm status ${name} --watch`,
  );
}

function describeOne(report: CutoverReport): string[] {
  const { openedAt, downtimeMs, drainedChanges, rechecked, lastPassAt } = report;
  return [
    `open since ${moment(openedAt)}, ${number(downtimeMs)} ms after the fence: start the applications on the target`,
    `${count(drainedChanges, 'change')} applied after the fence, ${count(rechecked, 'document')} compared again`,
    ...(lastPassAt === undefined
      ? []
      : [`all documents were last compared from ${moment(lastPassAt)} on`]),
  ];
}

function describeGroup(
  { collections, openedAt, downtimeMs }: GroupCutoverReport,
  { leave = [] }: CutoverOptions,
): string[] {
  return [
    `${count(collections, 'collection')} open since ${moment(openedAt)}, ${number(downtimeMs)} ms after the fence: start the applications on the target`,
    ...(leave.length > 0 ? [`not cut over, and still followed: ${leave.join(', ')}`] : []),
  ];
}

/** The payload of the update; checked here, so that a mistake is never sent. @throws CliError usage */
export function cutoverPayload(options: CutoverOptions): Payload {
  const { force = [], leave = [], dryRun, at, whenLagUnder, forSeconds, withdraw } = options;
  if (withdraw && [at, whenLagUnder, forSeconds].some((each) => each !== undefined)) {
    throw new CliError('usage', '--withdraw excludes --at, --when-lag-under and --for-seconds');
  }
  if (leave.length > 0 && withdraw) {
    throw new CliError('usage', '--withdraw is for all, and --leave for a cutover');
  }
  const payload = {
    ...(force.length > 0 && { force }),
    ...(leave.length > 0 && { leave }),
    ...(dryRun && { dryRun }),
    ...(at !== undefined && { at }),
    ...(withdraw && { at: null }),
    ...(whenLagUnder !== undefined && { whenLagUnder }),
    ...(forSeconds !== undefined && { forSeconds }),
  };
  const schema = leave.length > 0 ? groupCutoverInput : cutoverInput;
  const parsed = parseInput(schema, payload, 'cutover');
  if ('error' in parsed) throw new CliError('usage', parsed.error);
  const problem = timeProblem(at, Date.now());
  if (problem !== undefined) throw new CliError('usage', `--at ${problem}`);
  return payload;
}

/** What only a group takes. @throws CliError usage */
export function requireFitting({ leave = [] }: CutoverOptions, isGroup: boolean): void {
  if (!isGroup && leave.length > 0) {
    throw new CliError('usage', '--leave is for a group, and this is one collection');
  }
}

/** Sets or withdraws a cutover that comes by itself. */
async function plan({ session, output }: Context, message: Message): Promise<void> {
  const answer = await send<ReturnType<typeof plannedOfGroup>>(session, output, message);
  const { workflowId, runId } = message;
  output.data({ workflowId, runId, answer });
  output.say(describePlan(answer) ?? `${workflowId} no longer cuts over by itself`);
  if (answer.cutoverAt !== null) output.say('stop the writers before that');
  output.say(`see it with: csm status ${nameOf(workflowId)}`);
}

type Answer = Omit<DryRun, 'blockers'> & { readonly blockers: GroupBlocker[] };

async function ask({ session, output }: Context, to: Message): Promise<void> {
  const { workflowId, group } = to;
  const answer = await send<Answer>(session, output, to);
  const { mayCutOver, blockers } = answer;
  output.data({ workflowId, mayCutOver, blockers });
  if (mayCutOver) {
    const leave = [to.payload['leave'] ?? []].flat().map(String);
    const without = leave.length > 0 ? ` --leave ${quoted(writeNames(leave))}` : '';
    output.say(
      'nothing speaks against a cutover now',
      `stop the writers, then: csm cutover ${nameOf(group ?? workflowId)}${without}`,
    );
    return;
  }
  throw new CliError('refused', 'a cutover would be refused now; nothing was touched', {
    todo: describeBlockers(blockers, workflowId, group),
    facts: { blockers },
  });
}
