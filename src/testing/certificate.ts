/**
 * A certificate authority and a certificate for 127.0.0.1 and localhost, made once per process by the `openssl` program:
 * Node.js can read certificates, but not make them.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ErrorCode, MillraceError } from '../protocol/errors.js';

/** PEM texts: an authority to trust, and a certificate of it with its key. */
export interface TestCertificate {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-sha256'];
const DAYS = ['-days', '30'];
const OPENSSL_TIMEOUT_MS = 20_000;

let made: TestCertificate | undefined;

function make(directory: string): TestCertificate {
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { cwd: directory, stdio: 'pipe', timeout: OPENSSL_TIMEOUT_MS });
  };
  const authority = ['-subj', '/CN=test authority', '-addext', 'keyUsage=critical,keyCertSign,cRLSign'];
  openssl('req', '-x509', ...EC, ...DAYS, ...authority, '-keyout', 'ca.key', '-out', 'ca.pem');
  openssl('req', ...EC, '-subj', '/CN=localhost', '-keyout', 'leaf.key', '-out', 'leaf.csr');
  writeFileSync(
    join(directory, 'leaf.ext'),
    'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n',
  );
  const signer = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-sha256', '-extfile', 'leaf.ext'];
  openssl('x509', '-req', '-in', 'leaf.csr', ...signer, ...DAYS, '-out', 'leaf.pem');
  const read = (name: string): string => readFileSync(join(directory, name), 'utf8');
  return { ca: read('ca.pem'), cert: read('leaf.pem'), key: read('leaf.key') };
}

/** Throws `ModuleUnavailable` where there is no `openssl` program, or none that makes certificates. */
export function testCertificate(): TestCertificate {
  if (made !== undefined) return made;
  const directory = mkdtempSync(join(tmpdir(), 'millrace-certificate-'));
  try {
    made = make(directory);
    return made;
  } catch (error) {
    throw new MillraceError(
      ErrorCode.ModuleUnavailable,
      'a certificate for 127.0.0.1 could not be made: it takes the openssl program (1.1.1 or later) in the PATH; ' +
        'install it, or start the origin without `secure`',
      { cause: error },
    );
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
