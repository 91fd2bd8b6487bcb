// SPDX-License-Identifier: Apache-2.0
// Clients of the responses API that refer to earlier answers by id, before providers that know nothing of such ids:
// the gateway keeps what it answered. And ids that a provider made itself.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { createOpenAI } from '@ai-sdk/openai';
import { generateText, jsonSchema, streamText, tool } from 'ai';
import OpenAI from 'openai';

import { start } from './lib/fairlead.mjs';
import { VENDORS, vendor } from './lib/vendors.mjs';

globalThis.AI_SDK_LOG_WARNINGS = false;

const LIMIT = { timeout: 30000 };
const NAMES = Object.keys(VENDORS);
const CITY = { type: 'object', properties: { city: { type: 'string' } } };
const TOOLS = ['weather', 'time'];

// A provider of the responses API that keeps its own, as strictly as OpenAI does.
// *stateless*: says so, and knows no earlier ids.
async function keeper(name, stateless = false) {
    const self = { name, seen: [], made: new Set() };
    const server = http.createServer(async (request, response) => {
        const chunks = [];
        for await (const part of request) chunks.push(part);
        if (request.method === 'GET') return response.end('{"data":[]}');
        const body = JSON.parse(Buffer.concat(chunks));
        self.seen.push(body);
        const ids = [body.previous_response_id, ...(Array.isArray(body.input) ? body.input.filter((i) => i.type === 'item_reference').map((i) => i.id) : [])].filter(Boolean);
        const unknown = ids.find((id) => !self.made.has(id));
        const n = self.seen.length;
        const answer = { id: `resp_${name}${n}`, object: 'response', created_at: 1, status: 'completed', model: body.model, store: stateless ? false : body.store ?? true, error: null, incomplete_details: null, output: [{ id: `msg_${name}${n}`, type: 'message', role: 'assistant', status: 'completed', content: [{ type: 'output_text', text: `${name} ${n}`, annotations: [] }] }], usage: { input_tokens: 1, output_tokens: 1, total_tokens: 2 } };
        if (unknown) {
            response.writeHead(404, { 'content-type': 'application/json' });
            return response.end(JSON.stringify({ error: { message: `${unknown} not found`, type: 'invalid_request_error', param: null, code: null } }));
        }
        if (!stateless) for (const id of [answer.id, answer.output[0].id]) self.made.add(id);
        if (!body.stream) {
            response.writeHead(200, { 'content-type': 'application/json' });
            return response.end(JSON.stringify(answer));
        }
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        const send = (type, fields) => response.write(`event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: 0, ...fields })}\n\n`);
        send('response.created', { response: { ...answer, status: 'in_progress', output: [] } });
        send('response.output_text.delta', { item_id: answer.output[0].id, output_index: 0, content_index: 0, delta: `${name} ${n}` });
        send('response.completed', { response: answer });
        return response.end();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    self.config = () => ({ type: 'openai_compatible', responses: true, base_url: `http://127.0.0.1:${server.address().port}/v1`, api_key: 'sk', models: ['up-model'] });
    self.close = async () => {
        server.closeAllConnections();
        server.close();
        await once(server, 'close');
    };
    return self;
}

let gateway;
const upstreams = {};
const keepers = {};
const openai = (apiKey = 'sk-one-sixteen-letters') => new OpenAI({ apiKey, baseURL: gateway.baseURL, maxRetries: 0 });

before(async () => {
    for (const name of NAMES) upstreams[name] = await vendor(name);
    for (const name of ['east', 'west']) keepers[name] = await keeper(name);
    keepers.blank = await keeper('blank', true);
    gateway = await start({
        keys: [{ name: 'one', key: 'sk-one-sixteen-letters' }, { name: 'two', key: 'sk-two-sixteen-letters' }],
        limits: { responses: '4MiB' },
        providers: {
            ...Object.fromEntries(NAMES.map((name) => [`p-${name}`, upstreams[name].config()])),
            ...Object.fromEntries(Object.entries(keepers).map(([name, k]) => [`k-${name}`, k.config()])),
        },
        models: {
            ...Object.fromEntries(NAMES.map((name) => [name, { targets: [`p-${name}/up-model`] }])),
            mixed: { targets: ['p-anthropic/up-model', 'k-east/up-model', 'k-west/up-model'], strategy: 'priority' },
            west: { targets: ['k-west/up-model'] },
            blank: { targets: ['k-blank/up-model'] },
        },
        routing: { failover_threshold: 1000, health_check_interval: '1h' },
    });
});
after(async () => {
    await gateway?.stop();
    for (const up of [...Object.values(upstreams), ...Object.values(keepers)]) await up.close();
});

function sound(name) {
    assert.deepEqual(upstreams[name].faults.splice(0), []);
    return upstreams[name].seen.at(-1);
}

const streamed = async (stream) => {
    let last;
    for await (const e of stream) if (e.type === 'response.completed') last = e.response;
    return last;
};
const ask = async (body, stream, key) => (stream ? streamed(await openai(key).responses.create({ ...body, stream: true })) : openai(key).responses.create(body));
const textOf = (r) => r.output.filter((o) => o.type === 'message').flatMap((o) => o.content).map((c) => c.text).join('');

for (const name of NAMES) {
    describe(`before ${name}`, () => {
        for (const stream of [false, true]) {
            const way = stream ? 'streamed' : 'whole';
            test(`@ai-sdk/openai as it is, tools over several turns, ${way}`, LIMIT, async () => {
                const called = [];
                const tools = Object.fromEntries(TOOLS.map((t) => [t, tool({ description: `the ${t}`, inputSchema: jsonSchema(CITY), execute: async () => { called.push(t); return `${t} is fine`; } })]));
                const model = createOpenAI({ baseURL: gateway.baseURL, apiKey: 'sk-one-sixteen-letters' }).responses(name);
                const go = async (messages) => {
                    const options = { model, messages, tools, maxRetries: 0, stopWhen: ({ steps }) => steps.length === 2 };
                    const r = stream ? streamText({ ...options, onError() {} }) : await generateText(options);
                    return { text: await r.text, messages: [...messages, ...(await r.response).messages] };
                };
                const first = await go([{ role: 'user', content: 'call weather time' }]);
                assert.equal(first.text, 'results: weather is fine | time is fine');
                const second = await go([...first.messages, { role: 'user', content: 'say and now' }]);
                assert.match(second.text, /and now/);
                assert.deepEqual(called, TOOLS);
                const seen = sound(name);
                assert.match(JSON.stringify(seen.body), /weather is fine/);
                assert.doesNotMatch(JSON.stringify(seen.body), /item_reference/);
            });
            test(`openai, previous_response_id, ${way}`, LIMIT, async () => {
                const tools = TOOLS.map((t) => ({ type: 'function', name: t, description: `the ${t}`, parameters: CITY, strict: false }));
                const one = await ask({ model: name, tools, input: 'call weather', instructions: 'Be brief.' }, stream);
                assert.equal(one.store, true);
                const call = one.output.find((o) => o.type === 'function_call');
                const two = await ask({ model: name, tools, previous_response_id: one.id, input: [{ type: 'function_call_output', call_id: call.call_id, output: 'weather is fine' }] }, stream);
                assert.equal(textOf(two), 'results: weather is fine');
                assert.equal(two.previous_response_id, one.id);
                assert.notEqual(sound(name).system, 'Be brief.'); // instructions hold for one response
                const three = await ask({ input: 'say the end', previous_response_id: two.id, model: name, tools }, stream);
                assert.equal(textOf(three), 'the end');
                assert.match(JSON.stringify(sound(name).body), /call weather.*weather is fine.*results: .*say the end/s);

                const kept = await openai().responses.retrieve(three.id);
                assert.deepEqual(kept.output, three.output);
                const items = [];
                for await (const item of openai().responses.inputItems.list(three.id, { order: 'asc', limit: 2 })) items.push(item);
                assert.deepEqual(items.map((i) => i.type), ['message', 'function_call', 'function_call_output', 'message', 'message']);
                assert.equal(items[1].id, call.id);
                assert.deepEqual((await openai().responses.inputItems.list(three.id)).data.map((i) => i.id), items.map((i) => i.id).reverse());
                await openai().responses.delete(two.id);
                const gone = await ask({ model: name, previous_response_id: three.id, input: 'say no' }).catch((e) => e);
                assert.equal(gone.status, 404);
                assert.equal(gone.code, 'previous_response_not_found');
                assert.match(gone.message, new RegExp(two.id));
            });
            test(`thoughts come back with their proofs, ${way}`, LIMIT, async () => {
                const body = { model: name, reasoning: { effort: 'low' } };
                const one = await ask({ ...body, input: 'think so it is' }, stream);
                const two = await ask({ ...body, previous_response_id: one.id, input: 'say and on' }, stream);
                assert.equal(textOf(two), 'and on');
                const sent = JSON.stringify(sound(name).body);
                if (name === 'anthropic') assert.match(sent, /"thinking":"hm, let me see","signature":"c2lnbmF0dXJl"/);
                if (name === 'bedrock') assert.match(sent, /"reasoningText":\{"text":"hm, let me see","signature":"c2ln"/);
            });
        }
    });
}

test('nobody reads what is another key\'s, and the other key is told nothing', LIMIT, async () => {
    const one = await openai().responses.create({ model: 'anthropic', input: 'say a secret' });
    for (const act of [
        () => openai('sk-two-sixteen-letters').responses.retrieve(one.id),
        () => openai('sk-two-sixteen-letters').responses.inputItems.list(one.id),
        () => openai('sk-two-sixteen-letters').responses.delete(one.id),
        () => openai('sk-two-sixteen-letters').responses.create({ model: 'anthropic', previous_response_id: one.id, input: 'x' }),
        () => openai('sk-two-sixteen-letters').responses.create({ model: 'anthropic', input: [{ type: 'item_reference', id: one.output[0].id }, { role: 'user', content: 'x' }] }),
    ]) {
        const error = await act().catch((e) => e);
        assert.equal(error.status, 404, String(error));
        assert.doesNotMatch(error.message, /secret/);
    }
    assert.equal((await openai().responses.retrieve(one.id)).id, one.id);
});

test('store: false keeps nothing, and says so', LIMIT, async () => {
    const one = await openai().responses.create({ model: 'gemini', store: false, input: 'say it' });
    assert.equal(one.store, false);
    const error = await openai().responses.retrieve(one.id).catch((e) => e);
    assert.equal(error.status, 404);
    const item = await openai().responses.create({ model: 'gemini', input: [{ type: 'item_reference', id: one.output[0].id }] }).catch((e) => e);
    assert.equal(item.status, 404);
    assert.equal(item.code, 'item_not_found');
    assert.match(item.message, /Send the item itself/);
});

test('a gateway that keeps nothing says what to do', LIMIT, async () => {
    const up = await vendor('gemini');
    const forgetful = await start({ limits: { responses: 0 }, providers: { g: up.config() }, models: { gemini: { targets: ['g/up-model'] } } });
    try {
        const tools = { weather: tool({ description: 'the weather', inputSchema: jsonSchema(CITY), execute: async () => 'fine' }) };
        const options = { model: createOpenAI({ baseURL: forgetful.baseURL, apiKey: 'k' }).responses('gemini'), prompt: 'call weather', tools, maxRetries: 0, stopWhen: ({ steps }) => steps.length === 2 };
        const error = await generateText(options).catch((e) => e); // it refers to its call by id
        assert.equal(error.statusCode, 404);
        assert.match(error.message, /limits\.responses is 0.*'store': false/);
        const r = await generateText({ ...options, providerOptions: { openai: { store: false } } });
        assert.equal(r.text, 'results: fine');
    } finally {
        await forgetful.stop();
        await up.close();
    }
});

test('an answer too long to be kept says so', LIMIT, async () => {
    const long = await openai().responses.create({ model: 'openai', input: `say ${'long '.repeat(230000)}` });
    assert.equal(long.store, false);
    assert.equal((await openai().responses.retrieve(long.id).catch((e) => e)).status, 404);
});

test('ids that a provider made go to it alone', LIMIT, async () => {
    for (const stream of [false, true]) {
        const one = await ask({ model: 'west', input: 'a' }, stream);
        assert.match(one.id, /^resp_west/);
        for (const body of [{ previous_response_id: one.id, input: 'b' }, { input: [{ type: 'item_reference', id: one.output[0].id }, { role: 'user', content: 'b' }] }]) {
            const two = await ask({ model: 'mixed', ...body }, stream); // neither the first of its targets nor the first that keeps
            assert.match(two.id, /^resp_west/);
        }
    }
    const unknown = await ask({ model: 'mixed', previous_response_id: 'resp_of_yore', input: 'b' }).catch((e) => e);
    assert.match(unknown.message, /resp_of_yore not found/); // its maker is not known: who keeps any was asked
    assert.equal(keepers.east.seen.at(-1).previous_response_id, 'resp_of_yore');
    const nowhere = await ask({ model: 'anthropic', previous_response_id: 'resp_of_yore', input: 'b' }).catch((e) => e);
    assert.equal(nowhere.status, 400);
    assert.match(nowhere.message, /resp_of_yore.*'store': false/);
    const elsewhere = await ask({ model: 'anthropic', input: [{ type: 'item_reference', id: 'msg_west1' }, { role: 'user', content: 'b' }] }).catch((e) => e);
    assert.equal(elsewhere.status, 400);
    assert.match(elsewhere.message, /msg_west1.*k-west/);
});

test('what a provider of the responses API does not keep, the gateway keeps', LIMIT, async () => {
    for (const stream of [false, true]) {
        const one = await ask({ model: 'blank', input: 'a' }, stream);
        assert.match(one.id, /^resp_blank/);
        const two = await ask({ model: 'blank', previous_response_id: one.id, input: 'b' }, stream);
        assert.deepEqual(keepers.blank.seen.at(-1).input.map((i) => i.role), ['user', 'assistant', 'user']);
        await ask({ model: 'blank', input: [{ type: 'item_reference', id: two.output[0].id }, { role: 'user', content: 'c' }] }, stream);
        assert.deepEqual(keepers.blank.seen.at(-1).input[0], two.output[0]);
        await ask({ model: 'gemini', previous_response_id: two.id, input: 'say x' }, stream); // another dialect
        sound('gemini');
        const off = await ask({ model: 'blank', store: false, input: 'a' }, stream);
        const gone = await ask({ model: 'blank', previous_response_id: off.id, input: 'b' }).catch((e) => e);
        assert.match(gone.message, /not found/); // its provider's word
    }
});

test('what the gateway keeps can go on at a provider that keeps its own', LIMIT, async () => {
    const one = await ask({ model: 'anthropic', input: 'say hello' });
    const two = await ask({ model: 'west', previous_response_id: one.id, input: 'b' });
    assert.match(two.id, /^resp_west/);
    const sent = keepers.west.seen.at(-1);
    assert.equal(sent.previous_response_id, undefined);
    assert.deepEqual(sent.input.map((i) => i.role), ['user', 'assistant', 'user']);
});

test('a query that means nothing is refused, and unknown paths are', LIMIT, async () => {
    const one = await ask({ model: 'anthropic', input: 'say hello' });
    const get = (path, method = 'GET') => fetch(`${gateway.baseURL}/responses/${path}`, { method, headers: { authorization: 'Bearer sk-one-sixteen-letters' } });
    assert.equal((await get(`${one.id}/input_items?limit=0`)).status, 400);
    assert.equal((await get(`${one.id}/input_items?order=up`)).status, 400);
    assert.equal((await get(`${one.id}/input_tokens`)).status, 404);
    assert.equal((await get(`${one.id}/input_items`, 'DELETE')).status, 404);
    assert.equal((await get('resp_of_yore')).status, 404);
    assert.equal((await fetch(`${gateway.baseURL}/responses/${one.id}`)).status, 401);
    assert.equal((await get(one.id, 'DELETE')).status, 200);
    assert.equal((await get(one.id)).status, 404);
});
