// SPDX-License-Identifier: Apache-2.0
// What happens when a provider fails: before its first byte another one answers; after it the client is
// told, and never sees a clean end.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import OpenAI from 'openai';

import { freePort } from './lib/fairlead.mjs';
import { twoProviders } from './lib/fixture.mjs';
import { assertEnvelope, chat } from './lib/http.mjs';
import { MESSAGES, chunk, completion, event, sleep, words } from './lib/upstream.mjs';

const LIMIT = { timeout: 20000 };
const HANG = () => {};

// A target that failed or was rate-limited is remembered, so every case gets targets that nobody asked yet:
// pairN is a/mN and then b/nN, onlyN is a/mN alone.
const FRESH = 80;
const names = Array.from({ length: FRESH }, (_, i) => i);

describe('failover', () => {
    let f;
    let used = 0;
    before(async () => {
        f = await twoProviders({
            routing: { timeouts: { connect: '2s', first_token: '600ms', idle: '600ms', total: '5s' } },
            providers: { a: { models: names.map((i) => `m${i}`) }, b: { models: names.map((i) => `n${i}`) } },
            models: {
                only: undefined, pair: undefined,
                ...Object.fromEntries(names.map((i) => [`pair${i}`, { targets: [`a/m${i}`], fallback: [`b/n${i}`] }])),
                ...Object.fromEntries(names.map((i) => [`only${i}`, { targets: [`a/m${i}`] }])),
            },
        });
    });
    after(() => f?.close());

    const fresh = (route) => {
        used += 1;
        assert.ok(used <= FRESH, 'raise FRESH');
        return `${route}${used - 1}`;
    };
    const plain = (model = fresh('pair'), options = {}) => chat(f.origin, { model, messages: MESSAGES }, options);
    const streamed = (model = fresh('pair'), options = {}) => chat(f.origin, { model, messages: MESSAGES, stream: true }, options);

    const failures = {
        'an error 500': [(seen) => seen.error(500, 'broken'), 'provider_server_error'],
        'an overload 503': [(seen) => seen.error(503, 'busy'), 'provider_overloaded'],
        'a rate limit 429': [(seen) => seen.error(429, 'slow down', { code: 'rate_limit_exceeded' }), 'provider_rate_limited'],
        'a time-out 408': [(seen) => seen.error(408, 'too late'), 'provider_timeout'],
        'an HTML error page 502': [(seen) => seen.send(502, '<html>Bad gateway</html>', { 'content-type': 'text/html' }), 'provider_\\w+'],
        'silence': [HANG, 'provider_first_token_timeout'],
        'a connection that closes': [(seen) => seen.cutNow(), 'provider_(closed|reset)'],
        'a connection that is reset': [(seen) => seen.cutNow({ reset: true }), 'provider_(closed|reset)'],
        'garbage instead of HTTP': [(seen) => { seen.raw('SSH-2.0-OpenSSH_9.2\r\n\r\n'); seen.response.socket.end(); }, 'provider_bad_response'],
        'a redirect': [(seen) => seen.send(307, '', { location: f.b.url + '/chat/completions' }), 'provider_redirect'],
        'a 200 with an error in it': [(seen) => seen.error(200, 'not really'), 'provider_error_in_200'],
    };
    for (const [name, [handler, reason]] of Object.entries(failures)) {
        test(`${name} before the answer: another provider answers`, LIMIT, async () => {
            for (const ask of [plain, streamed]) {
                f.a.answers(handler);
                f.b.answers((seen) => (seen.json.stream ? seen.stream(words('from b')) : seen.send(200, completion('from b'))));
                const answer = await ask();
                assert.equal(answer.status, 200, answer.text);
                assert.match(answer.text, ask === plain ? /from b/ : /from [^]*b[^]*\[DONE\]/);
                assert.equal(answer.broken, false);
                assert.equal(answer.headers['x-fairlead-provider'], 'b');
                assert.match(answer.headers['x-fairlead-model'], /^n\d+$/);
                assert.equal(answer.headers['x-fairlead-attempts'], '2');
                assert.match(answer.headers['x-fairlead-failover'], new RegExp(`^a>b;${reason}$`));
                // A kept connection that closes without a byte of an answer was stale: one new one is tried.
                assert.ok(f.a.requests.length === 1 || f.a.requests.length === 2 && /connection that/.test(name));
                assert.equal(f.b.requests.length, 1);
                assert.equal(f.b.last.json.model, answer.headers['x-fairlead-model']);
            }
        });
    }

    test('an answer that is not JSON, or half of one: another provider answers', LIMIT, async () => {
        const whole = JSON.stringify(completion('half'));
        for (const handler of [
            (seen) => seen.send(200, '<html>hello</html>', { 'content-type': 'text/html' }),
            (seen) => {
                seen.response.writeHead(200, { 'content-type': 'application/json', 'content-length': whole.length });
                seen.write(whole.slice(0, 40));
                setTimeout(() => seen.cutNow(), 20);
            },
        ]) {
            f.a.answers(handler);
            f.b.answers((seen) => seen.send(200, completion('from b')));
            const answer = await plain();
            assert.equal(answer.status, 200, answer.text);
            assert.equal(answer.json.choices[0].message.content, 'from b');
        }
    });

    test('what no other provider would do better is not tried again', LIMIT, async () => {
        for (const status of [400, 413, 422]) {
            f.a.answers((seen) => seen.error(status, 'your mistake', { type: 'invalid_request_error' }));
            f.b.answers((seen) => seen.send(200, completion('never')));
            const answer = await plain();
            assert.equal(answer.status, status);
            assert.equal(f.b.requests.length, 0);
        }
    });

    test('all providers fail: the last one\'s answer, and the SDK does not start over', LIMIT, async () => {
        f.a.answers((seen) => seen.error(500, 'a is down'));
        f.b.answers((seen) => seen.error(503, 'b is busy', { type: 'overloaded', code: 'engine_overloaded' }));
        const answer = await plain();
        assert.equal(answer.status, 503);
        assert.equal(answer.json.error.message, 'b is busy');
        assert.equal(answer.json.error.code, 'engine_overloaded');
        assert.equal(answer.headers['x-should-retry'], 'false');
        assert.equal(answer.headers['x-fairlead-attempts'], '3'); // the last one once more, after a pause
        for (const maxRetries of [0, 2]) {
            f.a.requests.length = f.b.requests.length = 0;
            await assert.rejects(f.openai({ maxRetries }).chat.completions.create({ model: fresh('pair'), messages: MESSAGES }),
                (error) => error.status === 503 && /b is busy/.test(error.message));
            assert.deepEqual([f.a.requests.length, f.b.requests.length], [1, 2], `maxRetries ${maxRetries}`);
        }
    });

    test('a failover is invisible to an SDK with and without retries', LIMIT, async () => {
        for (const maxRetries of [0, 2]) {
            for (const status of [429, 500]) {
                f.a.answers((seen) => seen.error(status, 'no', {}, { 'retry-after': '30' }));
                f.b.answers((seen) => seen.send(200, completion('from b')));
                const answer = await f.openai({ maxRetries }).chat.completions.create({ model: fresh('pair'), messages: MESSAGES });
                assert.equal(answer.choices[0].message.content, 'from b');
                assert.deepEqual([f.a.requests.length, f.b.requests.length], [1, 1]);
            }
        }
    });

    test('silence of the only provider ends in 504 within its time-out', LIMIT, async () => {
        f.a.answers(HANG);
        const begun = performance.now();
        const answer = await plain(fresh('only'));
        const took = performance.now() - begun;
        assertEnvelope(answer, 504);
        assert.ok(took > 550 && took < 2500, `${took} ms`);
    });

    test('the client\'s own deadline is kept', LIMIT, async () => {
        for (const headers of [{ 'x-fairlead-timeout-ms': '150' }, { 'x-stainless-timeout': '0.15' }]) {
            f.a.answers(HANG);
            const begun = performance.now();
            const answer = await plain(fresh('only'), { headers });
            const took = performance.now() - begun;
            assertEnvelope(answer, 504);
            assert.ok(took > 100 && took < 590, `${took} ms`);
            assert.ok(await Promise.race([f.a.last.cut, sleep(500).then(() => false)]), 'the provider was told');
        }
    });

    const breaks = {
        'its connection closes': (seen) => seen.cutNow(),
        'its connection is reset': (seen) => seen.cutNow({ reset: true }),
        'it stalls': HANG,
        'it ends without a last event': (seen) => seen.response.end(),
        'it sends an error event': (seen) => { seen.write(event({ error: { message: 'out of luck', type: 'server_error', param: null, code: null } })); seen.response.end(); },
        'it breaks its own framing': (seen) => seen.raw('zzz\r\n'),
    };
    for (const [name, breaking] of Object.entries(breaks)) {
        test(`a stream breaks because ${name}: never a clean end`, LIMIT, async () => {
            f.a.answers(async (seen) => {
                seen.openStream();
                for (const word of ['one ', 'two ']) seen.write(event(chunk({ content: word })));
                await sleep(50);
                breaking(seen);
            });
            f.b.answers((seen) => seen.stream(words('never')));
            const got = [];
            await assert.rejects((async () => {
                const stream = await f.openai({ maxRetries: 2 }).chat.completions.create({ model: fresh('pair'), messages: MESSAGES, stream: true });
                for await (const part of stream) got.push(part.choices[0].delta.content);
            })());
            assert.deepEqual(got, ['one ', 'two ']);
            assert.equal(f.b.requests.length, 0, 'bytes were sent on: no other provider may be tried');
            f.a.requests.length = 0;
            const answer = await streamed();
            assert.doesNotMatch(answer.text, /\[DONE\]|finish_reason":"stop/);
            assert.match(answer.text, /"error" *: *\{/);
        });
    }

    test('a stream without [DONE] after its finish reason is whole', LIMIT, async () => {
        f.a.answers((seen) => seen.stream(words('all of it').slice(0, -1)));
        let text = '';
        for await (const part of await f.openai().chat.completions.create({ model: fresh('only'), messages: MESSAGES, stream: true })) {
            text += part.choices[0]?.delta?.content ?? '';
        }
        assert.equal(text, 'all of it');
    });

    test('a stream that pauses shorter than its idle time-out goes on', LIMIT, async () => {
        f.a.answers((seen) => seen.stream(words('a b c'), { gap: 250 }));
        const answer = await streamed(fresh('only'));
        assert.match(answer.text, /\[DONE\]/);
        assert.equal(answer.broken, false);
    });

    test('a rate-limited provider is left alone for as long as it asked', LIMIT, async () => {
        const model = fresh('pair');
        f.a.answers((seen) => seen.error(429, 'slow down', { code: 'rate_limit_exceeded' }, { 'retry-after': '1' }));
        f.b.answers((seen) => seen.send(200, completion('from b')));
        assert.equal((await plain(model)).headers['x-fairlead-attempts'], '2');
        f.a.answers((seen) => seen.send(200, completion('from a')));
        for (let i = 0; i < 3; i++) assert.equal((await plain(model)).headers['x-fairlead-provider'], 'b');
        assert.equal(f.a.requests.length, 0);
        await sleep(1100);
        assert.equal((await plain(model)).headers['x-fairlead-provider'], 'a');
    });

    test('the same limit on the only provider does not lock its clients out', LIMIT, async () => {
        const model = fresh('only');
        f.a.answers((seen) => seen.error(429, 'slow down', { code: 'rate_limit_exceeded' }, { 'retry-after': '1' }));
        const refused = await plain(model);
        assert.equal(refused.status, 429);
        assert.equal(refused.headers['retry-after'], '1');
        f.a.answers((seen) => seen.send(200, completion('again')));
        assert.equal((await plain(model)).status, 200);
    });

    test('nothing is left open after all of this', LIMIT, async () => {
        f.a.answers((seen) => seen.send(200, completion('x')));
        const model = fresh('pair');
        await plain(model);
        const before = f.gateway.openFiles();
        for (let i = 0; i < 40; i++) {
            f.a.answers(i % 2 ? (seen) => seen.cutNow() : (seen) => seen.error(500, 'no'));
            f.b.answers((seen) => seen.error(500, 'no'));
            assert.ok((await plain(model)).status >= 500); // a's or b's, whoever was asked last
        }
        await sleep(200);
        const now = f.gateway.openFiles();
        assert.ok(now <= before + 6, `descriptors: ${before} before, ${now} after`);
    });
});

describe('a provider that does not listen', () => {
    let f;
    before(async () => {
        const port = await freePort();
        f = await twoProviders({ providers: { a: { base_url: `http://127.0.0.1:${port}/v1` } } });
    });
    after(() => f?.close());

    test('refused connections fail over', LIMIT, async () => {
        const answer = await chat(f.origin, { model: 'pair', messages: MESSAGES });
        assert.equal(answer.status, 200, answer.text);
        assert.match(answer.headers['x-fairlead-failover'], /^a>b;provider_connection_failed$/);
    });

    test('alone it is a 502 that says so', LIMIT, async () => {
        const answer = await chat(f.origin, { model: 'only', messages: MESSAGES });
        assertEnvelope(answer, 502, { message: /connect/ });
        await assert.rejects(f.openai().chat.completions.create({ model: 'only', messages: MESSAGES }), OpenAI.InternalServerError);
    });
});

describe('a provider that keeps failing', () => {
    let f;
    before(async () => {
        f = await twoProviders({ routing: { failover_threshold: 2, recovery_threshold: 1, health_check_interval: '1s' } });
    });
    after(() => f?.close());

    test('is not asked any more', LIMIT, async () => {
        f.a.answers((seen) => seen.error(500, 'down'));
        f.b.answers((seen) => seen.send(200, completion('from b')));
        for (let i = 0; i < 2; i++) await chat(f.origin, { model: 'pair', messages: MESSAGES });
        f.a.requests.length = 0;
        const answer = await chat(f.origin, { model: 'pair', messages: MESSAGES });
        assert.equal(answer.status, 200);
        assert.equal(answer.headers['x-fairlead-attempts'], '1');
        assert.equal(answer.headers['x-fairlead-provider'], 'b');
        assert.match(answer.headers['x-fairlead-reason'], /skipped=a\/model-a/);
        assert.equal(f.a.requests.filter((seen) => seen.method === 'POST').length, 0);
    });
});

describe('time-outs of different length', () => {
    let f;
    before(async () => {
        f = await twoProviders({
            routing: { attempts: 1, timeouts: { connect: '5s', first_token: '300ms', idle: '5s', total: '10s' } },
            providers: { b: { timeouts: { first_token: '5s', idle: '300ms' } } },
            models: { b: { targets: ['b/model-b'] } },
        });
    });
    after(() => f?.close());

    async function took(ask) {
        const begun = performance.now();
        const answer = await ask;
        return [answer, performance.now() - begun];
    }

    test('one for the first byte that is shorter than the one for connecting', LIMIT, async () => {
        for (const connection of ['new', 'kept']) {
            f.a.answers(HANG);
            const [answer, ms] = await took(chat(f.origin, { model: 'only', messages: MESSAGES }));
            assert.equal(answer.status, 504, answer.text);
            assert.ok(ms >= 295 && ms < 2000, `${connection}: ${ms} ms`);
            f.a.answers((seen) => seen.send(200, completion('ok')));
            assert.equal((await chat(f.origin, { model: 'only', messages: MESSAGES })).status, 200);
        }
    });

    test('one between two reads that is shorter than the one for the first byte', LIMIT, async () => {
        f.b.answers((seen) => {
            seen.response.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 });
            seen.write('{"id":');
        });
        const [answer, ms] = await took(chat(f.origin, { model: 'b', messages: MESSAGES }));
        assert.equal(answer.status, 504, answer.text);
        assert.ok(ms >= 295 && ms < 2000, `${ms} ms`);

        f.b.answers((seen) => {
            seen.openStream();
            seen.write(event(chunk({ content: 'x' })));
        });
        const [stream, streamMs] = await took(chat(f.origin, { model: 'b', messages: MESSAGES, stream: true }));
        assert.equal(stream.broken, true);
        assert.match(stream.text, /"error"/);
        assert.ok(streamMs >= 295 && streamMs < 2000, `${streamMs} ms`);
    });
});
