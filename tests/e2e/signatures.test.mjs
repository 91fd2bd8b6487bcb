// SPDX-License-Identifier: Apache-2.0
// A conversation that moves between vendors: what one signed goes back to it, and to no other.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';

import { start } from './lib/fairlead.mjs';
import { vendor } from './lib/vendors.mjs';

const LIMIT = { timeout: 30000 };
// What each vendor's thoughts are signed with, lib/vendors.mjs.
const PROOFS = { anthropic: 'c2lnbmF0dXJl', gemini: 'dGhvdWdodA==', bedrock: 'c2ln' };
const NAMES = Object.keys(PROOFS);
const upstreams = {};
let gateway;

before(async () => {
    for (const name of NAMES) upstreams[name] = await vendor(name);
    gateway = await start({
        providers: Object.fromEntries(NAMES.map((name) => [`p-${name}`, upstreams[name].config()])),
        models: Object.fromEntries(NAMES.map((name) => [name, { targets: [`p-${name}/up-model`] }])),
    });
});
after(async () => {
    await gateway?.stop();
    for (const up of Object.values(upstreams)) {
        await up.close();
        assert.deepEqual(up.faults, []);
    }
});

function sent(name, from, response) {
    const ask = upstreams[name].seen.at(-1);
    const text = JSON.stringify(ask.body);
    assert.equal(text.includes(`"${PROOFS[from]}"`), from === name, text);
    assert.ok(!text.includes('fairlead:'), text);
    assert.equal(response.headers.get('x-fairlead-dropped')?.includes('messages.thinking') ?? false, from !== name);
    return ask;
}

for (const from of NAMES) {
    for (const to of NAMES) {
        for (const stream of [false, true]) {
            test(`messages: ${from} then ${to}${stream ? ', streamed' : ''}`, LIMIT, async () => {
                const client = new Anthropic({ apiKey: 'k', baseURL: gateway.origin, maxRetries: 0 });
                const body = { max_tokens: 4000, thinking: { type: 'enabled', budget_tokens: 2000 }, messages: [{ role: 'user', content: 'think yes' }] };
                const first = stream ? await client.messages.stream({ ...body, model: from }).finalMessage() : await client.messages.create({ ...body, model: from });
                assert.equal(first.content[0].thinking, 'hm, let me see');
                assert.equal(first.content[0].signature, from === 'anthropic' ? PROOFS.anthropic : `fairlead:${from}:${PROOFS[from]}`);
                body.messages.push({ role: 'assistant', content: first.content }, { role: 'user', content: 'say more' });
                const { data: second, response } = await client.messages.create({ ...body, model: to }, { headers: { 'anthropic-beta': 'some-beta-2026-01-01' } }).withResponse();
                assert.equal(second.content.find((b) => b.type === 'text').text, 'more');
                const ask = sent(to, from, response);
                if (to === 'anthropic') assert.equal(ask.headers['anthropic-beta'], 'some-beta-2026-01-01');
                // What another vendor signed is counted by us, since Anthropic would refuse it.
                if (to === 'anthropic' && from !== 'anthropic') {
                    const { input_tokens: tokens } = await client.messages.countTokens({ model: to, messages: body.messages });
                    assert.ok(tokens > 5 && tokens < 100, String(tokens));
                }
            });
        }
        test(`chat: ${from} then ${to}`, LIMIT, async () => {
            const client = new OpenAI({ apiKey: 'k', baseURL: gateway.baseURL, maxRetries: 0 });
            const body = { reasoning_effort: 'high', messages: [{ role: 'user', content: 'think yes' }] };
            const first = await client.chat.completions.create({ ...body, model: from });
            body.messages.push(first.choices[0].message, { role: 'user', content: 'say more' });
            const { data: second, response } = await client.chat.completions.create({ ...body, model: to }).withResponse();
            assert.equal(second.choices[0].message.content, 'more');
            sent(to, from, response);
        });
        test(`responses: ${from} then ${to}`, LIMIT, async () => {
            const client = new OpenAI({ apiKey: 'k', baseURL: gateway.baseURL, maxRetries: 0 });
            const body = { store: false, include: ['reasoning.encrypted_content'], reasoning: { effort: 'high' }, input: [{ role: 'user', content: 'think yes' }] };
            const first = await client.responses.create({ ...body, model: from });
            body.input.push(...first.output, { role: 'user', content: 'say more' });
            const { data: second, response } = await client.responses.create({ ...body, model: to }).withResponse();
            assert.equal(second.output_text, 'more');
            sent(to, from, response);
        });
    }
}
