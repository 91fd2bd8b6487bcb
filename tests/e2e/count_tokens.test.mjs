// SPDX-License-Identifier: Apache-2.0
// Anthropic's clients count tokens before they ask. Where the provider has no such endpoint, the count is our estimate.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import Anthropic from '@anthropic-ai/sdk';

import { start } from './lib/fairlead.mjs';
import { vendor } from './lib/vendors.mjs';

const LIMIT = { timeout: 30000 };
const NAMES = ['openai', 'gemini', 'bedrock', 'ollama'];
const PROSE = 'The quick brown fox jumps over the lazy dog, and nobody in the village can say why it does. ';
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const TOOL = {
    name: 'weather', description: 'Tells the weather of a city, now or on a day of the coming week.',
    input_schema: { type: 'object', properties: { city: { type: 'string', description: 'The name of the city' }, day: { type: 'string', enum: ['today', 'tomorrow', 'later'] } }, required: ['city'] },
};
const upstreams = {};
let gateway, client;

before(async () => {
    for (const name of NAMES) upstreams[name] = await vendor(name);
    gateway = await start({
        providers: Object.fromEntries(NAMES.map((name) => [`p-${name}`, upstreams[name].config()])),
        models: Object.fromEntries(NAMES.map((name) => [name, { targets: [`p-${name}/up-model`] }])),
    });
    client = new Anthropic({ apiKey: 'k', baseURL: gateway.origin, maxRetries: 0 });
});
after(async () => {
    await gateway?.stop();
    for (const up of Object.values(upstreams)) await up.close();
});

const user = (content) => [{ role: 'user', content }];
const count = async (model, body) => (await client.messages.countTokens({ model, ...body })).input_tokens;
const between = (value, low, high, what) => assert.ok(value >= low && value <= high, `${what}: ${value} is not in ${low}..${high}`);

for (const model of NAMES) {
    test(`${model}: a text, a system prompt, tools, an image, a conversation`, LIMIT, async () => {
        const text = await count(model, { messages: user(PROSE) });
        between(text, 18, 35, 'one sentence of 21 words');
        between(await count(model, { messages: user(PROSE.repeat(50)) }), 50 * 18, 50 * 28, 'fifty');
        between(await count(model, { system: PROSE, messages: user('Hi') }), 18, 45, 'a system prompt');
        const tools = await count(model, { messages: user(PROSE), tools: [TOOL] });
        between(tools - text, 40, 500, 'a tool');
        const two = await count(model, { messages: user(PROSE), tools: [TOOL, { ...TOOL, name: 'climate' }] });
        between(two - tools, 40, 160, 'another tool');
        // An image counts by what a model sees, not by the bytes of its base64.
        const image = (data) => count(model, { messages: user([{ type: 'image', source: { type: 'base64', media_type: 'image/png', data } }, { type: 'text', text: PROSE }]) });
        const small = await image(PIXEL), large = await image(PIXEL + 'A'.repeat(400000));
        between(small - text, 1, 3000, 'an image');
        between(large - text, 1, 3000, 'an image of 300 kB');
        const talk = await count(model, {
            messages: [...user(PROSE), { role: 'assistant', content: [{ type: 'tool_use', id: 'toolu_1', name: 'weather', input: { city: 'Köln' } }] },
                { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: PROSE }] }],
        });
        between(talk - text, 20, 80, 'a call and its result');
    });
}

test('nobody was asked', LIMIT, () => {
    assert.deepEqual(NAMES.map((name) => upstreams[name].seen.length), [0, 0, 0, 0]);
});

test('a model that is not there is refused in Anthropic\'s words', LIMIT, async () => {
    const error = await client.messages.countTokens({ model: 'nobody', messages: user('x') }).catch((e) => e);
    assert.equal(error.status, 404);
    assert.equal(error.error.type, 'error');
    assert.equal(error.error.error.type, 'not_found_error');
});
