/** Credentials that an origin knows unless told otherwise; the secret has characters that go wrong when encoded. */
export const DEFAULT_CREDENTIALS = Object.freeze({
  accessKeyId: 'AKIDORIGIN0000000001',
  secretAccessKey: 'origin/secret+with/slash=and+plus',
});

/** The account that an Azure origin knows unless told otherwise; the key is 64 bytes, as the service has them. */
export const DEFAULT_ACCOUNT = Object.freeze({
  name: 'originaccount',
  key: Buffer.from('the key of an account of an origin, and of nothing else: 64 byte').toString('base64'),
});
