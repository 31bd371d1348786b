import { z } from 'zod';
import { didYouMean } from './nearest.js';

/** An object with these fields and no others: an unknown one is told with the nearest, and with all that are known. */
export function objectOf<Fields extends z.core.$ZodLooseShape>(fields: Fields) {
  const known = Object.keys(fields);
  return z.strictObject(fields, {
    error: (issue) => {
      if (issue.code !== 'unrecognized_keys') return undefined;
      const { keys } = issue;
      const names = keys.map((key) => `"${key}"${didYouMean(key, known)}`).join(', ');
      return `unknown ${keys.length === 1 ? 'field' : 'fields'} ${names} (known: ${known.join(', ')})`;
    },
  });
}
