// SPDX-License-Identifier: Apache-2.0
// Start, reload, drain, heartbeats: what happens to requests while the process changes.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, test } from 'node:test';

import { start } from './lib/fairlead.mjs';
import { twoProviders } from './lib/fixture.mjs';
import { Raw, chat, request } from './lib/http.mjs';
import { MESSAGES, chunk, completion, event, sleep, upstream, words } from './lib/upstream.mjs';

const LIMIT = { timeout: 20000 };

// A stream that a test advances by hand.
function steps() {
    const waiting = [];
    const ready = [];
    return {
        next: () => (ready.length ? Promise.resolve(ready.shift()) : new Promise((done) => waiting.push(done))),
        go: () => (waiting.length ? waiting.shift()() : ready.push(undefined)),
    };
}

async function beginStream(f, { model = 'only' } = {}) {
    const step = steps();
    f.a.answers(async (seen) => {
        seen.openStream();
        const [role, first, ...rest] = words('one two three');
        for (const text of [role + first, ...rest]) { // nothing is sent on before a first content
            seen.write(text);
            await step.next();
        }
        seen.response.end();
    });
    const parts = (await f.openai().chat.completions.create({ model, messages: MESSAGES, stream: true }))[Symbol.asyncIterator]();
    assert.equal((await parts.next()).value.choices[0].delta.role, 'assistant');
    return {
        async finish() {
            let text = '';
            for (let i = 0; i < 6; i++) step.go();
            for (let part = await parts.next(); !part.done; part = await parts.next()) text += part.value.choices[0]?.delta?.content ?? '';
            return text;
        },
    };
}

describe('reload', () => {
    let f;
    before(async () => { f = await twoProviders(); });
    after(() => f?.close());
    const models = async () => (await request(f.origin, { method: 'GET', path: '/v1/models' })).json.data.map((model) => model.id);
    async function eventually(condition, what) {
        const deadline = Date.now() + 5000;
        while (!await condition()) {
            assert.ok(Date.now() < deadline, what + '\n' + f.gateway.log);
            await sleep(10);
        }
    }

    test('SIGHUP takes a new file; a running stream goes on', LIMIT, async () => {
        const stream = await beginStream(f);
        const { config } = f.gateway;
        const changed = structuredClone(config);
        changed.models.fresh = { targets: ['b/model-b'] };
        changed.providers.a.api_key = 'new-key-of-a';
        f.gateway.write(changed);
        f.gateway.signal('SIGHUP');
        await eventually(async () => (await models()).includes('fresh'), 'the new model is not listed');
        assert.equal(await stream.finish(), 'one two three');
        f.a.answers((seen) => seen.send(200, completion('ok')));
        // Every worker has it, or gets it at once.
        await eventually(async () => {
            for (let i = 0; i < 8; i++) await chat(f.origin, { model: 'only', messages: MESSAGES });
            const keys = new Set(f.a.requests.splice(0).map((seen) => seen.headers.authorization));
            return keys.size === 1 && keys.has('Bearer new-key-of-a');
        }, 'the new key is not used');
    });

    test('a broken file changes nothing and is told with its line', LIMIT, async () => {
        const { config } = f.gateway;
        const listed = await models();
        for (const broken of ['providers:\n  a: [\n', 'listen: 127.0.0.1:1\nrouting:\n  failover_treshold: 2\n']) {
            f.gateway.log = '';
            f.gateway.write(broken);
            f.gateway.signal('SIGHUP');
            await f.gateway.logged(/fairlead\.yaml:\d+:\d+/);
            assert.deepEqual(await models(), listed);
            assert.equal((await request(f.origin, { method: 'GET', path: '/readyz' })).status, 200);
            f.a.answers((seen) => seen.send(200, completion('ok')));
            assert.equal((await chat(f.origin, { model: 'only', messages: MESSAGES })).status, 200);
        }
        f.gateway.log = ''; // valid, but nobody could be asked
        f.gateway.write('listen: 127.0.0.1:1\nproviders:\n  openai: {api_key: ""}\n');
        f.gateway.signal('SIGHUP');
        await f.gateway.logged(/no provider can be used/);
        assert.deepEqual(await models(), listed);
        f.gateway.log = '';
        fs.rmSync(f.gateway.file);
        f.gateway.signal('SIGHUP');
        await f.gateway.logged(/fairlead\.yaml/);
        assert.deepEqual(await models(), listed);
        f.gateway.write(config);
    });

    test('requests never fail while the file is reloaded again and again', LIMIT, async () => {
        f.a.answers((seen) => seen.send(200, completion('ok')));
        let running = true;
        const reloads = (async () => {
            for (let i = 0; running; i++) {
                const changed = structuredClone(f.gateway.config);
                changed.models[`m${i % 3}`] = { targets: ['a/model-a'] };
                f.gateway.write(changed);
                f.gateway.signal('SIGHUP');
                await sleep(15);
            }
        })();
        for (let i = 0; i < 100; i++) assert.equal((await chat(f.origin, { model: 'only', messages: MESSAGES })).status, 200);
        running = false;
        await reloads;
    });
});

describe('drain', () => {
    test('SIGTERM lets a running stream end, takes no new client, exits 0', LIMIT, async () => {
        const f = await twoProviders();
        const idle = new Raw(f.gateway.port);
        idle.send('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
        await idle.until(/ok\n$/);
        const stream = await beginStream(f);
        f.gateway.signal('SIGTERM');
        await idle.end(2000);
        const late = new Raw(f.gateway.port);
        late.send('GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n');
        const answer = await Promise.race([late.until(/^HTTP\/1\.1 503/), late.end()]).catch((error) => String(error));
        assert.doesNotMatch(answer, /HTTP\/1\.1 200/);
        assert.equal(f.gateway.child.exitCode, null);
        assert.equal(await stream.finish(), 'one two three');
        const { code, signal } = await f.gateway.exited;
        assert.deepEqual({ code, signal }, { code: 0, signal: null }, f.gateway.log);
        await f.close();
    });

    test('what does not end within limits.drain is cut', LIMIT, async () => {
        const f = await twoProviders({ limits: { drain: '1s' } });
        f.a.answers((seen) => { seen.openStream(); seen.write(event(chunk({ content: 'x' }))); });
        const stream = await f.openai().chat.completions.create({ model: 'only', messages: MESSAGES, stream: true });
        const rest = (async () => { for await (const part of stream) assert.ok(part); })();
        const ended = assert.rejects(rest);
        await sleep(50);
        const begun = performance.now();
        f.gateway.signal('SIGTERM');
        await f.gateway.exited;
        const took = performance.now() - begun;
        assert.ok(took > 800 && took < 4000, `${took} ms`);
        await ended;
        await f.close();
    });

    test('a second signal ends it at once', LIMIT, async () => {
        const f = await twoProviders();
        f.a.answers((seen) => { seen.openStream(); seen.write(event(chunk({ content: 'x' }))); });
        const stream = await f.openai().chat.completions.create({ model: 'only', messages: MESSAGES, stream: true });
        const ended = assert.rejects((async () => { for await (const part of stream) assert.ok(part); })());
        f.gateway.signal('SIGINT');
        await sleep(100);
        f.gateway.signal('SIGINT');
        const gone = await Promise.race([f.gateway.exited, sleep(3000)]);
        assert.ok(gone, 'still running');
        await ended;
        await f.a.close();
        await f.b.close();
    });
});

describe('heartbeats', () => {
    let f;
    before(async () => { f = await twoProviders({ limits: { heartbeat: '1s' } }); });
    after(() => f?.close());

    test('comments keep a waiting stream alive, and an SDK does not see them', LIMIT, async () => {
        f.a.answers(async (seen) => {
            await sleep(1500);
            await seen.stream(words('at last'));
        });
        const body = { model: 'only', messages: MESSAGES, stream: true };
        const [answer, text] = await Promise.all([
            chat(f.origin, body),
            (async () => {
                let all = '';
                for await (const part of await f.openai().chat.completions.create(body)) all += part.choices[0]?.delta?.content ?? '';
                return all;
            })(),
        ]);
        assert.match(answer.text, /^:[^\n]*\n\ndata: /);
        assert.match(answer.text, /data: \[DONE\]\n\n$/);
        assert.equal(text, 'at last');
    });

    test('between two events, too', LIMIT, async () => {
        f.a.answers(async (seen) => {
            const [role, first, ...rest] = words('a b');
            seen.openStream();
            seen.write(role + first); // before its first content nothing of a stream is sent on
            await sleep(1500);
            seen.write(rest.join(''));
            seen.response.end();
        });
        const answer = await chat(f.origin, { model: 'only', messages: MESSAGES, stream: true });
        assert.match(answer.text, /^data: [^\n]*\n\ndata: [^\n]*\n\n:[^\n]*\n\ndata: /);
        assert.match(answer.text, /\[DONE\]/);
    });

    test('a provider that fails after a heartbeat: another one answers in the same stream', LIMIT, async () => {
        f.a.answers(async (seen) => { await sleep(1300); seen.error(500, 'down'); });
        f.b.answers((seen) => seen.stream(words('from b')));
        const answer = await chat(f.origin, { model: 'pair', messages: MESSAGES, stream: true });
        assert.equal(answer.status, 200);
        assert.match(answer.text, /^:[^\n]*\n\n/);
        assert.match(answer.text, /"from "[^]*"b"[^]*\[DONE\]/);
    });

    test('no provider left after a heartbeat: an error event, no [DONE]', LIMIT, async () => {
        f.a.answers(async (seen) => { await sleep(1300); seen.error(500, 'down'); });
        const answer = await chat(f.origin, { model: 'only', messages: MESSAGES, stream: true });
        assert.match(answer.text, /data: \{"error"/);
        assert.doesNotMatch(answer.text, /\[DONE\]/);
    });

    test('a plain answer gets none', LIMIT, async () => {
        f.a.answers(async (seen) => { await sleep(1300); seen.send(200, completion('slow')); });
        const answer = await chat(f.origin, { model: 'only', messages: MESSAGES });
        assert.equal(answer.json.choices[0].message.content, 'slow');
    });
});

describe('many clients', () => {
    test('200 streams at once are whole; when all clients vanish the provider sees it', LIMIT, async () => {
        const f = await twoProviders();
        const count = 200;
        f.a.answers((seen) => seen.stream(words('a b c d'), { gap: 20 }));
        const body = JSON.stringify({ model: 'only', messages: MESSAGES, stream: true });
        const answers = await Promise.all(Array.from({ length: count }, () => request(f.origin, { body })));
        assert.ok(answers.every((answer) => /"d"[^]*\[DONE\]\n\n$/.test(answer.text) && !answer.broken));

        f.a.answers((seen) => { seen.openStream(); seen.write(event(chunk({ content: 'x' }))); });
        const clients = Array.from({ length: count }, () => new Raw(f.gateway.port));
        for (const client of clients) client.send(`POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
        await Promise.all(clients.map((client) => client.until(/"x"/)));
        const cuts = Promise.all(f.a.requests.map((seen) => seen.cut));
        const begun = performance.now();
        for (const client of clients) client.destroy();
        const took = Math.max(...await Promise.race([cuts, sleep(5000).then(() => [Infinity])])) - begun;
        assert.ok(took < 1000, `${took} ms`);
        assert.equal(f.a.requests.length, count);
        await f.close();
    });
});

describe('start', () => {
    test('variables and files in the configuration', LIMIT, async () => {
        const a = await upstream();
        a.answers((seen) => seen.send(200, completion('ok')));
        const gateway = await start({
            providers: { a: { type: 'openai_compatible', base_url: '${E2E_URL}', api_key: '${E2E_KEY:-unset}', models: ['m'] } },
        }, { env: { E2E_URL: a.url } });
        assert.equal((await chat(gateway.origin, { model: 'm', messages: MESSAGES })).status, 200);
        assert.equal(a.last.headers.authorization, 'Bearer unset');
        await gateway.stop();
        await a.close();
    });

    test('the access log has one line for each request, and no prompt in it', LIMIT, async () => {
        const f = await twoProviders({ telemetry: { access_log: true } });
        f.a.answers((seen) => seen.send(200, completion('the answer text')));
        await chat(f.origin, { model: 'only', messages: [{ role: 'user', content: 'the prompt text' }] }, { headers: { 'x-request-id': 'id-for-the-log' } });
        await f.gateway.logged(/id-for-the-log/);
        const lines = f.gateway.log.split('\n').filter((line) => line.includes('id-for-the-log'));
        assert.equal(lines.length, 1);
        const line = JSON.parse(lines[0]);
        assert.equal(line.request_id, 'id-for-the-log');
        assert.equal(line.status, 200);
        assert.equal(line.provider, 'a');
        assert.equal(line.tokens_in, 5);
        assert.equal(line.tokens_out, 3);
        assert.doesNotMatch(f.gateway.log, /prompt text|answer text|key-of/);
        await f.close();
    });
});
