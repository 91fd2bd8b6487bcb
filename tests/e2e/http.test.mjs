// SPDX-License-Identifier: Apache-2.0
// The HTTP side without an SDK: paths, methods, errors, limits, slow clients, framing.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { twoProviders } from './lib/fixture.mjs';
import { Raw, assertEnvelope, chat, curl, request } from './lib/http.mjs';
import { MESSAGES, completion, sleep, words } from './lib/upstream.mjs';

const LIMIT = { timeout: 20000 };
const BODY = JSON.stringify({ model: 'only', messages: MESSAGES });

describe('HTTP', () => {
    let f;
    before(async () => {
        f = await twoProviders({ limits: { body: '64KiB', head: '16KiB', head_timeout: '500ms', body_timeout: '500ms' } });
    });
    after(() => f?.close());
    const answering = () => f.a.answers((seen) => seen.send(200, completion('ok')));
    const post = (length = Buffer.byteLength(BODY), more = '') =>
        `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n${more}\r\n`;

    test('livez and readyz, GET and HEAD', LIMIT, async () => {
        for (const probe of ['/livez', '/readyz', '/healthz']) {
            const get = await request(f.origin, { method: 'GET', path: probe });
            assert.equal(get.status, 200);
            assert.ok(get.text.length > 0);
            const head = await request(f.origin, { method: 'HEAD', path: probe });
            assert.equal(head.status, 200);
            assert.equal(head.text, '');
            assert.equal(head.headers['content-length'], get.headers['content-length']);
        }
    });

    test('paths with and without /v1', LIMIT, async () => {
        answering();
        for (const prefix of ['', '/v1', '/openai/v1']) {
            const answer = await request(f.origin, { path: prefix + '/chat/completions', body: BODY });
            assert.equal(answer.status, 200, `${prefix}: ${answer.text}`);
            const models = await request(f.origin, { method: 'GET', path: prefix + '/models' });
            assert.equal(models.json.object, 'list');
        }
        assert.ok(f.a.requests.every((seen) => seen.url === '/v1/chat/completions'));
    });

    test('models: an id with a slash, written either way', LIMIT, async () => {
        for (const id of ['a/model-a', 'a%2Fmodel-a']) {
            const answer = await request(f.origin, { method: 'GET', path: '/v1/models/' + id });
            assert.equal(answer.status, 200, answer.text);
            assert.equal(answer.json.id, 'a/model-a');
        }
        assertEnvelope(await request(f.origin, { method: 'GET', path: '/v1/models/none' }), 404, { code: 'model_not_found' });
    });

    const bad = {
        'malformed JSON': ['{"model":"only","messages":[}', 400, {}],
        'an empty body': ['', 400, {}],
        'a body that is not an object': ['[1]', 400, {}],
        'two JSON values': [BODY + BODY, 400, {}],
        'a duplicate model': ['{"model":"only","model":"pair","messages":[]}', 400, { message: /model/ }],
        'a duplicate model, escaped': ['{"model":"only","m\\u006fdel":"pair","messages":[]}', 400, { message: /model/ }],
        'a duplicate stream': ['{"model":"only","stream":true,"stream":false,"messages":[]}', 400, { message: /stream/ }],
        'no model': ['{"messages":[]}', 400, { message: /model/ }],
        'a model that is no string': ['{"model":7,"messages":[]}', 400, { message: /model/ }],
        'bad UTF-8': [Buffer.concat([Buffer.from('{"model":"only","messages":[{"role":"user","content":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}]}')]), 400, { message: /UTF-8/ }],
        'a million brackets': ['{"model":"only","messages":' + '['.repeat(60000), 400, {}],
        'an unknown model': ['{"model":"onyl","messages":[]}', 404, { code: 'model_not_found', param: 'model', message: /'?only'?/ }],
    };
    for (const [name, [body, status, expected]] of Object.entries(bad)) {
        test(`${name} is a ${status}`, LIMIT, async () => {
            answering();
            const answer = await request(f.origin, { body });
            assertEnvelope(answer, status, { type: 'invalid_request_error', ...expected });
            assert.equal(f.a.requests.length, 0);
        });
    }

    test('the position of a JSON error is told', LIMIT, async () => {
        const error = assertEnvelope(await request(f.origin, { body: '{"model":"only",\n "messages":[}' }), 400);
        assert.match(error.message, /line 2/);
    });

    test('unknown paths and wrong methods', LIMIT, async () => {
        assertEnvelope(await request(f.origin, { path: '/v1/chat/completion', body: BODY }), 404, { message: /chat\/completions/ });
        assertEnvelope(await request(f.origin, { method: 'GET', path: '/v1/nothing' }), 404);
        assertEnvelope(await request(f.origin, { method: 'GET' }), 405, { message: /POST/ });
        assertEnvelope(await request(f.origin, { method: 'DELETE', path: '/v1/models' }), 405, { message: /GET/ });
    });

    test('a coded or multipart body is a 415', LIMIT, async () => {
        assertEnvelope(await request(f.origin, { body: BODY, headers: { 'content-encoding': 'gzip' } }), 415);
        assertEnvelope(await request(f.origin, { body: BODY, headers: { 'content-type': 'multipart/form-data; boundary=x' } }), 415);
    });

    test('a request id is given, and a client\'s unusable one is replaced', LIMIT, async () => {
        answering();
        const ids = new Set();
        for (const id of ['', 'a b', 'x'.repeat(200), '"><script>']) {
            const answer = await request(f.origin, { body: BODY, headers: id ? { 'x-request-id': id } : {} });
            assert.match(answer.headers['x-request-id'], /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
            ids.add(answer.headers['x-request-id']);
        }
        assert.equal(ids.size, 4);
    });

    test('connections are kept, over errors too', LIMIT, async () => {
        answering();
        const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
        const sockets = new Set();
        agent.on('free', (socket) => sockets.add(socket));
        for (const body of [BODY, '{', BODY, '{"model":"nope","messages":[]}', BODY]) await request(f.origin, { body, agent });
        await sleep(20);
        assert.equal(sockets.size, 1);
        agent.destroy();
    });

    test('connections to a provider are kept', LIMIT, async () => {
        answering();
        const before = f.a.connections;
        for (let i = 0; i < 20; i++) await request(f.origin, { body: BODY });
        assert.ok(f.a.connections - before <= 2, `${f.a.connections - before} new connections for 20 requests`);
    });

    test('pipelined requests are answered in order', LIMIT, async () => {
        const client = new Raw(f.gateway.port);
        client.send('GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /v1/models/only HTTP/1.1\r\nHost: x\r\n\r\n' +
            'GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
        const text = await client.end();
        assert.deepEqual([...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map((m) => m[1]), ['200', '200', '404']);
    });

    test('HTTP/1.0 gets its answer until the connection closes, streams too', LIMIT, async () => {
        f.a.answers((seen) => (seen.json.stream ? seen.stream(words('a b')) : seen.send(200, completion('ok'))));
        const body = JSON.stringify({ model: 'only', messages: MESSAGES, stream: true });
        const client = new Raw(f.gateway.port);
        client.send(`POST /v1/chat/completions HTTP/1.0\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
        const text = await client.end();
        assert.match(text, /^HTTP\/1\.[01] 200/);
        assert.doesNotMatch(text, /transfer-encoding/i);
        assert.match(text, /data: \[DONE\]\n\n$/);
    });

    test('a chunked request body', LIMIT, async () => {
        answering();
        const client = new Raw(f.gateway.port);
        client.send('POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n');
        for (const part of [BODY.slice(0, 7), BODY.slice(7)]) {
            client.send(`${part.length.toString(16)}\r\n${part}\r\n`);
            await sleep(20);
        }
        client.send('0\r\n\r\n');
        assert.match(await client.end(), /^HTTP\/1\.1 200/);
        assert.equal(f.a.last.json.model, 'model-a');
    });

    test('Expect: 100-continue, raw and by curl', LIMIT, async () => {
        answering();
        const client = new Raw(f.gateway.port);
        client.send(post(undefined, 'Expect: 100-continue\r\n'));
        await client.until(/^HTTP\/1\.1 100 [^\r]*\r\n\r\n$/);
        client.send(BODY);
        await client.until(/\r\n\r\nHTTP\/1\.1 200/);
        client.destroy();
        const file = path.join(f.gateway.folder, 'body.json');
        fs.writeFileSync(file, JSON.stringify({ model: 'only', messages: [{ role: 'user', content: 'x'.repeat(40000) }] }));
        const done = await curl('--expect100-timeout', '10', '-H', 'Expect: 100-continue', '-H', 'Content-Type: application/json',
            '--data-binary', `@${file}`, '-o', '/dev/null', '-w', '%{http_code} %{time_total}', f.origin + '/v1/chat/completions');
        const [status, seconds] = done.stdout.split(' ');
        assert.equal(status, '200', done.stderr);
        assert.ok(Number(seconds) < 5, `curl waited ${seconds} s`);
        assert.equal(f.a.last.json.messages[0].content.length, 40000);
    });

    test('too large a body is a 413, before it is sent', LIMIT, async () => {
        answering();
        for (const more of ['', 'Expect: 100-continue\r\n']) {
            const client = new Raw(f.gateway.port);
            client.send(post(100000, more));
            assert.match(await client.until(/\r\n\r\n\{[^]*\}/), /^HTTP\/1\.1 413/);
            client.destroy();
        }
        const client = new Raw(f.gateway.port);
        client.send('POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
        for (let i = 0; i < 5; i++) client.send(`4000\r\n${' '.repeat(0x4000)}\r\n`);
        assert.match(await client.until(/\r\n\r\n\{[^]*\}/), /^HTTP\/1\.1 413/);
        client.destroy();
        assertEnvelope(await chat(f.origin, 'x'.repeat(70000)), 413, { message: /limits\.body/ });
        assert.equal(f.a.requests.length, 0);
    });

    test('too large a head is a 431', LIMIT, async () => {
        const client = new Raw(f.gateway.port);
        client.send(`GET /livez HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(20000)}\r\n\r\n`);
        assert.match(await client.end(), /^HTTP\/1\.1 431/);
    });

    const smuggling = {
        'both Content-Length and Transfer-Encoding': `Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
        'two different Content-Lengths': `Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde`,
        'a signed Content-Length': `Content-Length: +4\r\n\r\nabcd`,
        'a space before the colon': `Content-Length : 4\r\n\r\nabcd`,
        'a folded header': `X-A: b\r\n c\r\nContent-Length: 4\r\n\r\nabcd`,
        'an unknown coding': `Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`,
        'a bare LF in the head': `X-A: b\nContent-Length: 4\r\n\r\nabcd`,
        'a chunk size that is none': `Transfer-Encoding: chunked\r\n\r\n0x4\r\nabcd\r\n0\r\n\r\n`,
    };
    for (const [name, rest] of Object.entries(smuggling)) {
        test(`${name}: refused, and the connection ends`, LIMIT, async () => {
            answering();
            const client = new Raw(f.gateway.port);
            client.send(`POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n${rest}GET /livez HTTP/1.1\r\nHost: x\r\n\r\n`);
            const text = await client.end();
            const statuses = [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map((m) => m[1]);
            assert.equal(statuses.length, 1, text);
            assert.match(statuses[0], /^(400|501)$/);
            assert.equal(f.a.requests.length, 0);
        });
    }

    test('garbage, and TLS on a plain port: the connection ends', LIMIT, async () => {
        for (const bytes of ['\0\x01\x02\x03\r\n\r\n', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' + '\0'.repeat(64)]) {
            const client = new Raw(f.gateway.port);
            client.socket.write(Buffer.from(bytes, 'latin1'));
            assert.match(await client.end(), /^(HTTP\/1\.1 (400|501|505)|$)/);
        }
    });

    test('a head that drips is cut by its total time', LIMIT, async () => {
        const client = new Raw(f.gateway.port);
        const begun = performance.now();
        const drip = setInterval(() => client.send('X'), 50);
        client.send('GET /livez HTTP/1.1\r\nHost: x\r\nX-Drip: ');
        const text = await client.end();
        clearInterval(drip);
        const took = client.closedAt - begun;
        assert.ok(took > 400 && took < 3000, `${took} ms`);
        assert.match(text, /^(HTTP\/1\.1 408|$)/);
    });

    test('a body that drips is cut by its total time', LIMIT, async () => {
        answering();
        const client = new Raw(f.gateway.port);
        const begun = performance.now();
        client.send(post(1000) + '{"model":"only",');
        const drip = setInterval(() => client.send(' '), 50);
        const text = await client.end();
        clearInterval(drip);
        const took = client.closedAt - begun;
        assert.ok(took > 400 && took < 3000, `${took} ms`);
        assert.match(text, /^HTTP\/1\.1 408/);
        assert.equal(f.a.requests.length, 0);
    });

    test('slow clients do not hold up others', LIMIT, async () => {
        answering();
        const slow = Array.from({ length: 50 }, () => new Raw(f.gateway.port));
        for (const client of slow) client.send('POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n');
        const begun = performance.now();
        assert.equal((await request(f.origin, { body: BODY })).status, 200);
        assert.ok(performance.now() - begun < 400);
        await Promise.all(slow.map((client) => client.end()));
    });

    test('a client that stops reading holds back its provider, not the gateway\'s memory', LIMIT, async () => {
        const block = `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: 'x'.repeat(16000) } }] })}\n\n`;
        let sent = 0;
        f.a.answers(async (seen) => {
            seen.openStream();
            while (!seen.response.destroyed && sent < 200e6) {
                sent += block.length;
                if (!seen.response.write(block)) {
                    await Promise.race([new Promise((done) => seen.response.once('drain', done)), seen.cut]);
                }
            }
        });
        const body = JSON.stringify({ model: 'only', messages: MESSAGES, stream: true });
        const client = new Raw(f.gateway.port);
        client.send(post(body.length) + body);
        await client.until(/x{1000}/);
        client.socket.pause();
        let before;
        do {
            before = sent;
            await sleep(300);
        } while (sent !== before);
        assert.ok(sent < 40e6, `the provider could send ${sent} bytes nobody read`);
        client.destroy();
        assert.ok(await Promise.race([f.a.last.cut, sleep(1000).then(() => false)]), 'the provider was told');
    });
});

describe('client keys', () => {
    let f;
    before(async () => { f = await twoProviders({ keys: [{ name: 'team', key: 'sk-team-secret-0123' }] }); });
    after(() => f?.close());

    test('only a listed key gets in; probes need none', LIMIT, async () => {
        f.a.answers((seen) => seen.send(200, completion('ok')));
        const ask = (headers) => request(f.origin, { body: BODY, headers });
        for (const headers of [{}, { authorization: 'Bearer wrong' }, { authorization: 'Bearer ' }, { authorization: 'Basic c2stdGVhbS1zZWNyZXQ=' }]) {
            assertEnvelope(await ask(headers), 401, { message: /[Kk]ey/ });
        }
        assert.equal(f.a.requests.length, 0);
        assert.equal((await ask({ authorization: 'Bearer sk-team-secret-0123' })).status, 200);
        assertEnvelope(await request(f.origin, { method: 'GET', path: '/v1/models' }), 401);
        assert.equal((await request(f.origin, { method: 'GET', path: '/readyz' })).status, 200);
        assert.doesNotMatch(f.gateway.log, /sk-team-secret|key-of-a/);
    });
});
