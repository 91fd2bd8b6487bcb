// SPDX-License-Identifier: Apache-2.0
// What attacks cost in memory and file descriptors. The figures are those of a binary without sanitizers; with
// them only the descriptors are counted.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { after, before, describe, test } from 'node:test';
import zlib from 'node:zlib';

import { BINARY, freePort, start } from './lib/fairlead.mjs';
import { twoProviders } from './lib/fixture.mjs';
import { Raw, chat } from './lib/http.mjs';
import { MESSAGES, chunk, completion, event, sleep, upstream, words } from './lib/upstream.mjs';

const LIMIT = { timeout: 120000 };
const sanitized = fs.readFileSync(BINARY).includes('__asan_init') || fs.readFileSync(BINARY).includes('__tsan_init');
const skip = sanitized ? 'skipped: a binary with sanitizers' : false;

// Both ends of each client are this process's.
const filesMax = Number(/Max open files\s+(\d+)/.exec(fs.readFileSync('/proc/self/limits', 'utf8'))[1]);
const CLIENTS = Math.min(2000, Math.floor((filesMax - 200) / 3));

const KIB = 1024;
const statusOf = (f, field) => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(fs.readFileSync(`/proc/${f.gateway.child.pid}/status`, 'utf8'))[1]) * KIB;
const resident = (f) => statusOf(f, 'VmRSS');

// The highest since the last call of forgetPeak().
const peak = (f) => statusOf(f, 'VmHWM');
const forgetPeak = (f) => fs.writeFileSync(`/proc/${f.gateway.child.pid}/clear_refs`, '5');

async function until(what, condition, timeout = 20000) {
    const deadline = Date.now() + timeout;
    while (!await condition()) {
        assert.ok(Date.now() < deadline, `${what}: not within ${timeout} ms`);
        await sleep(20);
    }
}

// Until more can be written, or nothing ever again.
const roomIn = (stream) => new Promise((done) => {
    const go = () => {
        stream.off('drain', go);
        stream.off('close', go);
        done();
    };
    stream.on('drain', go);
    stream.on('close', go);
});

async function warmUp(f) {
    f.a.answers((seen) => (seen.json.stream ? seen.stream(words('a b')) : seen.send(200, completion('ok'))));
    for (let i = 0; i < 50; i++) {
        for (const stream of [true, false]) assert.equal((await chat(f.origin, { model: 'only', messages: MESSAGES, stream })).status, 200);
    }
}

describe('slow clients', { skip }, () => {
    // What each of *count* connections to a new process costs while *hold* keeps them open.
    async function cost(t, { count = CLIENTS, most = 4 * KIB, connect, hold = () => sleep(300), answer }) {
        const f = await twoProviders({
            limits: { head_timeout: '60s', body_timeout: '60s', body: '64MiB', drain: '1s' },
            routing: { failover_threshold: 1000, timeouts: { first_token: '60s', idle: '60s', total: '120s' } },
        });
        const clients = [];
        try {
            await warmUp(f);
            f.a.answers(answer);
            const files = f.gateway.openFiles();
            const memory = resident(f);
            for (let i = 0; i < count; i++) clients.push(new Raw(f.gateway.port));
            for (const client of clients) connect(client);
            // Some of those counted at the start may be kept connections to a provider, which end.
            await until('all accepted', () => f.gateway.openFiles() >= files + count - 10);
            await hold(clients);
            const each = (resident(f) - memory) / count;
            t.diagnostic(`${count} clients, ${Math.round(each)} bytes each`);
            assert.equal(clients.filter((client) => !client.closed).length, count);
            assert.ok(each <= most, `${Math.round(each)} bytes a connection`);
            for (const client of clients) client.destroy();
            await until('all closed', () => f.gateway.openFiles() <= files);
        } finally {
            for (const client of clients) client.destroy();
            await f.close();
        }
    }

    const HEAD = 'POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
    const drip = (text) => async (clients) => {
        for (let i = 0; i < 8; i++) {
            for (const client of clients) client.send(text);
            await sleep(100);
        }
    };
    const sends = (text) => (client) => client.send(text);

    test('nothing is sent', LIMIT, (t) => cost(t, { connect: () => {} }));

    test('a head that drips', LIMIT, (t) => cost(t, { connect: sends(`${HEAD}X-Drip: `), hold: drip('x') }));

    for (const length of [200, 60_000, 100_000, 1_000_000, 60_000_000]) {
        test(`a body of ${length} bytes that drips`, LIMIT, (t) => cost(t, {
            connect: sends(`${HEAD}Content-Length: ${length}\r\n\r\n{"model":"only",`), hold: drip(' ') }));
    }

    test('a body of chunks that drips', LIMIT, (t) => cost(t, { connect: sends(`${HEAD}Transfer-Encoding: chunked\r\n\r\n`), hold: drip('1\r\n \r\n') }));

    const ASK = JSON.stringify({ model: 'only', messages: MESSAGES, stream: true });
    const ask = (client) => {
        client.send(`${HEAD}Content-Length: ${ASK.length}\r\n\r\n${ASK}`);
        client.socket.pause();
    };

    test('a stream that is not read', LIMIT, async (t) => {
        const streams = [];
        await cost(t, {
            connect: ask, most: 4 * KIB, // of two connections, the client's and the provider's
            answer(seen) {
                seen.openStream();
                streams.push(seen);
            },
            async hold() {
                await until('all streams', () => streams.length === CLIENTS);
                for (let i = 0; i < 5; i++) {
                    for (const seen of streams) seen.write(event(chunk({ content: 'x'.repeat(100) })));
                    await sleep(200);
                }
            },
        });
    });

    // What the kernels' buffers do not take is held by neither side.
    test('a stream faster than its reader, all buffers full', LIMIT, async (t) => {
        const count = Math.min(50, CLIENTS);
        const block = event(chunk({ content: 'x'.repeat(1000) })).repeat(16);
        let written = 0;
        await cost(t, {
            count, most: 68 * KIB, connect: ask,
            async answer(seen) {
                seen.openStream();
                while (!seen.response.destroyed) {
                    written += block.length;
                    if (!seen.response.write(block)) await roomIn(seen.response);
                }
            },
            async hold() {
                await until('streams flow', () => written > count * 100 * KIB);
                for (let last = -1; last !== written; await sleep(500)) last = written;
            },
        });
        t.diagnostic(`the provider wrote ${Math.round(written / count / KIB)} KiB a stream`);
    });
});

describe('a provider that sends too much', { skip }, () => {
    let f;
    before(async () => {
        f = await twoProviders({ workers: 1, limits: { event: '256KiB' }, routing: { failover_threshold: 1000, timeouts: { first_token: '2s', idle: '2s', total: '10s' } } });
        await warmUp(f);
    });
    after(() => f?.close());

    const zeros = (bytes) => zlib.gzipSync(Buffer.alloc(bytes));
    const bomb = Buffer.concat([zlib.gzipSync('{"choices":['), zeros(64 << 20)]); // two members
    const text = Buffer.concat([Buffer.from('{"id":"x","choices":["'), Buffer.alloc(64 << 20, 'x')]);
    const forever = async (seen, part) => {
        const { socket } = seen.response;
        for (let sent = 0; !socket.destroyed && sent < 64 << 20; sent += part.length) {
            if (!socket.write(part)) await roomIn(socket);
        }
        socket.destroy();
    };
    const starts = (head, part) => async (seen) => {
        seen.raw(head);
        await forever(seen, part);
    };
    const OK = 'HTTP/1.1 200 OK\r\n';
    const packed = (bytes, type) => (seen) => seen.send(200, bytes, { 'content-type': type, 'content-encoding': 'gzip' });

    const misdeeds = {
        'a gzip of 64 MiB of zeros': packed(zeros(64 << 20), 'application/json'),
        'a gzip of two members': packed(bomb, 'application/json'),
        'a gzip of one long JSON text': packed(zlib.gzipSync(text), 'application/json'),
        'a gzip of one long event': packed(zlib.gzipSync(Buffer.concat([Buffer.from('data: '), text])), 'text/event-stream'),
        'a gzip of many events': packed(zlib.gzipSync(event(chunk({ content: 'x' })).repeat(200_000)), 'text/event-stream'),
        'a head without an end: many fields': starts(OK, 'X-Field: value\r\n'.repeat(100)),
        'a head without an end: one field': starts(`${OK}X-Field: `, 'x'.repeat(4000)),
        'a status line without an end': starts('HTTP/1.1 200 ', 'x'.repeat(4000)),
        'interim answers without an end': starts('', 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(50)),
        'a chunk size without an end': starts(`${OK}Transfer-Encoding: chunked\r\n\r\n`, '0'.repeat(4000)),
        'trailers without an end': starts(`${OK}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n`, 'X-Field: value\r\n'.repeat(100)),
        'an event without an end': starts(`${OK}Content-Type: text/event-stream\r\n\r\n${event(chunk({ content: 'x' }))}data: `, 'x'.repeat(4000)),
        'comments without an end': starts(`${OK}Content-Type: text/event-stream\r\n\r\n`, ': x\n\n'.repeat(1000)),
        'an error text without an end': starts('HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n\r\n', 'x'.repeat(4000)),
    };
    for (const [name, misdeed] of Object.entries(misdeeds)) {
        test(name, LIMIT, async (t) => {
            f.a.answers(misdeed);
            forgetPeak(f);
            const memory = peak(f);
            for (const stream of [false, true]) await chat(f.origin, { model: 'only', messages: MESSAGES, stream }).catch(() => {});
            const grown = peak(f) - memory;
            t.diagnostic(`grown by ${grown / KIB} KiB at most`);
            assert.ok(grown <= KIB * KIB, `${grown} bytes`);
        });
    }
});

// A stream of ten minutes has some 50,000 events at the rate of a fast model.
describe('a long stream, translated', { skip }, () => {
    const EVENTS = 200_000;
    test('from Anthropic\'s dialect to OpenAI\'s', LIMIT, async (t) => {
        const line = (type, fields) => `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
        const delta = line('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'twenty bytes of text' } });
        const up = await upstream();
        const gateway = await start({ providers: { p: { type: 'anthropic', base_url: up.url, api_key: 'k', models: ['m'] } } });
        const f = { gateway };
        up.answers(async (seen) => {
            if (seen.method === 'GET') return seen.send(200, { data: [] });
            seen.openStream();
            seen.write(line('message_start', { message: { id: 'm', type: 'message', role: 'assistant', model: 'm', content: [], usage: { input_tokens: 3, output_tokens: 1 } } }));
            seen.write(line('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }));
            for (let sent = 0; sent < EVENTS; sent += 100) {
                if (!seen.response.write(delta.repeat(100))) await roomIn(seen.response);
            }
            seen.write(line('content_block_stop', { index: 0 }));
            seen.write(line('message_delta', { delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: EVENTS } }));
            seen.response.end(line('message_stop', {}));
        });
        const ask = async () => {
            const answer = await fetch(`${gateway.baseURL}/chat/completions`, { method: 'POST', body: JSON.stringify({ model: 'p/m', messages: MESSAGES, stream: true }) });
            let bytes = 0, first = 0, tail = '';
            for await (const part of answer.body) {
                bytes += part.length;
                tail = (tail + Buffer.from(part).toString()).slice(-100);
                if (first === 0 && bytes > 8 * KIB * KIB) { // the client has been slower by then
                    forgetPeak(f);
                    first = peak(f);
                }
            }
            assert.match(tail, /\[DONE\]\n\n$/);
            return [bytes, peak(f) - first];
        };
        try {
            const [bytes, grown] = await ask();
            t.diagnostic(`${bytes} bytes, grown by ${grown / KIB} KiB after the first 8 MiB`);
            assert.ok(bytes > EVENTS * 100);
            assert.ok(grown <= 512 * KIB, `${grown} bytes`); // what is made of a read or two may wait for the client
        } finally {
            await gateway.stop();
            await up.close();
        }
    });
});

// A provider in a process of its own, that can be killed.
const VICTIM = `
    const http = require('http');
    http.createServer((request, response) => {
        request.resume().on('end', () => {
            response.writeHead(200, { 'content-type': 'text/event-stream' });
            response.write('data: {"choices":[{"index":0,"delta":{"content":"x"}}]}\\n\\n');
        });
    }).listen(Number(process.argv[1]), '127.0.0.1', () => console.log('ready'));
`;

describe('file descriptors', () => {
    let f, port, victim;
    const REQUESTS = 500;
    before(async () => {
        port = await freePort();
        f = await twoProviders({
            routing: { failover_threshold: 1000, attempts: 1, timeouts: { connect: '10s', first_token: '3s', idle: '10s', total: '20s' } },
            providers: { b: { base_url: `http://127.0.0.1:${port}/v1` } },
            models: { victim: { targets: ['b/model-b'] } },
        });
        await warmUp(f);
    });
    after(async () => {
        victim?.kill('SIGKILL');
        await f?.close();
    });

    // Descriptors beside the connections to providers that are open at both ends.
    async function files() {
        const [pooled, busy] = await Promise.all([f.a, f.b].map((up) => new Promise((done) => up.server.getConnections((error, count) => done(count)))));
        return f.gateway.openFiles() - pooled - busy;
    }

    async function flat(t, each, atOnce = 50) {
        const begun = await files();
        const answers = {};
        for (let done = 0; done < REQUESTS; done += atOnce) {
            for (const answer of await each(atOnce)) {
                const kind = answer.broken ? `${answer.status}, broken` : answer.status;
                answers[kind] = (answers[kind] ?? 0) + 1;
            }
        }
        await until(`as many as at the start, ${begun}`, async () => Math.abs(await files() - begun) < 5 && await files() <= begun);
        t.diagnostic(`${begun} before and ${await files()} after ${REQUESTS} requests: ${JSON.stringify(answers)}`);
        assert.equal(answers[200] ?? 0, 0);
    }
    const asks = (model, stream) => (count) => Promise.all(Array.from({ length: count }, () => chat(f.origin, { model, messages: MESSAGES, stream })));

    const kinds = {
        'killed in the middle of a stream': async (seen) => {
            seen.openStream();
            seen.write(words('a b')[0]);
            await sleep(5);
            seen.cutNow();
        },
        'reset in the middle of a stream': async (seen) => {
            seen.openStream();
            seen.write(words('a b')[0]);
            await sleep(5);
            seen.cutNow({ reset: true });
        },
        stalled: () => {},
        garbage: (seen) => seen.raw('\0\x01\x02 garbage\r\n\r\n'),
        'a 200 with an error in it': (seen) => seen.error(200, 'not really'),
        'a head without an end': async (seen) => {
            seen.raw('HTTP/1.1 200 OK\r\n');
            for (let i = 0; i < 200 && !seen.response.socket.destroyed; i++) seen.raw('X-Field: value\r\n'.repeat(100));
        },
        'half an answer': (seen) => {
            seen.response.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 });
            seen.write('{"id":');
            setTimeout(() => seen.cutNow(), 5);
        },
    };
    for (const [name, misdeed] of Object.entries(kinds)) {
        test(name, LIMIT, async (t) => {
            f.a.answers(misdeed);
            await flat(t, asks('only', /stream/.test(name)), name === 'stalled' ? 250 : 50);
        });
    }

    test('refused', LIMIT, (t) => flat(t, asks('victim', false)));

    test('the provider\'s process is killed', LIMIT, (t) => flat(t, async (count) => {
        victim = spawn(process.execPath, ['-e', VICTIM, String(port)], { stdio: ['ignore', 'pipe', 'inherit'] });
        await once(victim.stdout, 'data');
        const body = JSON.stringify({ model: 'victim', messages: MESSAGES, stream: true });
        const clients = Array.from({ length: count }, () => new Raw(f.gateway.port));
        for (const client of clients) client.send(`POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
        await Promise.all(clients.map((client) => client.until(/"x"/, 20000)));
        victim.kill('SIGKILL');
        await Promise.all(clients.map((client) => client.end(20000)));
        for (const client of clients) assert.match(client.text, /data: \{"error"/);
        return clients.map((client) => ({ status: 200, broken: !client.text.endsWith('0\r\n\r\n') }));
    }));

    test('clients that vanish', LIMIT, (t) => flat(t, async (count) => {
        f.a.answers((seen) => { seen.openStream(); seen.write(words('a b')[1]); });
        const body = JSON.stringify({ model: 'only', messages: MESSAGES, stream: true });
        const clients = Array.from({ length: count }, () => new Raw(f.gateway.port));
        for (const client of clients) client.send(`POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
        await Promise.all(clients.map((client) => client.until(/data: /, 20000)));
        for (const client of clients) client.destroy();
        return [];
    }));
});
