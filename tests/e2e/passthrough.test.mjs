// SPDX-License-Identifier: Apache-2.0
// What reaches a provider, byte for byte, and what must never reach it; what comes back the same way.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import zlib from 'node:zlib';

import { twoProviders } from './lib/fixture.mjs';
import { assertEnvelope, chat, request } from './lib/http.mjs';
import { MESSAGES, chunk, completion, event, words } from './lib/upstream.mjs';

const LIMIT = { timeout: 20000 };

describe('pass-through', () => {
    let f;
    before(async () => {
        f = await twoProviders({ providers: { a: { headers: { 'X-Org': 'acme' } } } });
    });
    after(() => f?.close());

    test('a request is the client\'s bytes but for the model\'s name', LIMIT, async () => {
        f.a.answers((seen) => seen.send(200, completion('ok')));
        const bodies = [
            '{"zz_unknown":{"b":1,"a":[1.0,1e3,12345678901234567890,-0.0,1E+2]},"model":"only","temperature":1.0,"messages":[],"seed":9007199254740993}',
            '{\n  "messages" : [ {"content":"\\u00e9\\ud83d\\ude00 \\/ é", "role":"user"} ] ,\r\n\t"model"\t:\t"only"\n}\n',
            '  {"model":"only","x":"\\"model\\":\\"only\\"","nested":{"model":"only"},"messages":[{"role":"user","content":"\\ud83d"}]}',
            '{"model":"o\\u006ely","messages":[],"logit_bias":{"50256":-100,"50256 ":1e-7},"stream":false,"user":null}',
            '{"messages":[],"a":{"k":1,"k":2},"model":"only"}',
        ];
        for (const body of bodies) {
            const answer = await request(f.origin, { body });
            assert.equal(answer.status, 200, answer.text);
            assert.equal(f.a.last.text, body.replace(/("model"\s*:\s*)"(only|o\\u006ely)"/, '$1"model-a"'));
        }
    });

    test('in a stream only stream_options is added', LIMIT, async () => {
        f.a.answers((seen) => seen.stream(words('a')));
        const body = '{"stream":true,"n":1.0,"model":"only","messages":[],"last":12345678901234567890}';
        await request(f.origin, { body });
        const without = f.a.last.text.replace(/,?\s*"stream_options"\s*:\s*\{[^}]*\}\s*,?/, (found, at, whole) =>
            (whole[at - 1] !== '{' && whole[at + found.length] !== '}' ? ',' : ''));
        assert.equal(without, body.replace('"only"', '"model-a"'));
        assert.deepEqual(f.a.last.json.stream_options, { include_usage: true });
    });

    test('the client\'s own stream_options stay', LIMIT, async () => {
        f.a.answers((seen) => seen.stream(words('a')));
        await request(f.origin, { body: '{"stream":true,"model":"only","messages":[],"stream_options":{"include_obfuscation":false,"x":1.0}}' });
        assert.deepEqual(f.a.last.json.stream_options, { include_obfuscation: false, x: 1, include_usage: true });
        assert.match(f.a.last.text, /"include_obfuscation":false,"x":1\.0/);
    });

    test('a large body arrives whole', LIMIT, async () => {
        f.a.answers((seen) => seen.send(200, completion('ok')));
        const body = JSON.stringify({ model: 'only', messages: [{ role: 'user', content: 'é0123456789'.repeat(400000) }] });
        const answer = await request(f.origin, { body });
        assert.equal(answer.status, 200, answer.text);
        assert.ok(f.a.last.text === body.replace('"only"', '"model-a"'));
        assert.equal(Number(f.a.last.headers['content-length']), f.a.last.body.length);
    });

    test('an answer is the provider\'s bytes', LIMIT, async () => {
        const bodies = [
            '{"id":"x","object":"chat.completion","created":1.0,"model":"model-a","choices":[],"extra":{"n":12345678901234567890,"e":1e3},"usage":null}',
            '{ "choices" : [ ] ,\n "text":"\\u00e9 \\ud83d" }\n',
        ];
        for (const body of bodies) {
            f.a.answers((seen) => seen.send(200, body, { 'openai-processing-ms': '12', 'x-ratelimit-remaining-requests': '7' }));
            const answer = await chat(f.origin, { model: 'only', messages: MESSAGES });
            assert.equal(answer.text, body);
            assert.match(answer.headers['content-type'], /^application\/json/);
            assert.equal(answer.headers['openai-processing-ms'], '12');
            assert.equal(answer.headers['x-ratelimit-remaining-requests'], '7');
        }
    });

    test('a large answer passes whole', LIMIT, async () => {
        const body = JSON.stringify(completion('0123456789'.repeat(200000)));
        f.a.answers((seen) => seen.send(200, body));
        const answer = await chat(f.origin, { model: 'only', messages: MESSAGES });
        assert.ok(answer.text === body, `${answer.bytes.length} of ${body.length} bytes`);
        assert.equal(answer.broken, false);
    });

    test('a streamed answer is the provider\'s bytes, however it is cut into pieces', LIMIT, async () => {
        const text = [
            ': a comment\n\n', event(chunk({ role: 'assistant', content: '' })), event(chunk({ content: 'é😀' })),
            'event: message\ndata: {"choices":[{"index":0,"delta":{"content":"x"},"n":1.0}]}\nid: 7\n\n',
            event(chunk({}, 'stop')), event('[DONE]'),
        ].join('');
        const whole = Buffer.from(text);
        for (const size of [1, 3, 50, whole.length]) {
            f.a.answers(async (seen) => {
                seen.openStream();
                for (let at = 0; at < whole.length; at += size) {
                    seen.response.write(whole.subarray(at, at + size));
                    await new Promise(setImmediate);
                }
                seen.response.end();
            });
            const answer = await chat(f.origin, { model: 'only', messages: MESSAGES, stream: true });
            assert.match(answer.headers['content-type'], /^text\/event-stream/);
            assert.equal(answer.text.replace(/^: [^\n]*\n\n/gm, ''), text.replace(/^: [^\n]*\n\n/gm, ''), `pieces of ${size}`);
        }
    });

    test('nothing of the client\'s identity and of ours reaches a provider', LIMIT, async () => {
        f.a.answers((seen) => seen.error(500, 'down'));
        f.b.answers((seen) => seen.send(200, completion('ok')));
        const answer = await chat(f.origin, { model: 'pair', messages: MESSAGES }, {
            headers: {
                authorization: 'Bearer client-secret', 'x-api-key': 'client-secret', 'api-key': 'client-secret', cookie: 's=client-secret',
                'proxy-authorization': 'Basic client-secret', 'x-fairlead-strategy': 'cost', 'x-fairlead-tags': 'team=search',
                'X-Fairlead-Timeout-Ms': '9000', 'x-fairlead-session': 'abc', connection: 'keep-alive, x-hop', 'x-hop': '1', te: 'trailers',
            },
        });
        assert.equal(answer.status, 200, answer.text);
        for (const [up, key, other] of [[f.a, 'key-of-a', 'key-of-b'], [f.b, 'key-of-b', 'key-of-a']]) {
            const { head, headers } = up.last;
            assert.equal(headers.authorization, `Bearer ${key}`);
            assert.doesNotMatch(head, /client-secret/i);
            assert.doesNotMatch(head, /x-fairlead/i);
            assert.ok(!head.includes(other));
            assert.equal(headers['x-hop'], undefined);
            assert.equal(headers.host, new URL(up.url).host);
        }
        assert.equal(f.a.last.headers['x-org'], 'acme');
        assert.equal(f.b.last.headers['x-org'], undefined);
    });

    test('no key appears in what a client or the log gets to see', LIMIT, async () => {
        f.a.answers((seen) => seen.error(500, 'down'));
        f.b.answers((seen) => seen.cutNow());
        const answer = await chat(f.origin, { model: 'pair', messages: MESSAGES });
        assert.ok(answer.status >= 500);
        assert.doesNotMatch(answer.text + JSON.stringify(answer.headers) + f.gateway.log, /key-of-[ab]/);
    });

    test('a redirect is never followed, whatever it names', LIMIT, async () => {
        f.b.answers((seen) => seen.send(200, completion('stolen')));
        for (const status of [301, 302, 303, 307, 308]) {
            f.a.answers((seen) => seen.send(status, '', { location: `http://127.0.0.1:${f.b.port}/v1/chat/completions` }));
            const answer = await chat(f.origin, { model: 'only', messages: MESSAGES });
            assertEnvelope(answer, 502, { message: /redirect/ });
            assert.equal(answer.headers.location, undefined);
            assert.equal(f.a.requests.length, 1);
        }
        assert.equal(f.b.requests.length, 0);
    });

    test('a provider\'s connection headers stay on its side', LIMIT, async () => {
        f.a.answers((seen) => seen.send(200, completion('ok'), {
            connection: 'x-hop', 'x-hop': '1', 'set-cookie': 's=1', 'x-fairlead-provider': 'forged', 'keep-alive': 'timeout=1' }));
        const answer = await chat(f.origin, { model: 'only', messages: MESSAGES });
        assert.equal(answer.status, 200);
        assert.equal(answer.headers['x-fairlead-provider'], 'a');
        assert.equal(answer.headers['x-hop'], undefined);
        assert.equal(answer.headers['set-cookie'], undefined);
    });

    test('a header of a client cannot split a request or an answer', LIMIT, async () => {
        f.a.answers((seen) => seen.send(200, completion('ok'), { 'x-request-id': 'fine' }));
        const answer = await chat(f.origin, { model: 'only', messages: MESSAGES }, { headers: { 'x-request-id': 'a%0d%0aX-Evil: 1' } });
        assert.equal(answer.headers['x-evil'], undefined);
        assert.doesNotMatch(answer.headers['x-request-id'], /%/);
    });

    test('an endless head of a provider is cut', LIMIT, async () => {
        f.a.answers(async (seen) => {
            seen.raw('HTTP/1.1 200 OK\r\n');
            for (let i = 0; i < 5000 && !seen.response.socket.destroyed; i++) seen.raw(`X-${i}: ${'y'.repeat(100)}\r\n`);
        });
        assertEnvelope(await chat(f.origin, { model: 'only', messages: MESSAGES }), 502);
    });

    // Text whose gzip is about `repeat` times smaller than three digits a word would make it.
    const digits = (bytes, repeat) => {
        let text = '', x = 1;
        while (text.length < bytes) {
            x = (Math.imul(x, 1103515245) + 12345) >>> 0;
            text += String(x >>> 16).repeat(repeat);
        }
        return text;
    };

    for (const [bytes, repeat] of [[1000, 1], [200000, 3], [600000, 1], [700000, 4], [1500000, 8]]) {
        test(`a compressed answer of ${bytes} bytes arrives whole and unframed by its packed length`, LIMIT, async () => {
            const value = completion(digits(bytes, repeat));
            const packed = zlib.gzipSync(JSON.stringify(value));
            for (const headers of [{ 'content-length': packed.length }, { 'content-length': undefined }]) {
                f.a.answers((seen) => {
                    seen.response.writeHead(200, JSON.parse(JSON.stringify({ 'content-type': 'application/json', 'content-encoding': 'gzip', ...headers })));
                    seen.response.end(packed);
                });
                const answer = await chat(f.origin, { model: 'only', messages: MESSAGES });
                assert.equal(answer.status, 200);
                assert.equal(answer.headers['content-encoding'], undefined);
                assert.deepEqual(answer.json, value);
            }
        });
    }

    test('a compressed answer that is cut is not passed off as whole', LIMIT, async () => {
        // Cut inside the checksum: every byte of the text has come.
        const packed = zlib.gzipSync(JSON.stringify(completion('ok'))).subarray(0, -4);
        f.a.answers((seen) => {
            seen.raw('HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n');
            seen.raw(packed);
            seen.response.socket.end();
        });
        assertEnvelope(await chat(f.origin, { model: 'only', messages: MESSAGES }), 502);
    });
});
