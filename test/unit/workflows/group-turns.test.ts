import { describe, expect, it } from 'vitest';
import type { MemberState } from '../../../src/workflows/group/state.js';
import { nextToCopy } from '../../../src/workflows/group/turns.js';

function member(bytes: number, fields: Partial<MemberState> = {}): MemberState {
  const namespace = `shop.of_${bytes}`;
  return {
    namespace,
    targetNamespace: namespace,
    documents: 1,
    bytes,
    workflowId: `migrate:source:${namespace}`,
    runId: namespace,
    phase: 'copying',
    ...fields,
  };
}

function bytesOf(members: MemberState[], room = 1): number[] {
  return nextToCopy(members, room).map(({ bytes }) => bytes);
}

describe('the collections whose turn it is', () => {
  it('are the largest that ask for it, as many as there is room for', () => {
    const members = [member(10), member(30), member(20), member(40, { turn: true })];
    expect(bytesOf(members)).toEqual([30]);
    expect(bytesOf(members, 2)).toEqual([30, 20]);
    expect(bytesOf(members, 0)).toEqual([]);
    expect(bytesOf(members, -1)).toEqual([]);
  });

  it('are not smaller ones while the place of a larger one is kept, which takes one place only', () => {
    const looking = member(30, { phase: 'preflight', keepsPlace: true });
    expect(bytesOf([member(10), looking, member(20)])).toEqual([]);
    expect(bytesOf([member(10), looking, member(20)], 2)).toEqual([20]);
    expect(bytesOf([member(40), looking, member(20)])).toEqual([40]);
  });

  it('wait neither for one that looks for long, nor for one that needs no turn', () => {
    const late = member(30, { phase: 'preflight' });
    const failed = member(40, { phase: 'failed', keepsPlace: true });
    const waiting = member(50, { phase: 'waiting', keepsPlace: true });
    expect(bytesOf([late, failed, waiting, member(20)])).toEqual([20]);
  });

  it('are none whose start is not confirmed, and its place is kept until then', () => {
    const unconfirmed = member(30, { keepsPlace: true });
    delete unconfirmed.runId;
    expect(bytesOf([unconfirmed, member(20)])).toEqual([]);
    delete unconfirmed.keepsPlace;
    expect(bytesOf([unconfirmed, member(20)])).toEqual([20]);
  });
});
