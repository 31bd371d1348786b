// The library of certificates asks for it.
import 'reflect-metadata';
import { createPrivateKey, randomBytes, webcrypto } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
  type X509Certificate,
} from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DAY_MS = 86_400_000;

/** A certificate and its key, as PEM. */
export interface Identity {
  readonly certificate: string;
  readonly key: string;
}

/** A private certificate authority, which signs certificates for addresses of this machine. */
export class Authority {
  readonly #certificate: X509Certificate;
  readonly #keys: webcrypto.CryptoKeyPair;

  private constructor(certificate: X509Certificate, keys: webcrypto.CryptoKeyPair) {
    this.#certificate = certificate;
    this.#keys = keys;
  }

  /** Makes one that nobody trusts who has not been told to. */
  static async create(): Promise<Authority> {
    const keys = await generateKeys();
    const certificate = await X509CertificateGenerator.createSelfSigned(
      {
        ...common(),
        name: 'CN=Private CA',
        keys,
        extensions: [
          new BasicConstraintsExtension(true, undefined, true),
          new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
        ],
      },
      webcrypto,
    );
    return new Authority(certificate, keys);
  }

  /** Its own certificate, as PEM. */
  get certificate(): string {
    return this.#certificate.toString('pem');
  }

  /** A certificate for a server or client at `address`, an IP address. */
  async issue(name: string, address = '127.0.0.1'): Promise<Identity> {
    const keys = await generateKeys();
    const certificate = await X509CertificateGenerator.create(
      {
        ...common(),
        subject: `CN=${name},O=Tests`,
        issuer: this.#certificate.subject,
        publicKey: keys.publicKey,
        signingKey: this.#keys.privateKey,
        extensions: [
          new BasicConstraintsExtension(false),
          new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
          new SubjectAlternativeNameExtension([{ type: 'ip', value: address }]),
        ],
      },
      webcrypto,
    );
    const key = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
    return {
      certificate: certificate.toString('pem'),
      key: createPrivateKey({ key, format: 'der', type: 'pkcs8' })
        .export({ format: 'pem', type: 'pkcs8' })
        .toString(),
    };
  }
}

/** The same key, which only this passphrase opens. */
export function encryptKey(key: string, passphrase: string): string {
  return createPrivateKey(key)
    .export({ format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase })
    .toString();
}

/** Writes certificate and key into one file, as MongoDB wants them, and returns its path. */
export async function writeIdentity(
  folder: string,
  name: string,
  { certificate, key }: Identity,
): Promise<string> {
  return writePem(folder, name, `${certificate}\n${key}`);
}

/** Writes a file that only this user can read, and returns its path. */
export async function writePem(folder: string, name: string, text: string): Promise<string> {
  const path = join(folder, `${name}.pem`);
  await writeFile(path, `${text}\n`, { mode: 0o600 });
  return path;
}

function common() {
  return {
    serialNumber: randomBytes(8).toString('hex'),
    notBefore: new Date(Date.now() - DAY_MS),
    notAfter: new Date(Date.now() + DAY_MS),
    signingAlgorithm: ALGORITHM,
  };
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}
