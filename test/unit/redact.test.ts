import { describe, expect, it } from 'vitest';
import { redact } from '../../src/redact.js';

describe('redact', () => {
  it.each([
    ['mongodb://user:pass@host/db', 'mongodb://***@host/db'],
    ['mongodb+srv://user:pass@host/?a=b', 'mongodb+srv://***@host/?a=b'],
    ['at MONGODB://User@host, retrying', 'at MONGODB://***@host, retrying'],
    ['"mongodb://u:p%40s@a,b:1" and mongodb://x:y@c', '"mongodb://***@a,b:1" and mongodb://***@c'],
    ['unencoded mongodb://u:p@ss/w@host', 'unencoded mongodb://***@host'],
    [
      'mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN:abc/d&tls=true',
      'mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN:***&tls=true',
    ],
    [
      'mongodb://h/?tlsCertificateKeyFilePassword=s3cret',
      'mongodb://h/?tlsCertificateKeyFilePassword=***',
    ],
    ['mongodb://host/db wrote to a@b', 'mongodb://host/db wrote to a@b'],
    ['nothing to hide', 'nothing to hide'],
  ])('%s', (text, expected) => {
    expect(redact(text)).toBe(expected);
  });

  it('hides a secret as given, encoded, decoded and quoted', () => {
    const secret = 'p@ss"w/o rd';
    const text = `${secret} p%40ss%22w%2Fo%20rd ${JSON.stringify(secret)} end`;
    expect(redact(text, [secret])).toBe('*** *** "***" end');
    expect(redact(text, [encodeURIComponent(secret)])).toBe('*** *** "***" end');
  });

  it('takes a bare % and an empty secret', () => {
    expect(redact('100%! of it', ['100%!', ''])).toBe('*** of it');
  });
});
