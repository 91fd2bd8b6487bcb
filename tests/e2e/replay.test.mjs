// SPDX-License-Identifier: Apache-2.0
// replay: on, with two workers: the vendors' SDKs read streams that carry ids, and clients whose connection broke
// come back with Last-Event-ID, on whichever worker, for the rest.
import Anthropic from '@anthropic-ai/sdk';
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';

import { twoProviders } from './lib/fixture.mjs';
import { request } from './lib/http.mjs';
import { MESSAGES, event, sleep, words } from './lib/upstream.mjs';

const LIMIT = { timeout: 30000 };
const WORDS = Array.from({ length: 40 }, (_, i) => `word${i} `);
const TEXT = WORDS.join('');
const CHAT = { model: 'only', messages: MESSAGES, stream: true };

// A client of server-sent events that keeps ids and can drop its connection at any event.
class Listener {
    constructor(gateway, { method = 'POST', path = '/v1/chat/completions', headers = {}, body, dropAt = Infinity } = {}) {
        this.events = [];
        this.rest = '';
        this.done = new Promise((resolve, reject) => {
            const sent = http.request(new URL(path, gateway.origin), { method, headers, agent: false }, (answer) => {
                this.status = answer.statusCode;
                this.headers = answer.headers;
                answer.setEncoding('utf8').on('data', (text) => {
                    this.#take(text);
                    if (this.events.length >= dropAt) sent.destroy();
                });
                answer.on('close', () => resolve(this));
            });
            sent.on('error', (error) => (this.headers ? resolve(this) : reject(error)));
            sent.end(body && JSON.stringify(body));
        });
    }

    #take(text) {
        const blocks = (this.rest + text).split('\n\n');
        this.rest = blocks.pop();
        for (const block of blocks) {
            const lines = block.split('\n');
            const data = lines.filter((line) => line.startsWith('data: ')).map((line) => line.slice(6)).join('\n');
            const id = lines.find((line) => line.startsWith('id: '))?.slice(4);
            if (data) this.events.push({ id, data });
        }
    }
}

const told = (events) => events.filter(({ data }) => data !== '[DONE]')
    .map(({ data }) => JSON.parse(data).choices?.[0]?.delta?.content ?? '').join('');

// Reads a stream over as many connections as it takes.
async function readOn(gateway, { drops, between = 0, ...first }) {
    const listener = await new Listener(gateway, { ...first, dropAt: drops() }).done;
    const events = [...listener.events];
    let connections = 1;
    while (events.at(-1).data !== '[DONE]') {
        assert.ok(connections++ < 200, 'no end');
        if (between) await sleep(between);
        const next = await new Listener(gateway, {
            method: connections % 2 ? 'POST' : 'GET', path: first.path,
            headers: { 'last-event-id': events.at(-1).id }, dropAt: drops(),
        }).done;
        assert.equal(next.status, 200);
        assert.equal(next.headers['x-fairlead-replayed'], listener.headers['x-request-id']);
        assert.notEqual(next.headers['x-request-id'], listener.headers['x-request-id']);
        events.push(...next.events);
    }
    const token = events[0].id.split('.')[0];
    assert.deepEqual(events.map(({ id }) => id), events.map((_, i) => `${token}.${i + 1}`));
    return { events, connections };
}

async function saysSlowly(seen, gap) {
    seen.openStream();
    for (const text of words(TEXT)) {
        seen.write(text);
        await sleep(gap);
    }
    seen.response.end();
}

describe('a client that comes back', () => {
    let f;
    before(async () => {
        f = await twoProviders({
            routing: { replay: 'on' }, limits: { replay_grace: '1s' }, telemetry: { access_log: true },
        });
    });
    after(() => f?.close());

    test('reads all, once, over many connections of both workers', LIMIT, async () => {
        f.a.answers((seen) => saysSlowly(seen, 20));
        const readers = Array.from({ length: 12 }, (_, i) =>
            readOn(f.gateway, { body: CHAT, drops: () => 1 + (i % 3), between: i % 2 ? 5 : 0 }));
        const asked = f.a.requests.length;
        for (const { events, connections } of await Promise.all(readers)) {
            assert.equal(told(events), TEXT);
            assert.ok(connections > 5, `${connections} connections`);
        }
        assert.equal(f.a.requests.length, asked + 12);
        await f.gateway.logged(/"client_left":true,"came_back":/);
        await f.gateway.logged(/"replayed":"/);
    });

    test('reads what was kept of an answer that has ended', LIMIT, async () => {
        f.a.answers((seen) => seen.stream(words(TEXT)));
        const { events } = await readOn(f.gateway, { body: CHAT, drops: () => 7, between: 30 });
        assert.equal(told(events), TEXT);
        const last = { 'last-event-id': events.at(-1).id };
        const again = await request(f.origin, { headers: last });
        assert.equal(again.status, 200);
        assert.equal(again.text, '');
        assert.equal((await request(f.origin, { method: 'GET', headers: last })).status, 204);
        const byUrl = await request(f.origin, {
            method: 'GET', path: `/v1/chat/completions?last_event_id=${events[0].id}` });
        assert.equal(byUrl.text.split('\n\n').length, events.length);
        await sleep(2200); // twice the grace period, and what the asking itself has added
        const late = await request(f.origin, { headers: last });
        assert.equal(late.status, 404);
        assert.equal(late.json.error.code, 'replay_unknown');
        assert.match(late.json.error.message, /Send the request again/);
    });

    test('may read the rest with the openai SDK', LIMIT, async () => {
        f.a.answers((seen) => saysSlowly(seen, 10));
        const first = await new Listener(f.gateway, { body: CHAT, dropAt: 5 }).done;
        const stream = await f.openai({ defaultHeaders: { 'last-event-id': first.events.at(-1).id } })
            .chat.completions.create(CHAT);
        let rest = '';
        for await (const part of stream) rest += part.choices[0]?.delta?.content ?? '';
        assert.equal(told(first.events) + rest, TEXT);
    });

    test('that stays away is given up after the grace period', LIMIT, async () => {
        let cut;
        f.a.answers(async (seen) => {
            cut = seen.cut;
            await saysSlowly(seen, 200);
        });
        const first = await new Listener(f.gateway, { body: CHAT, dropAt: 2 }).done;
        const left = performance.now();
        const after = await cut - left;
        assert.ok(after > 900 && after < 3000, `cut after ${after} ms`);
        const late = await request(f.origin, { headers: { 'last-event-id': first.events.at(-1).id } });
        assert.equal(late.status, 404);
    });

    test('of a stream without the wish cancels it at once', LIMIT, async () => {
        let cut;
        f.a.answers(async (seen) => {
            cut = seen.cut;
            await saysSlowly(seen, 200);
        });
        const first = await new Listener(f.gateway, {
            body: CHAT, dropAt: 2, headers: { 'x-fairlead-replay': 'off' } }).done;
        assert.equal(first.events[0].id, undefined);
        const left = performance.now();
        assert.ok(await cut - left < 500);
    });
});

const named = (value) => `event: ${value.type}\nid: of-the-provider\n${event(value)}`;
const message = { id: 'msg_1', type: 'message', role: 'assistant', model: 'm', content: [], stop_reason: null, stop_sequence: null, usage: { input_tokens: 7, output_tokens: 1 } };
const anthropicStream = [
    named({ type: 'message_start', message }),
    named({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
    ...WORDS.map((text) => named({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } })),
    named({ type: 'content_block_stop', index: 0 }),
    named({ type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 40 } }),
    named({ type: 'message_stop' }),
];

for (const dialect of ['openai', 'anthropic']) {
    describe(`SDKs read streams with ids, from a provider of ${dialect}`, () => {
        let f;
        before(async () => {
            f = await twoProviders({
                routing: { replay: 'on' }, providers: { a: dialect === 'anthropic' ? { type: 'anthropic' } : {} } });
            f.a.answers((seen) => seen.stream(dialect === 'anthropic' ? anthropicStream : words(TEXT)));
        });
        after(() => f?.close());

        test('openai, chat', LIMIT, async () => {
            const stream = f.openai().chat.completions.stream({ model: 'only', messages: MESSAGES, max_tokens: 100 });
            assert.equal((await stream.finalChatCompletion()).choices[0].message.content, TEXT);
        });

        test('openai, responses', LIMIT, async () => {
            const stream = f.openai().responses.stream({ model: 'only', input: 'Say hello.', max_output_tokens: 100 });
            assert.equal((await stream.finalResponse()).output_text, TEXT);
        });

        test('anthropic, messages', LIMIT, async () => {
            const client = new Anthropic({ apiKey: 'k', baseURL: f.origin, maxRetries: 0 });
            const answer = await client.messages.stream({ model: 'only', messages: MESSAGES, max_tokens: 100 }).finalMessage();
            assert.equal(answer.content[0].text, TEXT);
        });

        test('and each event has one, of ours', LIMIT, async () => {
            const answer = await request(f.origin, {
                path: '/v1/messages', headers: { 'anthropic-version': '2023-06-01' }, body: { ...CHAT, max_tokens: 100 } });
            const blocks = answer.text.split('\n\n').filter((block) => block.includes('data: '));
            assert.ok(blocks.length >= 40);
            for (const [i, block] of blocks.entries()) {
                assert.match(block, new RegExp(`^id: [0-9a-f]{32}\\.${i + 1}\n`));
                assert.ok(!block.includes('of-the-provider'));
            }
        });
    });
}
