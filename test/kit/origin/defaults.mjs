/** Credentials that an origin knows unless told otherwise; the secret has characters that go wrong when encoded. */
export const DEFAULT_CREDENTIALS = Object.freeze({
  accessKeyId: 'AKIDORIGIN0000000001',
  secretAccessKey: 'origin/secret+with/slash=and+plus',
});
