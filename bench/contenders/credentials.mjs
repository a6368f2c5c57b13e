/** What the contenders authorize their requests with. The origin looks at none of it. */
export const CREDENTIALS = {
  accessKeyId: 'AKIABENCH00000000000',
  secretAccessKey: 'bench-secret-of-no-service',
};
export const REGION = 'us-east-1';

export const AZURE = {
  account: 'devstoreaccount1',
  /** As long as a real one. */
  key: Buffer.alloc(64, 'bench key of no service ').toString('base64'),
};

/** As long as a real one. */
export const ACCESS_TOKEN = `ya29.${'bench-token-of-no-service-'.repeat(8)}`;
