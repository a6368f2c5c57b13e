/**
 * Azurite, Microsoft's own Azure Blob Storage server for tests, over memory, on a free port of 127.0.0.1.
 *
 * It chooses its port itself and tells it once it listens, so no other server can be taken for it.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { testCertificate } from '../../dist/testing/certificate.js';
import { Daemons } from './daemons.mjs';
import { inServerPackage, packageAvailable } from './server-package.mjs';

/** Documented, the same everywhere, and good for no account but this one. */
const ACCOUNT = 'devstoreaccount1';
const KEY = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';
const SCRIPT = 'node_modules/azurite/dist/src/blob/main.js';
const ARGS = [
  '--blobHost',
  '127.0.0.1',
  '--blobPort',
  '0',
  '--inMemoryPersistence',
  '--skipApiVersionCheck',
  '--disableTelemetry',
  '--silent',
];
/** Each of these in our environment would change what is started. */
const ENVIRONMENT = { AZURITE_ACCOUNTS: undefined, AZURITE_DB: undefined };

/** @returns {string | null} why Azurite cannot be started here, or null when it can */
export const azuriteAvailable = () => packageAvailable('azurite');

/**
 * @param {{secure?: boolean, oauth?: boolean}} [options]
 * @returns {Promise<import('./azurite.d.mts').Azurite>} a server with one account and no container
 */
export async function startAzurite({ oauth = false, secure = oauth } = {}) {
  const reason = azuriteAvailable();
  if (reason !== null) throw new Error(`Azurite: ${reason}`);
  if (oauth && !secure) throw new Error('Azurite: oauth needs secure: it takes a token over https alone');
  const daemons = new Daemons('azurite', () => ENVIRONMENT);
  const args = [...ARGS];
  if (secure) {
    const { cert, key } = testCertificate();
    for (const [option, text] of Object.entries({ cert, key })) {
      const path = join(daemons.directory, `${option}.pem`);
      writeFileSync(path, text, { mode: 0o600 });
      args.push(`--${option}`, path);
    }
  }
  if (oauth) args.push('--oauth', 'basic');
  const daemon = daemons.startNode(inServerPackage(SCRIPT), ...args);
  const origin = await daemons.ready(
    () => /successfully listens on (\S+)/.exec(daemon.output())?.[1] ?? null,
    'address',
  );
  return describe(daemons, `${origin}/${ACCOUNT}`, secure);
}

function describe(daemons, url, secure) {
  const stop = () => daemons.stop();
  return {
    url,
    ca: secure ? testCertificate().ca : null,
    account: ACCOUNT,
    key: KEY,
    credentials: { account: ACCOUNT, key: KEY },
    connectionString: `DefaultEndpointsProtocol=${secure ? 'https' : 'http'};AccountName=${ACCOUNT};AccountKey=${KEY};BlobEndpoint=${url};`,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/**
 * A token as Azurite takes it: it reads the claims and looks at no signature.
 * @param {{audience?: string, lifetimeMs?: number}} [options] a negative lifetime makes one that is over
 * @returns {string}
 */
export function azuriteToken({ audience = 'https://storage.azure.com', lifetimeMs = 3_600_000 } = {}) {
  const nowS = Math.floor(Date.now() / 1000);
  const startS = nowS - 7_200;
  const claims = {
    aud: audience,
    iss: 'https://sts.windows.net/00000000-0000-0000-0000-000000000000/',
    // Whose key a user delegation key is.
    oid: '00000000-0000-0000-0000-000000000001',
    tid: '00000000-0000-0000-0000-000000000000',
    iat: startS,
    nbf: startS,
    exp: nowS + Math.floor(lifetimeMs / 1000),
  };
  const part = (/** @type {object} */ value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'none', typ: 'JWT' })}.${part(claims)}.${Buffer.from('unsigned').toString('base64url')}`;
}
