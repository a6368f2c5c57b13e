import { describe, expect, it } from 'vitest';
import { resolveAddress } from '../../../dist/backends/s3/endpoint.js';
import type { SdkEndpointParameters, SdkModule } from '../../../dist/backends/s3/sdk.js';
import { fakeSdk } from './control-kit.js';

/**
 * An SDK like 3.600, which does not know `ignoreConfiguredEndpointUrls`: its rules are given the endpoint of the client
 * or, where it has none, that of the environment.
 */
function oldSdk(ofEnvironment: string): SdkModule {
  const { S3Client: Newer, GetObjectCommand } = fakeSdk(() => Promise.resolve()).module as SdkModule;
  class S3Client extends Newer {
    readonly #endpoint: string;
    constructor(config: Record<string, unknown>) {
      super(config);
      this.#endpoint = (config.endpoint as string | undefined) ?? ofEnvironment;
      this.config.endpointProvider = ({ Endpoint }: SdkEndpointParameters) => ({
        url: new URL(Endpoint ?? 'https://bucket.s3.eu-west-1.amazonaws.com'),
      });
    }
    override send(): Promise<unknown> {
      this.config.endpointProvider({ Endpoint: this.#endpoint });
      return Promise.resolve({});
    }
  }
  return { S3Client, GetObjectCommand };
}

describe('with a release of the SDK that reads AWS_ENDPOINT_URL by itself', () => {
  const sdk = oldSdk('http://127.0.0.1:1');
  const wanted = { bucket: 'bucket', region: 'eu-west-1', options: {} };

  it('a bucket without an endpoint is at AWS', async () => {
    const { hostHeader, origin } = await resolveAddress(sdk, { ...wanted, endpoint: null });
    expect([hostHeader, origin.secure]).toEqual(['bucket.s3.eu-west-1.amazonaws.com', true]);
  });

  it('a bucket with an endpoint is there', async () => {
    const { hostHeader } = await resolveAddress(sdk, { ...wanted, endpoint: 'http://127.0.0.1:2' });
    expect(hostHeader).toBe('127.0.0.1:2');
  });
});
