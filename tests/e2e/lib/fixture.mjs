// SPDX-License-Identifier: Apache-2.0
// fairlead between two scripted providers, a and b, as most tests want it:
//   only   a/model-a, nothing to fail over to
//   pair   a/model-a, then b/model-b
import OpenAI from 'openai';

import { start } from './fairlead.mjs';
import { upstream } from './upstream.mjs';

export async function twoProviders({ routing = {}, providers = {}, models = {}, ...rest } = {}) {
    const a = await upstream();
    const b = await upstream();
    const provider = (up, name, more = {}) => ({
        type: 'openai_compatible', base_url: up.url, api_key: `key-of-${name}`, models: [`model-${name}`],
        stream_options: true, ...more,
    });
    const config = {
        providers: { a: provider(a, 'a', providers.a), b: provider(b, 'b', providers.b) },
        models: {
            only: { targets: ['a/model-a'] },
            pair: { targets: ['a/model-a'], fallback: ['b/model-b'] },
            ...models,
        },
        // Failures of one test must not take a provider out of the next.
        routing: { failover_threshold: 1000, ...routing },
        ...rest,
    };
    const gateway = await start(config).catch(async (error) => {
        await Promise.all([a.close(), b.close()]);
        throw error;
    });
    return {
        a, b, gateway, config,
        origin: gateway.origin,
        openai: (options = {}) => new OpenAI({ apiKey: 'client-key', baseURL: gateway.baseURL, maxRetries: 0, ...options }),
        async close() {
            await gateway.stop();
            await a.close();
            await b.close();
        },
    };
}
