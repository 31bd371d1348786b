import type { Client } from '@temporalio/client';
import type { Payload, PayloadCodec } from '@temporalio/common';
import { uncomparedSeconds } from './blockers.js';
import type { Connections } from './connections.js';
import { open } from './activities/context.js';
import { readGroup } from './live-group.js';
import type { IndexProgress } from './migration.js';
import { changesIn, measureBuffer } from './mongo/buffer.js';
import type { ControlDocument } from './mongo/control-document.js';
import type { CopySummary } from './mongo/copy-plan.js';
import {
  appliedAsOf,
  appliedChanges,
  comparedAsOf,
  captureRate,
  isRecent,
  isStalled,
  lagSeconds,
  replayRate,
} from './mongo/lag.js';
import { summariseDifferences } from './mongo/verification.js';
import { heartbeatIn, type Pending, problemIn, readPending } from './pending-activities.js';
import { shorten, SHOWN_TOKEN } from './shorten.js';
import { renderDetails } from './workflows/details.js';
import { renderGroupDetails } from './workflows/group/details.js';
import { buildGroupStatus } from './workflows/group/status.js';
import {
  LIVE_DETAILS,
  LIVE_STATUS_PREFIX,
  type GroupMark,
  type LiveMark,
  type Mark,
  type VerifyMark,
} from './workflows/live.js';
import { type Amount, buildStatus, type Live } from './workflows/status.js';
import { renderVerifyDetails } from './workflows/verify-details.js';
import { buildVerifyStatus, type VerifyLive } from './workflows/verify-status.js';
import { withinLimit } from './within-limit.js';

const PREFIX = Buffer.from(LIVE_STATUS_PREFIX);
const DETAILS_START = Buffer.from(LIVE_DETAILS.start);

/**
 * Fills in the live part of a migration's status on its way out of the worker. A query handler
 * cannot read the servers, so it leaves a mark (src/workflows/live.ts) and this codec, which sees
 * every payload of the worker, puts what control document and Temporal say in its place. Payloads
 * without the mark pass as they are.
 */
export class LiveStatusCodec implements PayloadCodec {
  readonly #connections: Connections;
  readonly #client: Client;

  constructor(connections: Connections, client: Client) {
    this.#connections = connections;
    this.#client = client;
  }

  async encode(payloads: Payload[]): Promise<Payload[]> {
    return Promise.all(payloads.map((payload) => this.#fill(payload)));
  }

  async decode(payloads: Payload[]): Promise<Payload[]> {
    return payloads;
  }

  async #fill(payload: Payload): Promise<Payload> {
    if (!payload.data) return payload;
    const data = Buffer.from(payload.data);
    if (data.subarray(0, PREFIX.length).equals(PREFIX)) {
      const mark = JSON.parse(data.toString()) as Mark;
      const { status } = await this.#answer(mark);
      return { ...payload, data: Buffer.from(JSON.stringify(status)) };
    }
    if (!data.includes(DETAILS_START)) return payload;
    return { ...payload, data: await this.#details(data) };
  }

  /** The answer to Temporal's own query for the page that its UI shows. */
  async #details(data: Buffer): Promise<Buffer> {
    const answer = JSON.parse(data.toString()) as { currentDetails?: string };
    const { currentDetails = '' } = answer;
    const { start, end } = LIVE_DETAILS;
    const stop = currentDetails.indexOf(end);
    if (!currentDetails.startsWith(start) || stop < 0) return data;
    const mark = JSON.parse(currentDetails.slice(start.length, stop)) as Mark;
    const { page } = await this.#answer(mark);
    return Buffer.from(JSON.stringify({ ...answer, currentDetails: page() }));
  }

  async #answer(mark: Mark): Promise<{ status: object; page: () => string }> {
    if (isGroup(mark)) {
      const { $live: group, state } = mark;
      const live = await readGroup(this.#connections, this.#client, group, state);
      const status = buildGroupStatus(state, group, live);
      return { status, page: () => renderGroupDetails(status) };
    }
    if (isVerify(mark)) {
      const { $live: comparison, state } = mark;
      const live = await withinLimit(this.#readComparison(comparison.workflowId));
      const status = buildVerifyStatus(state, comparison, live);
      return { status, page: () => renderVerifyDetails(status) };
    }
    const { $live: identity, state } = mark;
    // Temporal knows why an activity fails, also and above all when the servers give no answer.
    const pending = readPending(this.#client, identity.workflowId);
    const [live, problem] = await Promise.all([
      withinLimit(this.#readServers(identity, pending)),
      withinLimit(pending.then((activities) => problemIn(activities, identity.workflowId))),
    ]);
    const found = problem && !('error' in problem) ? { problem } : {};
    const status = buildStatus(state, identity, { ...live, ...found });
    return { status, page: () => renderDetails(status) };
  }

  async #readComparison(workflowId: string): Promise<VerifyLive> {
    const pending = await readPending(this.#client, workflowId);
    const heartbeat = heartbeatIn(pending, 'compareCollections');
    const problem = problemIn(pending, workflowId);
    // It is our own activity that has sent it.
    const { progress } = (heartbeat ?? {}) as Pick<VerifyLive, 'progress'>;
    return {
      asOf: new Date().toISOString(),
      ...(progress && { progress }),
      ...(problem && { problem }),
    };
  }

  async #readServers(
    identity: LiveMark['$live'],
    pending: Promise<Pending>,
  ): Promise<Omit<Live, 'problem'>> {
    const { control, plan, target, targetCollection, verification } = open(
      { connections: this.#connections },
      identity,
    );
    const [document, copied, verified, differences, inBuffer, activities] = await Promise.all([
      control.find(),
      plan.summarise(),
      verification.partitions(),
      verification.known(),
      measureBuffer(target, targetCollection),
      pending,
    ]);
    const verifiedDocuments = [...verified.values()];
    // It is our own activity that has sent it.
    const build = heartbeatIn(activities, 'buildIndexes') as
      { progress?: IndexProgress } | undefined;
    return {
      ...describeControl(document),
      copied: describeCopy(copied),
      buffer: {
        documents: changesIn(inBuffer, document?.capture),
        bytes: inBuffer,
        ...describeRoom(document),
      },
      verified: {
        documents: verifiedDocuments.reduce((sum, { documents }) => sum + documents, 0),
        bytes: verifiedDocuments.reduce((sum, { bytes }) => sum + bytes, 0),
      },
      differences: summariseDifferences(differences),
      ...(build?.progress && { indexBuild: build.progress }),
    };
  }
}

function isVerify(mark: LiveMark | VerifyMark): mark is VerifyMark {
  return 'kind' in mark.$live;
}

function isGroup(mark: Mark): mark is GroupMark {
  return 'kind' in mark.$live && mark.$live.kind === 'group';
}

function describeControl(
  document: ControlDocument | undefined,
): Omit<Live, 'copied' | 'buffer' | 'verified' | 'differences' | 'indexBuild' | 'problem'> {
  const capture = document?.capture;
  const compared = document && comparedAsOf(document);
  return {
    asOf: new Date().toISOString(),
    lagSeconds: document && lagSeconds(document),
    stalled: document ? isStalled(document) : false,
    ...(capture?.standsSince && { standsSince: capture.standsSince.toISOString() }),
    captured: {
      events: capture?.events ?? 0,
      buffered: capture?.buffered ?? 0,
      bytes: capture?.bytes ?? 0,
      eventsPerSecond: captureRate(document),
      ...(capture?.through && { resumeToken: shorten(capture.through._data, SHOWN_TOKEN) }),
    },
    applied: {
      changes: document ? appliedChanges(document) : 0,
      changesPerSecond: replayRate(document),
    },
    positions: {
      read: capture?.readAsOf?.toISOString(),
      buffered: capture?.asOf?.toISOString(),
      applied: document && appliedAsOf(document)?.toISOString(),
      verified: compared?.toISOString(),
    },
    lastPassAt: document?.verify?.wholeAt?.toISOString(),
    uncomparedSeconds: uncomparedSeconds(document?.replay.asOf, compared),
    oplogHours: capture?.oplogHours,
    shape: document?.shape?.left ?? [],
    refused: document?.refused,
  };
}

/** What the capture knows of the buffer beyond its size. */
function describeRoom(
  document: ControlDocument | undefined,
): Omit<NonNullable<Live['buffer']>, keyof Amount> {
  const { at, growth, fullSince } = document?.capture ?? {};
  return {
    ...(isRecent(at) && { growth }),
    ...(fullSince && { fullSince: fullSince.toISOString() }),
  };
}

function describeCopy(summary: CopySummary): Live['copied'] {
  return {
    documents: summary.written,
    bytes: summary.readBytes,
    read: summary.read,
    partitions: summary.partitions,
    copiedPartitions: summary.copiedPartitions,
  };
}
