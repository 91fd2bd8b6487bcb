// SPDX-License-Identifier: Apache-2.0
// A provider whose behaviour each test scripts: status, heads, timing, cuts, garbage. It keeps what it
// was asked, byte for byte, and when each connection went away.
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

export const MESSAGES = [{ role: 'user', content: 'Say hello.' }];

// A minimal OpenAI answer, and the events of a streamed one.
export function completion(text, model = 'model-a') {
    return {
        id: 'chatcmpl-1', object: 'chat.completion', created: 1700000000, model,
        choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }],
        usage: { prompt_tokens: 5, completion_tokens: 3, total_tokens: 8 },
    };
}

export function chunk(delta, finish = null, model = 'model-a') {
    return {
        id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1700000000, model,
        choices: [{ index: 0, delta, finish_reason: finish }],
    };
}

export const usageChunk = () => ({ ...chunk({}), choices: [], usage: completion('').usage });
export const event = (value) => `data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`;

export function words(text, { usage = false } = {}) {
    const events = [chunk({ role: 'assistant', content: '' })];
    for (const word of text.split(/(?<= )/)) events.push(chunk({ content: word }));
    events.push(chunk({}, 'stop'));
    if (usage) events.push(usageChunk());
    return [...events, '[DONE]'].map(event);
}

// One request as the provider saw it.
class Seen {
    constructor(request, response) {
        this.request = request;
        this.response = response;
        this.method = request.method;
        this.url = request.url;
        this.headers = request.headers;
        this.arrived = performance.now();
        // When the connection went away before the answer was whole; never otherwise.
        this.cut = new Promise((done) => {
            response.once('close', () => {
                this.aborted = !response.writableFinished;
                if (this.aborted) done(performance.now());
            });
        });
    }

    get text() { return this.body.toString('utf8'); }
    get json() { return JSON.parse(this.text); }

    // The whole head as it was sent, to search for what must not be in it.
    get head() {
        const lines = [];
        for (let i = 0; i < this.request.rawHeaders.length; i += 2) {
            lines.push(`${this.request.rawHeaders[i]}: ${this.request.rawHeaders[i + 1]}`);
        }
        return `${this.method} ${this.url}\n${lines.join('\n')}`;
    }

    send(status, value, headers = {}) {
        const body = Buffer.isBuffer(value) || typeof value === 'string' ? value : JSON.stringify(value);
        this.response.writeHead(status, {
            'content-type': 'application/json', 'content-length': Buffer.byteLength(body), ...headers,
        });
        this.response.end(body);
    }

    error(status, message, fields = {}, headers = {}) {
        this.send(status, { error: { message, type: 'server_error', param: null, code: null, ...fields } }, headers);
    }

    openStream(headers = {}) {
        this.response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', ...headers });
        this.response.flushHeaders();
    }

    write(text) {
        this.response.write(text);
    }

    async stream(events, { gap = 0, headers = {} } = {}) {
        this.openStream(headers);
        for (const text of events) {
            if (this.response.destroyed) return;
            this.write(text);
            if (gap) await sleep(gap);
        }
        this.response.end();
    }

    // Raw bytes instead of an HTTP answer.
    raw(text) {
        this.response.socket.write(text);
    }

    // The connection goes away, with a FIN or with a RST.
    cutNow({ reset = false } = {}) {
        const { socket } = this.response;
        if (reset) socket.resetAndDestroy();
        else socket.destroy();
    }
}

class Upstream {
    constructor(server) {
        this.server = server;
        this.requests = [];
        this.connections = 0;
        this.handler = (seen) => seen.send(200, completion('hello', seen.json.model));
        server.on('connection', () => { this.connections += 1; });
        server.on(server instanceof https.Server ? 'secureConnection' : 'connection', (socket) => {
            socket.on('error', () => {});
        });
        server.on('request', (request, response) => this.#take(request, response));
        server.keepAliveTimeout = 60000;
    }

    #take(request, response) {
        const parts = [];
        const seen = new Seen(request, response);
        request.on('data', (part) => parts.push(part));
        request.on('error', () => {});
        request.on('end', async () => {
            seen.body = Buffer.concat(parts);
            this.requests.push(seen);
            this.waiting?.(seen);
            try {
                await this.handler(seen);
            } catch (error) {
                this.failure = error;
                response.destroy();
            }
        });
    }

    // What it does from now on; what it was asked so far is forgotten.
    answers(handler) {
        this.requests.length = 0;
        this.failure = undefined;
        this.handler = handler;
    }

    get last() { return this.requests.at(-1); }

    // The next request that arrives.
    next() {
        return new Promise((done) => { this.waiting = done; });
    }

    async close() {
        this.server.close();
        this.server.closeAllConnections();
        await once(this.server, 'close');
        if (this.failure) throw this.failure;
    }
}

// *tls*: {key, cert} in PEM for HTTPS.
export async function upstream({ tls, host = '127.0.0.1' } = {}) {
    const server = tls ? https.createServer(tls) : http.createServer();
    server.listen(0, host);
    await once(server, 'listening');
    const up = new Upstream(server);
    up.port = server.address().port;
    up.url = `${tls ? 'https' : 'http'}://${tls ? 'localhost' : host}:${up.port}/v1`;
    return up;
}
