import { expect, it } from 'vitest';
import { doctor } from '../../../src/cli/commands/doctor.js';

const options = { source: 'source', target: 'target', servers: true };

it.each([
  ['shop.*', 'doctor looks at one collection, and shop.* is a pattern'],
  ['orders', 'must be <database>.<collection>'],
])('%s is a mistake of the command line, and asks nobody', async (namespace, message) => {
  await expect(doctor(namespace, options)).rejects.toMatchObject({
    exit: 'usage',
    message: expect.stringContaining(message) as string,
  });
});
