// SPDX-License-Identifier: Apache-2.0
// Why a target was chosen: what requests may ask for, what is refused and how, and where the record is.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { twoProviders } from './lib/fixture.mjs';
import { assertEnvelope, chat, request } from './lib/http.mjs';
import { MESSAGES } from './lib/upstream.mjs';

const LIMIT = { timeout: 20000 };
const priced = (input, output, tier) => ({
    prices: { input, output },
    model_info: { [`model-${tier === 'high' ? 'a' : 'b'}`]: { tier, context: 4000, capabilities: ['chat', 'stream', 'tools'] } },
});

describe('decisions', () => {
    let f;
    before(async () => {
        f = await twoProviders({ routing: { strategy: 'cost' }, providers: { a: priced(10, 30, 'high'), b: priced(1, 3, 'low') } });
    });
    after(() => f?.close());
    const ask = (headers = {}, body = {}) => chat(f.origin, { model: 'auto', messages: MESSAGES, ...body }, { headers });
    const get = (path, headers = {}) => request(f.origin, { method: 'GET', path, headers });

    test('the cheapest answers, with its cost', LIMIT, async () => {
        const answer = await ask();
        assert.equal(answer.status, 200);
        assert.equal(answer.headers['x-fairlead-provider'], 'b');
        const usage = answer.json.usage;
        const usd = (usage.prompt_tokens * 1 + usage.completion_tokens * 3) / 1e6;
        assert.ok(Math.abs(Number(answer.headers['x-fairlead-cost-usd']) - usd) < 1e-12, answer.headers['x-fairlead-cost-usd']);
    });

    test('a tier, a limit and a strategy are kept', LIMIT, async () => {
        assert.equal((await ask({ 'x-fairlead-tier': 'medium' })).headers['x-fairlead-provider'], 'a');
        assert.equal((await ask({ 'x-fairlead-max-cost-usd': '0.01' })).headers['x-fairlead-provider'], 'b');
        const reason = (await ask({ 'x-fairlead-strategy': 'spd' })).headers['x-fairlead-reason'];
        assert.match(reason, /^strategy=load_balance; policy=spd; why=fastest; considered=2/);
        assert.match((await ask({ 'x-fairlead-tier': 'high' })).headers['x-fairlead-reason'], /skipped=b\/model-b:below-tier/);
    });

    test('what nobody can do is refused with what binds', LIMIT, async () => {
        const before = f.a.requests.length;
        assertEnvelope(await ask({ 'x-fairlead-tier': 'high', 'x-fairlead-max-cost-usd': '0.000001' }), 402,
            { code: 'policy_max_cost', message: /a\/model-a, may cost .* the limit is 0\.000001 USD/ });
        assertEnvelope(await ask({}, { messages: [{ role: 'user', content: 'word '.repeat(9000) }] }), 400,
            { code: 'context_length_exceeded', message: /the longest context .* is 4000/ });
        assertEnvelope(await ask({}, { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:,' } }] }] }), 400,
            { code: 'caller_capability', message: /lacks vision/ });
        assert.equal(f.a.requests.length, before);
    });

    test('values that mean nothing are refused', LIMIT, async () => {
        for (const [header, value] of [['strategy', 'fastest'], ['tier', 'best'], ['max-cost-usd', 'cheap'], ['max-cost-usd', '-1'], ['explain', 'please']]) {
            assertEnvelope(await ask({ [`x-fairlead-${header}`]: value }), 400, { param: `x-fairlead-${header}`, message: /It is one of: / });
        }
    });

    test('explain: the record in a header, the body untouched', LIMIT, async () => {
        const plain = await ask();
        const answer = await ask({ 'x-fairlead-explain': 'true' });
        assert.equal(answer.text, plain.text);
        const record = JSON.parse(answer.headers['x-fairlead-explain']);
        assert.equal(record.object, 'fairlead.decision');
        assert.equal(record.id, answer.headers['x-fairlead-decision']);
        assert.equal(record.winner, 'b/model-b');
        assert.equal(record.runner_up, 'a/model-a');
        assert.equal(record.candidates.length, 2);
        assert.ok(record.candidates[0].terms.cost_usd > 0);
        assert.equal(plain.headers['x-fairlead-explain'], undefined);
    });

    test('explain: only asks nobody', LIMIT, async () => {
        const asked = f.b.requests.length;
        const answer = await ask({ 'x-fairlead-explain': 'only' });
        const refused = await ask({ 'x-fairlead-explain': 'only', 'x-fairlead-max-cost-usd': '0' });
        assert.equal(f.b.requests.length, asked);
        assert.equal(answer.status, 200);
        assert.equal(answer.json.winner, 'b/model-b');
        assert.equal(refused.json.refused, 'policy_max_cost');
    });

    test('the last decisions are kept, with what came of them', LIMIT, async () => {
        const answer = await ask({ 'x-request-id': 'look-me-up' });
        const id = answer.headers['x-fairlead-decision'];
        const one = (await get(`/admin/v1/decisions/${id}`)).json;
        assert.equal(one.request_id, 'look-me-up');
        assert.equal(one.actual.target, 'b/model-b');
        assert.equal(one.actual.status, 200);
        assert.equal(one.actual.outcome, 'ok');
        assert.ok(one.actual.total_ms >= one.actual.ttft_ms);
        assert.equal(one.actual.cost_usd, Number(answer.headers['x-fairlead-cost-usd']));
        const list = (await get('/admin/v1/decisions')).json;
        assert.equal(list.data[0].id, id);
        assert.doesNotMatch(JSON.stringify(list), /key-of|Say hello/);
        assertEnvelope(await get('/admin/v1/decisions/0123456789abcdef'), 404, {});
        assertEnvelope(await get('/admin/v1/decisions/nonsense'), 404, {});
        assertEnvelope(await get('/admin/v1/decisions', { 'x-forwarded-for': '192.0.2.1' }), 401, {});
    });

    test('a session stays', LIMIT, async () => {
        const providers = new Set();
        for (let i = 0; i < 6; i += 1) {
            providers.add((await ask({ 'x-fairlead-session': 'abc', 'x-fairlead-strategy': 'hybrid' })).headers['x-fairlead-provider']);
        }
        assert.equal(providers.size, 1);
    });
});

test('a model named at a provider that lists none has its price', LIMIT, async () => {
    const f = await twoProviders({ providers: { a: { type: 'openai', models: undefined } } });
    try {
        const ask = (model) => chat(f.origin, { model, messages: MESSAGES });
        const known = await ask('a/gpt-4o-mini');
        assert.equal(known.status, 200);
        const { prompt_tokens: tokensIn, completion_tokens: tokensOut } = known.json.usage;
        const usd = (tokensIn * 0.15 + tokensOut * 0.6) / 1e6;
        assert.ok(Math.abs(Number(known.headers['x-fairlead-cost-usd']) - usd) < 1e-12, known.headers['x-fairlead-cost-usd']);
        const unknown = await ask('a/no-such-model');
        assert.equal(unknown.status, 200);
        assert.equal(unknown.headers['x-fairlead-cost-usd'], undefined);
    } finally {
        await f.close();
    }
});

test('decisions can be kept private', LIMIT, async () => {
    const f = await twoProviders({ telemetry: { expose_decisions: false } });
    try {
        const answer = await chat(f.origin, { model: 'auto', messages: MESSAGES }, { headers: { 'x-fairlead-explain': 'true' } });
        assert.equal(answer.status, 200);
        assert.deepEqual(Object.keys(answer.headers).filter((name) => name.startsWith('x-fairlead-')), []);
        assertEnvelope(await chat(f.origin, { model: 'auto', messages: MESSAGES }, { headers: { 'x-fairlead-explain': 'only' } }), 403, {});
    } finally {
        await f.close();
    }
});
