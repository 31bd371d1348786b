import { expect, it } from 'vitest';
import { grpcCode, isAway, isUnanswered, isUnusable } from '../../../src/cli/grpc.js';

it("finds gRPC's code in whatever has caused an error", () => {
  const cause = Object.assign(new Error('14 UNAVAILABLE'), { code: 14 });
  const error = new Error('Failed to describe the workflow', { cause });
  expect(grpcCode(error)).toBe(14);
  expect(isAway(error) && isUnusable(error)).toBe(true);
  expect(isUnanswered(error)).toBe(false);
});

it('takes a code of something else for none', () => {
  const error = Object.assign(new Error('no such file'), { code: 'ENOENT' });
  expect(grpcCode(error)).toBeUndefined();
  expect(isAway(error) || isUnanswered(error) || isUnusable(undefined)).toBe(false);
});
