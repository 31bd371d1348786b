import { defineConfig } from 'vitest/config';

/** Real servers take their time to start and to stop. */
const MINUTES = 60_000;

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'] } },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          globalSetup: 'test/obtain.ts',
          testTimeout: 3 * MINUTES,
          hookTimeout: 3 * MINUTES,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'workflow',
          include: ['test/workflow/**/*.test.ts', 'test/replay/**/*.test.ts'],
          globalSetup: 'test/obtain.ts',
          testTimeout: 2 * MINUTES,
          hookTimeout: 2 * MINUTES,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: ['test/obtain.ts', 'test/e2e/build.ts'],
          testTimeout: 5 * MINUTES,
          hookTimeout: 3 * MINUTES,
          fileParallelism: false,
        },
      },
    ],
  },
});
