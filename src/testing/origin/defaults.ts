/**
 * Who an origin knows unless it is told otherwise.
 */
import type { OriginAccount, OriginCredentials } from './options.js';

/** The key pair of an origin that was given no `credentials`; the secret has characters that go wrong when encoded. */
export const DEFAULT_CREDENTIALS: Readonly<OriginCredentials> = Object.freeze({
  accessKeyId: 'AKIDORIGIN0000000001',
  secretAccessKey: 'origin/secret+with/slash=and+plus',
});

/** The account of an Azure origin that was given no `accounts`; the key is 64 bytes, as the service has them. */
export const DEFAULT_ACCOUNT: Readonly<OriginAccount> = Object.freeze({
  name: 'originaccount',
  key: Buffer.from('the key of an account of an origin, and of nothing else: 64 byte').toString('base64'),
});
