/** What the contenders that sign do it with. The origin looks at no signature. */
export const CREDENTIALS = {
  accessKeyId: 'AKIABENCH00000000000',
  secretAccessKey: 'bench-secret-of-no-service',
};
export const REGION = 'us-east-1';
