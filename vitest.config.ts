import { defineConfig } from 'vitest/config';

/** Real servers take their time to start and to stop. */
const MINUTES = 60_000;

export default defineConfig({
  test: {
    // Most of the time goes into waiting for servers; more at a time would share two cores.
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts', 'test/model/**/*.test.ts'],
          testTimeout: MINUTES,
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          globalSetup: 'test/obtain.ts',
          testTimeout: 3 * MINUTES,
          hookTimeout: 3 * MINUTES,
        },
      },
      {
        test: {
          name: 'workflow',
          include: ['test/workflow/**/*.test.ts', 'test/replay/**/*.test.ts'],
          globalSetup: 'test/obtain.ts',
          testTimeout: 2 * MINUTES,
          hookTimeout: 2 * MINUTES,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: ['test/obtain.ts', 'test/e2e/build.ts'],
          testTimeout: 5 * MINUTES,
          hookTimeout: 3 * MINUTES,
        },
      },
    ],
  },
});
