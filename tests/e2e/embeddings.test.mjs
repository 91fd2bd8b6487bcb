// SPDX-License-Identifier: Apache-2.0
// OpenAI's embeddings before providers of other dialects, asked with OpenAI's own library.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import OpenAI from 'openai';

import { start } from './lib/fairlead.mjs';
import { vectorOf, vendor } from './lib/vendors.mjs';

const LIMIT = { timeout: 30000 };
const TEXTS = ['eins', 'Köln "zwei"\n', 'three'];
const MODELS = {
    gemini: 'p-gemini/up-model',
    ollama: 'p-ollama/up-model',
    cohere: 'p-bedrock/cohere.embed-v4:0',
    titan: 'p-bedrock/amazon.titan-embed-text-v2:0',
    claude: 'p-anthropic/up-model',
};
const upstreams = {};
let gateway, client;

before(async () => {
    for (const name of ['gemini', 'ollama', 'bedrock', 'anthropic']) upstreams[name] = await vendor(name);
    const config = (name, models) => ({ ...upstreams[name].config(), ...(models && { models }) });
    gateway = await start({
        providers: {
            'p-gemini': config('gemini'), 'p-ollama': config('ollama'), 'p-anthropic': config('anthropic'),
            'p-bedrock': config('bedrock', ['cohere.embed-v4:0', 'amazon.titan-embed-text-v2:0']),
        },
        models: Object.fromEntries(Object.entries(MODELS).map(([name, target]) => [name, { targets: [target] }])),
    });
    client = new OpenAI({ apiKey: 'k', baseURL: gateway.baseURL, maxRetries: 0 });
});
after(async () => {
    await gateway?.stop();
    for (const up of Object.values(upstreams)) {
        await up.close();
        assert.deepEqual(up.faults, []);
    }
});

const float32 = (text, size) => Array.from(new Float32Array(vectorOf(text, size)));

for (const model of ['gemini', 'ollama', 'cohere']) {
    test(`${model}: a list, as the library asks (base64)`, LIMIT, async () => {
        const r = await client.embeddings.create({ model, input: TEXTS });
        assert.equal(r.object, 'list');
        assert.deepEqual(r.data.map((d) => [d.object, d.index]), TEXTS.map((t, i) => ['embedding', i]));
        assert.deepEqual(r.data.map((d) => d.embedding), TEXTS.map((t) => float32(t)));
    });
    test(`${model}: floats keep their digits`, LIMIT, async () => {
        const r = await client.embeddings.create({ model, input: TEXTS, dimensions: 6, encoding_format: 'float' });
        assert.deepEqual(r.data.map((d) => d.embedding), TEXTS.map((t) => vectorOf(t, 6)));
    });
    test(`${model}: base64 on the wire is little-endian float32`, LIMIT, async () => {
        const { data: r } = await client.embeddings.create({ model, input: 'x', encoding_format: 'base64' }).withResponse();
        const bytes = Buffer.from(r.data[0].embedding, 'base64');
        assert.deepEqual(vectorOf('x').map((_, i) => bytes.readFloatLE(4 * i)), float32('x'));
    });
    test(`${model}: tokens are refused, in words`, LIMIT, async () => {
        const error = await client.embeddings.create({ model, input: [[1, 2], [3]] }).catch((e) => e);
        assert.equal(error.status, 400);
        assert.match(error.message, /takes texts only/);
    });
}

test('usage: the provider\'s, or ours, which is said', LIMIT, async () => {
    const told = await client.embeddings.create({ model: 'ollama', input: TEXTS }).withResponse();
    assert.deepEqual(told.data.usage, { prompt_tokens: 5, total_tokens: 5 });
    assert.equal(told.response.headers.get('x-fairlead-dropped'), null);
    const byHead = await client.embeddings.create({ model: 'cohere', input: TEXTS }).withResponse(); // Bedrock's headers tell it
    assert.deepEqual(byHead.data.usage, { prompt_tokens: 9, total_tokens: 9 });
    assert.equal(byHead.response.headers.get('x-fairlead-dropped'), null);
    const guessed = await client.embeddings.create({ model: 'gemini', input: 'a few words, which are some tokens' }).withResponse();
    assert.ok(guessed.data.usage.prompt_tokens >= 5 && guessed.data.usage.prompt_tokens <= 20, JSON.stringify(guessed.data.usage));
    assert.equal(guessed.data.usage.total_tokens, guessed.data.usage.prompt_tokens);
    assert.equal(guessed.response.headers.get('x-fairlead-dropped'), 'usage=approximated');
});

test('titan takes one text, and says so to several', LIMIT, async () => {
    const one = await client.embeddings.create({ model: 'titan', input: ['eins'], dimensions: 256 });
    assert.deepEqual(one.data[0].embedding, float32('eins', 256));
    assert.equal(one.usage.prompt_tokens, 5);
    const error = await client.embeddings.create({ model: 'titan', input: TEXTS }).catch((e) => e);
    assert.equal(error.status, 400);
    assert.match(error.message, /one text a request/);
});

test('a purpose reaches those who have one', LIMIT, async () => {
    await client.embeddings.create({ model: 'cohere', input: 'q', input_type: 'query' });
    assert.equal(upstreams.bedrock.seen.at(-1).body.input_type, 'search_query');
    await client.embeddings.create({ model: 'gemini', input: 'q', input_type: 'search_document' });
    assert.equal(upstreams.gemini.seen.at(-1).body.requests[0].taskType, 'RETRIEVAL_DOCUMENT');
    const { response } = await client.embeddings.create({ model: 'ollama', input: 'q', input_type: 'query' }).withResponse();
    assert.equal(response.headers.get('x-fairlead-dropped'), 'input_type');
});

test('a provider without embeddings is not asked', LIMIT, async () => {
    const error = await client.embeddings.create({ model: 'claude', input: 'a' }).catch((e) => e);
    assert.ok(error.status >= 400 && error.status < 500, String(error));
    assert.equal(upstreams.anthropic.seen.length, 0);
});
