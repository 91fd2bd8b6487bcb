// SPDX-License-Identifier: Apache-2.0
// Clients without an SDK: whole requests, raw sockets, curl; and what every error must look like.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import http from 'node:http';
import net from 'node:net';

// One request on a connection of its own (or through *agent*). Never throws for what the server does:
// *broken* says that the answer was not whole.
export function request(origin, { method = 'POST', path = '/v1/chat/completions', headers = {}, body, agent = false,
    timeout = 15000 } = {}) {
    return new Promise((done, fail) => {
        const text = body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
        const sent = http.request(new URL(path, origin), {
            method, agent,
            headers: { ...(text === undefined ? {} : {
                'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }), ...headers },
        }, (answer) => {
            const parts = [];
            const finish = (broken) => {
                const bytes = Buffer.concat(parts);
                done({
                    status: answer.statusCode, headers: answer.headers, bytes, text: bytes.toString('utf8'), broken,
                    get json() { return JSON.parse(this.text); },
                });
            };
            answer.on('data', (part) => parts.push(part));
            answer.on('end', () => finish(!answer.complete));
            answer.on('error', () => finish(true));
        });
        sent.setTimeout(timeout, () => sent.destroy(new Error(`no answer within ${timeout} ms`)));
        sent.on('error', fail);
        sent.end(text);
    });
}

export const chat = (origin, body, options = {}) => request(origin, { body, ...options });

// A socket to send any bytes through; *until* waits for a pattern in what came back.
export class Raw {
    constructor(port) {
        this.text = '';
        this.closed = false;
        this.waiting = [];
        this.socket = net.connect(port, '127.0.0.1');
        this.socket.on('data', (bytes) => { this.text += bytes.toString('latin1'); this.#look(); });
        this.socket.on('error', () => {});
        this.socket.on('close', () => { this.closed = true; this.closedAt = performance.now(); this.#look(); });
    }

    #look() {
        this.waiting = this.waiting.filter((look) => !look());
    }

    send(text) {
        this.socket.write(text);
    }

    #wait(what, condition, timeout) {
        return new Promise((done, fail) => {
            const timer = setTimeout(() => fail(new Error(`${what}: not within ${timeout} ms, got: ${this.text}`)), timeout);
            const look = () => {
                const good = condition();
                if (!good && !this.closed) return false;
                clearTimeout(timer);
                if (good) done(this.text);
                else fail(new Error(`${what}: connection closed, got: ${this.text}`));
                return true;
            };
            if (!look()) this.waiting.push(look);
        });
    }

    until(pattern, timeout = 5000) {
        return this.#wait(`waiting for ${pattern}`, () => pattern.test(this.text), timeout);
    }

    end(timeout = 5000) {
        return this.#wait('waiting for the end', () => this.closed, timeout);
    }

    destroy() {
        this.socket.destroy();
    }
}

export function curl(...args) {
    return new Promise((done) => {
        execFile('curl', ['--silent', '--show-error', '--max-time', '15', ...args], { encoding: 'utf8', maxBuffer: 64 << 20 },
            (error, stdout, stderr) => done({ code: error ? error.code : 0, stdout, stderr }));
    });
}

// Every error is OpenAI's envelope with a message that says something, and carries an id to ask about.
export function assertEnvelope(answer, status, { code, type, message, param } = {}) {
    assert.equal(answer.status, status, answer.text);
    assert.match(answer.headers['content-type'] ?? '', /^application\/json/);
    assert.match(answer.headers['x-request-id'] ?? '', /^[A-Za-z0-9._-]{1,128}$/);
    const { error } = answer.json;
    assert.deepEqual(['code', 'message', 'param', 'type'].filter((key) => !(key in error)), [], answer.text);
    assert.equal(typeof error.message, 'string');
    assert.ok(error.message.length > 10, `a message that says what to do: ${error.message}`);
    assert.equal(typeof error.type, 'string');
    if (code !== undefined) assert.equal(error.code, code);
    if (type !== undefined) assert.equal(error.type, type);
    if (param !== undefined) assert.equal(error.param, param);
    if (message !== undefined) assert.match(error.message, message);
    return error;
}
