// SPDX-License-Identifier: Apache-2.0
// The openai SDK with nothing changed but its base URL.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import OpenAI from 'openai';

import { twoProviders } from './lib/fixture.mjs';
import { MESSAGES, chunk, completion, event, sleep, usageChunk, words } from './lib/upstream.mjs';

const LIMIT = { timeout: 20000 };

describe('openai SDK', () => {
    let f, openai;
    before(async () => {
        f = await twoProviders();
        openai = f.openai();
    });
    after(() => f?.close());

    test('chat completion', LIMIT, async () => {
        f.a.answers((seen) => seen.send(200, completion('hello there')));
        const { data, response } = await openai.chat.completions.create({ model: 'only', messages: MESSAGES }).withResponse();
        assert.equal(data.choices[0].message.content, 'hello there');
        assert.deepEqual(data.usage, completion('').usage);
        assert.equal(f.a.last.url, '/v1/chat/completions');
        assert.equal(f.a.last.json.model, 'model-a');
        assert.equal(response.headers.get('x-fairlead-provider'), 'a');
        assert.equal(response.headers.get('x-fairlead-model'), 'model-a');
        assert.equal(response.headers.get('x-fairlead-route'), 'only');
        assert.equal(response.headers.get('x-fairlead-attempts'), '1');
        assert.match(response.headers.get('x-fairlead-reason'), /strategy=\w+/);
        assert.match(response.headers.get('x-fairlead-decision'), /^[0-9A-Za-z_-]+$/);
        assert.match(response.headers.get('x-fairlead-overhead-ms'), /^\d+(\.\d+)?$/);
        assert.equal(response.headers.get('x-fairlead-failover'), null);
        assert.ok(response.headers.get('x-request-id'));
    });

    test('the request id: the client\'s is kept, the provider\'s is told', LIMIT, async () => {
        f.a.answers((seen) => seen.send(200, completion('hi'), { 'x-request-id': 'req_of_provider' }));
        const { response } = await openai.chat.completions
            .create({ model: 'only', messages: MESSAGES }, { headers: { 'x-request-id': 'mine-1.2_3' } }).withResponse();
        assert.equal(response.headers.get('x-request-id'), 'mine-1.2_3');
        assert.equal(response.headers.get('x-fairlead-upstream-request-id'), 'req_of_provider');
    });

    test('the provider\'s id of the request, whatever its field is called', LIMIT, async () => {
        for (const name of ['request-id', 'x-amzn-RequestId', 'X-Generation-Id']) {
            f.a.answers((seen) => seen.send(200, completion('hi'), { [name]: `by ${name}` }));
            const { response } = await openai.chat.completions.create({ model: 'only', messages: MESSAGES }).withResponse();
            assert.equal(response.headers.get('x-fairlead-upstream-request-id'), `by ${name}`);
        }
    });

    test('a stream arrives event by event', LIMIT, async () => {
        // The provider sends a word only when the client has the one before: a lump would never end.
        const gate = [];
        const opened = Array.from({ length: 8 }, (_, i) => new Promise((done) => { gate[i] = done; }));
        f.a.answers(async (seen) => {
            seen.openStream();
            seen.write(event(chunk({ role: 'assistant', content: '' })));
            for (let i = 0; i < 8; i++) {
                seen.write(event(chunk({ content: `w${i} ` })));
                await opened[i];
            }
            seen.write(event(chunk({}, 'stop')) + event('[DONE]'));
            seen.response.end();
        });
        const stream = await openai.chat.completions.create({ model: 'only', messages: MESSAGES, stream: true });
        const got = [];
        for await (const part of stream) {
            const text = part.choices[0]?.delta?.content;
            if (!text) continue;
            got.push(text);
            gate[got.length - 1]();
        }
        assert.deepEqual(got, Array.from({ length: 8 }, (_, i) => `w${i} `));
    });

    test('the spacing of a stream\'s events is kept', LIMIT, async () => {
        f.a.answers((seen) => seen.stream(words('one two three four five'), { gap: 60 }));
        const stream = await openai.chat.completions.create({ model: 'only', messages: MESSAGES, stream: true });
        const times = [];
        for await (const part of stream) if (part.choices.length) times.push(performance.now());
        assert.equal(times.length, 7);
        assert.ok(times.at(-1) - times[0] > 250, `events spread over ${times.at(-1) - times[0]} ms`);
    });

    test('usage in a stream: always asked of the provider, told only to who asked', LIMIT, async () => {
        f.a.answers((seen) => seen.stream(words('a b', { usage: true })));
        for (const asked of [false, true]) {
            const stream = await openai.chat.completions.create({
                model: 'only', messages: MESSAGES, stream: true,
                ...(asked ? { stream_options: { include_usage: true } } : {}),
            });
            const parts = [];
            for await (const part of stream) parts.push(part);
            assert.equal(f.a.last.json.stream_options.include_usage, true);
            assert.deepEqual(parts.map((part) => part.usage).filter(Boolean), asked ? [usageChunk().usage] : []);
            assert.equal(parts.filter((part) => part.choices.length === 0).length, asked ? 1 : 0);
            assert.equal(parts.map((part) => part.choices[0]?.delta?.content ?? '').join(''), 'a b');
        }
    });

    test('a client that turned usage off still gets none', LIMIT, async () => {
        f.a.answers((seen) => seen.stream(words('a', { usage: true })));
        const stream = await openai.chat.completions.create({
            model: 'only', messages: MESSAGES, stream: true, stream_options: { include_usage: false },
        });
        for await (const part of stream) assert.ok(!part.usage);
        assert.equal(f.a.last.json.stream_options.include_usage, true);
    });

    test('tool calls in a stream', LIMIT, async () => {
        const call = (fields) => chunk({ tool_calls: [{ index: 0, ...fields }] });
        const events = [
            chunk({ role: 'assistant', content: null }),
            call({ id: 'call_1', type: 'function', function: { name: 'weather', arguments: '' } }),
            call({ function: { arguments: '{"city":' } }),
            call({ function: { arguments: '"Z\u00fcrich"}' } }),
            chunk({}, 'tool_calls'),
        ];
        f.a.answers((seen) => seen.stream([...events, '[DONE]'].map(event)));
        const runner = openai.chat.completions.stream({
            model: 'only', messages: MESSAGES,
            tools: [{ type: 'function', function: { name: 'weather', parameters: { type: 'object', properties: {} } } }],
        });
        const final = await runner.finalChatCompletion();
        assert.equal(final.choices[0].message.tool_calls[0].function.arguments, '{"city":"Zürich"}');
        assert.equal(final.choices[0].finish_reason, 'tool_calls');
    });

    for (const streamed of [true, false]) {
        test(`abort of a ${streamed ? 'stream' : 'plain answer'} reaches the provider at once`, LIMIT, async () => {
            let arrived;
            const waiting = new Promise((done) => { arrived = done; });
            f.a.answers((seen) => {
                if (streamed) {
                    seen.openStream();
                    seen.write(event(chunk({ content: 'first' })));
                }
                arrived(seen);
            });
            const abort = new AbortController();
            const call = openai.chat.completions.create(
                { model: 'only', messages: MESSAGES, stream: streamed }, { signal: abort.signal });
            call.catch(() => {});
            const seen = await waiting;
            if (streamed) {
                const parts = (await call)[Symbol.asyncIterator]();
                await parts.next();
            } else {
                await sleep(50);
            }
            const begun = performance.now();
            abort.abort();
            const took = await Promise.race([seen.cut, sleep(5000).then(() => Infinity)]) - begun;
            assert.ok(took < 500, `the provider saw it after ${took} ms`);
            if (!streamed) await assert.rejects(call, OpenAI.APIUserAbortError);
            assert.equal(f.a.requests.length, 1);
        });
    }

    test('embeddings, as base64 (the SDK\'s way) and as numbers', LIMIT, async () => {
        const vector = [0.5, -1.25, 3];
        f.a.answers((seen) => {
            const coded = Buffer.from(new Float32Array(vector).buffer).toString('base64');
            seen.send(200, {
                object: 'list', model: 'model-a', usage: { prompt_tokens: 2, total_tokens: 2 },
                data: [{ object: 'embedding', index: 0, embedding: seen.json.encoding_format === 'base64' ? coded : vector }],
            });
        });
        const coded = await openai.embeddings.create({ model: 'only', input: 'text' });
        assert.deepEqual(coded.data[0].embedding, vector);
        assert.equal(f.a.last.json.encoding_format, 'base64');
        assert.equal(f.a.last.url, '/v1/embeddings');
        const plain = await openai.embeddings.create({ model: 'only', input: ['text'], encoding_format: 'float' });
        assert.deepEqual(plain.data[0].embedding, vector);
    });

    test('legacy completions, whole and streamed', LIMIT, async () => {
        const answer = (text, finish = null) => ({
            id: 'cmpl-1', object: 'text_completion', created: 1, model: 'model-a',
            choices: [{ text, index: 0, logprobs: null, finish_reason: finish }],
        });
        f.a.answers((seen) => {
            if (!seen.json.stream) return seen.send(200, answer('whole', 'stop'));
            return seen.stream([answer('in '), answer('parts', 'stop'), '[DONE]'].map(event));
        });
        const whole = await openai.completions.create({ model: 'only', prompt: 'x' });
        assert.equal(whole.choices[0].text, 'whole');
        assert.equal(f.a.last.url, '/v1/completions');
        let text = '';
        for await (const part of await openai.completions.create({ model: 'only', prompt: 'x', stream: true })) {
            text += part.choices[0]?.text ?? '';
        }
        assert.equal(text, 'in parts');
    });

    test('models', LIMIT, async () => {
        const ids = [];
        for await (const model of openai.models.list()) {
            assert.equal(model.object, 'model');
            ids.push(model.id);
        }
        for (const id of ['auto', 'only', 'pair']) assert.ok(ids.includes(id), `${id} in ${ids}`);
        assert.equal((await openai.models.retrieve('pair')).id, 'pair');
        assert.equal((await openai.models.retrieve('a/model-a')).id, 'a/model-a');
        await assert.rejects(openai.models.retrieve('nothing'), (error) => {
            assert.ok(error instanceof OpenAI.NotFoundError);
            assert.equal(error.code, 'model_not_found');
            return true;
        });
    });

    test('a name reaches its target: bare model, provider/model, auto', LIMIT, async () => {
        f.a.answers((seen) => seen.send(200, completion('a', seen.json.model)));
        f.b.answers((seen) => seen.send(200, completion('b', seen.json.model)));
        const ask = async (model) => (await openai.chat.completions.create({ model, messages: MESSAGES })).choices[0].message.content;
        assert.equal(await ask('model-a'), 'a');
        assert.equal(await ask('model-b'), 'b');
        assert.equal(await ask('b/model-b'), 'b');
        assert.equal(f.b.last.json.model, 'model-b');
        assert.match(await ask('auto'), /^[ab]$/);
    });

    test('the provider\'s own errors pass through', LIMIT, async () => {
        const cases = [
            [400, OpenAI.BadRequestError, { type: 'invalid_request_error', param: 'temperature', code: 'invalid_value' }],
            [401, OpenAI.AuthenticationError, { type: 'invalid_request_error', code: 'invalid_api_key' }],
            [422, OpenAI.UnprocessableEntityError, { type: 'invalid_request_error' }],
            [429, OpenAI.RateLimitError, { type: 'tokens', code: 'rate_limit_exceeded' }],
            [500, OpenAI.InternalServerError, { type: 'server_error' }],
        ];
        for (const [status, type, fields] of cases) {
            f.a.answers((seen) => seen.error(status, `refused with ${status}`, fields));
            await assert.rejects(openai.chat.completions.create({ model: 'only', messages: MESSAGES }), (error) => {
                assert.ok(error instanceof type, `${status}: ${error}`);
                assert.equal(error.status, status);
                assert.match(error.message, new RegExp(`refused with ${status}`));
                assert.equal(error.type, fields.type);
                assert.equal(error.code, fields.code ?? null);
                assert.equal(error.param, fields.param ?? null);
                assert.ok(error.requestID);
                return true;
            });
        }
    });

    test('an unknown model is a 404 with the nearest name', LIMIT, async () => {
        f.a.answers((seen) => seen.send(200, completion('never')));
        await assert.rejects(openai.chat.completions.create({ model: 'pairr', messages: MESSAGES }), (error) => {
            assert.ok(error instanceof OpenAI.NotFoundError);
            assert.equal(error.code, 'model_not_found');
            assert.equal(error.param, 'model');
            assert.match(error.message, /[Dd]id you mean '?pair'?/);
            return true;
        });
        assert.equal(f.a.requests.length, 0);
    });

    test('answers in parallel do not mix', LIMIT, async () => {
        f.a.answers(async (seen) => {
            const word = seen.json.messages[0].content;
            await sleep(Math.random() * 30);
            if (seen.json.stream) return seen.stream(words(`${word} ${word}`), { gap: 2 });
            return seen.send(200, completion(word));
        });
        await Promise.all(Array.from({ length: 60 }, async (_, i) => {
            const messages = [{ role: 'user', content: `n${i}` }];
            if (i % 2) {
                const answer = await openai.chat.completions.create({ model: 'only', messages });
                assert.equal(answer.choices[0].message.content, `n${i}`);
                return;
            }
            let text = '';
            for await (const part of await openai.chat.completions.create({ model: 'only', messages, stream: true })) {
                text += part.choices[0]?.delta?.content ?? '';
            }
            assert.equal(text, `n${i} n${i}`);
        }));
    });
});
