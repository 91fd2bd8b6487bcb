// SPDX-License-Identifier: Apache-2.0
// Request and response smuggling, over the wire. What reaches a provider must be the requests that the client
// was answered for and nothing else, and must read the same to every parser; what reaches a client must be
// whole answers to its own requests.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { ROOT, start } from './lib/fairlead.mjs';
import { Raw, request } from './lib/http.mjs';
import { CHOICES, readAnswers, readByNode, recorder, split } from './lib/recorder.mjs';
import { SMUGGLED, makeCases } from './lib/smuggling_cases.mjs';

const LIMIT = { timeout: 60000 };
const VECTORS = path.resolve(ROOT, process.env.FAIRLEAD_ATTACK || '../shared/attack', 'llhttp/cases.jsonl');
const skipVectors = fs.existsSync(VECTORS) ? false : 'skipped: no data';
const PROBE_END = 'GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';

// All that a request to a provider may have in its head.
const OUR_FIELDS = ['host', 'authorization', 'content-type', 'accept-encoding', 'user-agent', 'accept', 'x-request-id', 'content-length'];

const finals = (answers) => answers.filter(({ status }) => status >= 200);
const textOf = (body) => JSON.parse(body).messages.at(-1).content;

async function startBetween(more = {}) {
    const up = await recorder();
    const gateway = await start({
        workers: 1,
        limits: { head: '16KiB', body: '1MiB', head_timeout: '400ms', body_timeout: '400ms' },
        routing: { failover_threshold: 1000, timeouts: { connect: '2s', first_token: '300ms', idle: '300ms', total: '5s' } },
        providers: { a: { type: 'openai_compatible', base_url: up.url, api_key: 'key-of-a', models: ['m'], stream_options: false } },
        models: { only: { targets: ['a/m'] } },
        ...more,
    }).catch(async (error) => {
        await up.close();
        throw error;
    });
    return {
        up, gateway,
        // Another client, through the same pool: gets its own answer.
        async probe(text) {
            const answer = await request(gateway.origin, { body: { model: 'only', messages: [{ role: 'user', content: text }] } });
            assert.equal(answer.status, 200, answer.text);
            assert.equal(answer.json.choices[0].message.content, text, 'another one\'s answer');
        },
        async close() {
            await gateway.stop();
            await up.close();
        },
    };
}

// Sends *bytes* in *pieces* parts; returns what came back once the connection is closed by the server, or by
// a last request of ours when *count* answers are there.
async function exchange(gateway, bytes, { count, pieces = 1, heads = [] } = {}) {
    const client = new Raw(gateway.port);
    client.socket.setNoDelay(true);
    const wire = Buffer.from(bytes, 'latin1');
    const step = Math.ceil(wire.length / pieces);
    for (let at = 0; at < wire.length; at += step) {
        client.socket.write(wire.subarray(at, at + step));
        if (pieces > 1) await new Promise(setImmediate);
    }
    const enough = { test: (text) => finals(readAnswers(text, { heads }).answers).length >= count };
    if (count !== undefined) await client.until(enough).catch(() => {});
    const open = !client.closed;
    if (count !== undefined && open) client.send(PROBE_END);
    await client.end();
    return { ...readAnswers(client.text, { heads, closed: true }), text: client.text };
}

function checkAnswers(found, statuses) {
    assert.equal(found.rest, '', `not a whole answer: ${JSON.stringify(found.text)}`);
    const seen = finals(found.answers);
    const told = JSON.stringify(found.text);
    const own = seen.at(-1)?.body === 'ok\n' ? seen.slice(0, -1) : seen; // the answer to our last request
    if (statuses) {
        assert.deepEqual(own.map(({ status }) => status), statuses, told);
    } else {
        assert.equal(own.length, 1, `one answer: ${told}`);
        assert.match(String(own[0].status), /^(4\d\d|501|505)$/, told);
        assert.equal(own.length, seen.length, `the connection ends: ${told}`);
    }
    for (const { status, body } of own) {
        if (status >= 400) assert.ok(JSON.parse(body).error.message.length > 10, told);
    }
    return own;
}

// Every parser reads the same requests in *texts*, whole, with nothing left: these.
async function readAlike(texts) {
    const first = texts.map((text) => split(text, CHOICES[0]));
    const plain = (read) => read.requests.map(({ method, target, fields, body }) => ({ method, target, fields, body }));
    for (const [i, text] of texts.entries()) {
        for (const choice of CHOICES) {
            const read = split(text, choice);
            assert.equal(read.rest, '', `left over (${JSON.stringify(choice)}): ${JSON.stringify(text.slice(-500))}`);
            assert.deepEqual(plain(read), plain(first[i]), JSON.stringify(choice));
        }
    }
    for (const insecureHTTPParser of [false, true]) {
        const read = await readByNode(texts, { insecureHTTPParser });
        for (const [i, one] of read.entries()) {
            assert.equal(one.error, null, JSON.stringify(texts[i]));
            assert.deepEqual(plain(one), plain(first[i]), `node, insecure: ${insecureHTTPParser}`);
        }
    }
    return first.flatMap(({ requests }) => requests);
}

function checkOurs(sent) {
    assert.equal(sent.method, 'POST');
    assert.equal(sent.target, '/v1/chat/completions');
    const names = sent.fields.map(([name]) => name);
    assert.deepEqual(names.filter((name) => !OUR_FIELDS.includes(name)), []);
    assert.equal(new Set(names).size, names.length, names.join());
    assert.equal(Number(sent.fields.find(([name]) => name === 'content-length')[1]), Buffer.byteLength(sent.body, 'latin1'));
    assert.equal(JSON.parse(sent.body).model, 'm');
}

describe('request smuggling', () => {
    let f;
    const expected = new Map(); // text of a request -> how often a client was answered for it
    before(async () => { f = await startBetween(); });
    after(() => f?.close());

    const count = (text, times = 1) => expected.set(text, (expected.get(text) ?? 0) + times);

    async function run(name, bytes, statuses, text, pieces) {
        const found = await exchange(f.gateway, bytes, { count: statuses?.length, pieces });
        const own = checkAnswers(found, statuses);
        for (const { status, body } of own) {
            if (status === 200) count(JSON.parse(body).choices[0].message.content.split('\r\n')[0]);
        }
        const texts = own.filter(({ status }) => status === 200).map(({ body }) => JSON.parse(body).choices[0].message.content.split('\r\n')[0]);
        assert.deepEqual(texts, [text, SMUGGLED].slice(statuses?.[0] === 200 ? 0 : 1).slice(0, texts.length), name);
    }

    const cases = makeCases('placeholder');
    const groups = Map.groupBy ? Map.groupBy(cases.keys(), (i) => cases[i][0].split(':')[0]) : cases.reduce((map, [name], i) => {
        const group = name.split(':')[0];
        return map.set(group, [...(map.get(group) ?? []), i]);
    }, new Map());
    for (const [group, indices] of groups) {
        test(`${group}: ${indices.length} cases, whole and in pieces`, LIMIT, async () => {
            for (const pieces of [1, 7, 64]) {
                await Promise.all(indices.map(async (i) => {
                    const text = `case ${i} in ${pieces}`;
                    const [name, bytes, statuses] = makeCases(text)[i];
                    try {
                        await run(name, bytes, statuses, text, pieces);
                    } catch (error) {
                        error.message = `${name} (in ${pieces}): ${error.message}\nsent: ${JSON.stringify(bytes)}`;
                        throw error;
                    }
                }));
                await f.probe(`probe ${group} ${pieces}`);
                count(`probe ${group} ${pieces}`);
            }
        });
    }

    test('the provider got just the requests that were answered, and all parsers agree', LIMIT, async (t) => {
        const requests = await readAlike(f.up.connections.map(({ text }) => text));
        const got = new Map();
        for (const sent of requests) {
            checkOurs(sent);
            const text = textOf(sent.body).split('\r\n')[0];
            got.set(text, (got.get(text) ?? 0) + 1);
        }
        assert.deepEqual(Object.fromEntries([...got].sort()), Object.fromEntries([...expected].sort()));
        t.diagnostic(`${cases.length} cases, 3 ways each; ${requests.length} requests on ${f.up.connections.length} connections, read by ${CHOICES.length + 2} parsers`);
    });
});

describe('answers that must not be taken for others', () => {
    let f;
    before(async () => { f = await startBetween({ keys: undefined }); });
    after(() => f?.close());

    test('HEAD gets no body, whatever the answer', LIMIT, async () => {
        for (const target of ['/livez', '/', '/v1/models', '/v1/models/only', '/v1/models/none', '/nothing', '/v1/chat/completions']) {
            const found = await exchange(f.gateway, `HEAD ${target} HTTP/1.1\r\nHost: x\r\n\r\nGET /v1/models/only HTTP/1.1\r\nHost: x\r\n\r\n`, { count: 2, heads: [0] });
            assert.equal(found.rest, '', `${target}: ${JSON.stringify(found.text)}`);
            assert.equal(JSON.parse(finals(found.answers)[1].body).id, 'only', `${target}: ${JSON.stringify(found.text)}`);
        }
    });

    test('a refusal quotes nothing that could end a head or a body', LIMIT, async () => {
        const model = 'x\r\nSet-Cookie: a=b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n';
        for (const bytes of [
            `GET /v1/models/${encodeURIComponent(model)} HTTP/1.1\r\nHost: x\r\n\r\n`,
            ...[model, `a/${model}`].map((name) => JSON.stringify({ model: name, messages: [] }))
                .map((body) => `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`),
        ]) {
            const found = await exchange(f.gateway, bytes, { count: 1 });
            assert.deepEqual(checkAnswers(found, [404]).flatMap(({ fields }) => fields.filter(([name]) => name === 'set-cookie')), []);
        }
    });

    test('a model\'s name with line ends makes no fields', LIMIT, async () => {
        const any = await startBetween({ providers: { a: { type: 'openai_compatible', base_url: f.up.url } }, models: undefined });
        const body = JSON.stringify({ model: 'a/x\r\nSet-Cookie: a=b\r\n\r\nGET / HTTP/1.1\r\n\r\n', messages: [{ role: 'user', content: 'named' }] });
        const found = await exchange(any.gateway, `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`, { count: 1 });
        await any.close();
        assert.equal(found.rest, '', JSON.stringify(found.text));
        assert.deepEqual(found.answers[0].fields.filter(([name]) => name === 'set-cookie'), []);
        for (const sent of f.up.requests) assert.equal(sent.target, '/v1/chat/completions');
    });
});

describe('a parser\'s own vectors', { skip: skipVectors }, () => {
    let f, vectors;
    before(async () => {
        vectors = fs.readFileSync(VECTORS, 'utf8').trim().split('\n').map((line) => JSON.parse(line))
            .map((vector) => ({ ...vector, bytes: Buffer.from(vector.input_b64, 'base64').toString('latin1') }));
        f = await startBetween();
    });
    after(() => f?.close());

    const firstStatus = (found) => finals(found.answers)[0]?.status;

    test('as requests, with their own target and with one that takes a body', { timeout: 120000 }, async (t) => {
        const requests = vectors.filter(({ file }) => file.startsWith('request/'));
        let refused = 0;
        await Promise.all(requests.flatMap((vector) => [vector.bytes, vector.bytes.replace(/^[A-Z-]+ [^ \r\n]+/, 'POST /v1/chat/completions')].map(async (bytes) => {
            const found = await exchange(f.gateway, bytes, { count: 1 });
            // A HEAD that was understood is answered without a body; one that was not, by an error like any other.
            if (found.rest !== '' && /^(?:\r\n)*HEAD /.test(bytes)) Object.assign(found, readAnswers(found.text, { heads: [0], closed: true }));
            const told = `${vector.file} ${vector.title}: ${JSON.stringify(bytes)} -> ${JSON.stringify(found.text)}`;
            assert.equal(found.rest, '', told);
            refused += firstStatus(found) >= 400 ? 1 : 0;
            if (vector.rejects && bytes === vector.bytes && !/message complete/.test(vector.log) && finals(found.answers).length > 0) {
                assert.match(String(firstStatus(found)), /^(4\d\d|501|505)$/, told);
            }
            assert.ok(!finals(found.answers).some(({ body }) => /chat\.completion/.test(body)), told);
        })));
        assert.equal(f.up.requests.length, 0, 'no vector is a request to a provider');
        t.diagnostic(`${requests.length} vectors, 2 ways each; ${refused} refused`);
    });

    test('as a provider\'s answers: one whole answer, and the next client gets its own', { timeout: 120000 }, async (t) => {
        const responses = vectors.filter(({ file }) => file.startsWith('response/'));
        const statuses = {};
        let cut = 0;
        for (const [i, vector] of responses.entries()) {
            for (const end of [false, true]) {
                f.up.respond = () => (socket) => (end ? socket.end(Buffer.from(vector.bytes, 'latin1')) : socket.write(Buffer.from(vector.bytes, 'latin1')));
                const body = JSON.stringify({ model: 'only', messages: [{ role: 'user', content: `vector ${i}` }] });
                const found = await exchange(f.gateway, `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`, { count: 1 });
                const told = `${vector.title}: ${JSON.stringify(vector.bytes)} -> ${JSON.stringify(found.text)}`;
                assert.equal(found.rest, '', told);
                assert.ok(finals(found.answers).length >= 1, told);
                const status = firstStatus(found);
                statuses[status] = (statuses[status] ?? 0) + 1;
                if (vector.rejects) assert.ok(status >= 400, told);
                f.up.respond = f.up.constructor.echo;
                await f.probe(`probe ${i}`);
                cut += 1;
            }
        }
        t.diagnostic(`${responses.length} vectors, ${cut} exchanges: ${JSON.stringify(statuses)}`);
    });

    test('what reached the provider reads the same to all parsers', LIMIT, async () => {
        for (const sent of await readAlike(f.up.connections.map(({ text }) => text))) checkOurs(sent);
    });
});
