// SPDX-License-Identifier: Apache-2.0
// A provider that keeps every byte it is sent, and readers of HTTP/1 that disagree wherever a message can be
// read in two ways: node's parser, strict and lenient, and a splitter written here that takes anything, with
// its choices (which length counts, what ends a line) as parameters.
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';

import { completion } from './upstream.mjs';

// --- the splitter ---

const ENDS = { crlf: /\r\n/g, lf: /\r?\n/g, any: /\r\n|\r|\n/g };

// Every way to choose: chunked or length when both are there, first or last of several, what ends a line.
export const CHOICES = ['chunked', 'length'].flatMap((framing) => ['first', 'last'].flatMap((pick) =>
    Object.keys(ENDS).map((ends) => ({ framing, pick, ends }))));

function lineAt(text, from, ends) {
    const pattern = ENDS[ends];
    pattern.lastIndex = from;
    const found = pattern.exec(text);
    return found ? { line: text.slice(from, found.index), next: pattern.lastIndex } : null;
}

// Spaces around names, folded lines and names with stray bytes in them: all taken.
function readHead(text, from, ends) {
    let at = lineAt(text, from, ends);
    while (at && at.line.trim() === '') at = lineAt(text, at.next, ends);
    if (!at) return null;
    const start = at.line;
    const fields = [];
    for (at = lineAt(text, at.next, ends); at; at = lineAt(text, at.next, ends)) {
        if (at.line.trim() === '') return { start, fields, next: at.next };
        const colon = at.line.indexOf(':');
        if (/^[ \t]/.test(at.line) && fields.length > 0) fields.at(-1)[1] += ' ' + at.line.trim();
        if (colon >= 0) fields.push([at.line.slice(0, colon).toLowerCase().replace(/[^a-z]+/g, '-').replace(/^-|-$/g, ''), at.line.slice(colon + 1).trim()]);
    }
    return null;
}

// A size with signs, prefixes, spaces and extensions; null: no digit at all.
function readSize(line) {
    const size = parseInt(line.trim().replace(/^[+"']/, '').replace(/^0x/i, ''), 16);
    return Number.isNaN(size) ? null : Math.abs(size);
}

function readChunks(text, from, ends) {
    let body = '';
    let at = lineAt(text, from, ends);
    while (at) {
        const size = readSize(at.line);
        if (size === null) return null;
        if (size === 0) {
            for (at = lineAt(text, at.next, ends); at; at = lineAt(text, at.next, ends)) {
                if (at.line.trim() === '') return { body, next: at.next };
            }
            return null;
        }
        if (at.next + size > text.length) return null;
        body += text.slice(at.next, at.next + size);
        const after = /^\s*/.exec(text.slice(at.next + size, at.next + size + 4))[0].length;
        at = lineAt(text, at.next + size + after, ends);
    }
    return null;
}

function readBody(text, head, { framing, pick, ends }) {
    const choose = (list) => (pick === 'first' ? list[0] : list.at(-1));
    const lengths = head.fields.filter(([name]) => name === 'content-length')
        .flatMap(([, value]) => value.match(/[0-9]+/g) ?? []).map(Number);
    const chunked = head.fields.some(([name, value]) => name === 'transfer-encoding' && /chunk/i.test(value));
    if (chunked && (framing === 'chunked' || lengths.length === 0)) return readChunks(text, head.next, ends);
    const length = choose(lengths) ?? 0;
    const next = head.next + length;
    return next <= text.length ? { body: text.slice(head.next, next), next } : null;
}

// All messages at the front of *text* (latin1), and what is left.
export function split(text, choice = CHOICES[0]) {
    const requests = [];
    let at = 0;
    for (;;) {
        const head = readHead(text, at, choice.ends);
        const body = head && readBody(text, head, choice);
        if (!body) return { requests, rest: text.slice(at), at };
        const [method, target] = head.start.split(/\s+/);
        requests.push({ method, target, fields: head.fields, body: body.body });
        at = body.next;
    }
}

// --- node's parser ---

// What node reads in each of *texts*, one connection each: [{requests, error}].
export async function readByNode(texts, { insecureHTTPParser }) {
    const read = new Map();
    const server = http.createServer({ insecureHTTPParser, requireHostHeader: false }, (request, response) => {
        const parts = [];
        const fields = [];
        for (let i = 0; i < request.rawHeaders.length; i += 2) fields.push([request.rawHeaders[i].toLowerCase(), request.rawHeaders[i + 1]]);
        const seen = { method: request.method, target: request.url, fields, body: null };
        read.get(request.socket).requests.push(seen);
        request.on('data', (part) => parts.push(part));
        request.on('end', () => {
            seen.body = Buffer.concat(parts).toString('latin1');
            response.end();
        });
    });
    server.on('connection', (socket) => read.set(socket, { requests: [], error: null, port: socket.remotePort }));
    server.on('clientError', (error, socket) => {
        read.get(socket).error = error.code;
        socket.destroy();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const results = [];
    for (const text of texts) {
        const socket = net.connect(server.address().port, '127.0.0.1');
        socket.on('error', () => {});
        await once(socket, 'connect');
        const port = socket.localPort;
        socket.resume();
        socket.end(Buffer.from(text, 'latin1'));
        await once(socket, 'close');
        results.push([...read.values()].find((one) => one.port === port));
    }
    server.close();
    return results;
}

// --- the provider ---

class Recorder {
    constructor() {
        this.connections = [];
        this.sockets = new Set();
        this.respond = Recorder.echo;
        this.server = net.createServer((socket) => this.#take(socket));
    }

    // Answers with the text of the last message: who gets another one's answer notices.
    static echo(request) {
        const body = JSON.stringify(completion(JSON.parse(request.body).messages.at(-1).content));
        return `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
    }

    #take(socket) {
        const connection = { text: '', answered: 0 }; // answered: bytes
        this.connections.push(connection);
        this.sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => this.sockets.delete(socket));
        socket.on('data', (bytes) => {
            connection.text += bytes.toString('latin1');
            const { requests, at } = split(connection.text.slice(connection.answered));
            connection.answered += at;
            for (const request of requests) {
                let answer;
                try {
                    answer = this.respond(request);
                } catch {
                    answer = 'HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}';
                }
                if (typeof answer === 'function') answer(socket);
                else socket.write(Buffer.from(answer, 'latin1'));
            }
        });
    }

    // Requests so far, by the splitter.
    get requests() {
        return this.connections.flatMap((connection) => split(connection.text).requests);
    }

    async close() {
        this.server.close();
        for (const socket of this.sockets) socket.destroy();
        await once(this.server, 'close');
    }
}

export async function recorder() {
    const made = new Recorder();
    made.server.listen(0, '127.0.0.1');
    await once(made.server, 'listening');
    made.url = `http://127.0.0.1:${made.server.address().port}/v1`;
    return made;
}

// --- what a client is sent ---

// Strict: whole answers, one after the other, nothing between them. *heads*: which of them answer a HEAD.
export function readAnswers(text, { heads = [], closed = false } = {}) {
    const answers = [];
    let at = 0;
    while (at < text.length) {
        const found = /^HTTP\/1\.1 (\d{3}) [^\r\n]*\r\n((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+: [^\r\n\0]*\r\n)*)\r\n/.exec(text.slice(at));
        if (!found) return { answers, rest: text.slice(at) };
        const fields = found[2].split('\r\n').slice(0, -1).map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]);
        const field = (name) => fields.find(([one]) => one === name)?.[1];
        const answer = { status: Number(found[1]), fields, body: '' };
        at += found[0].length;
        if (answer.status >= 200 && !heads.includes(answers.filter(({ status }) => status >= 200).length)) {
            if (field('transfer-encoding') === 'chunked') {
                for (;;) {
                    const chunk = /^([0-9a-f]+)\r\n/.exec(text.slice(at));
                    if (!chunk) return { answers, rest: text.slice(at) };
                    const size = parseInt(chunk[1], 16);
                    at += chunk[0].length;
                    answer.body += text.slice(at, at + size);
                    at += size;
                    if (text.slice(at, at + 2) !== '\r\n') return { answers, rest: text.slice(at) };
                    at += 2;
                    if (size === 0) break;
                }
            } else if (field('content-length') !== undefined) {
                const length = Number(field('content-length'));
                answer.body = text.slice(at, at + length);
                at += length;
                if (answer.body.length < length) return { answers, rest: text.slice(at - length) };
            } else if (closed) {
                answer.body = text.slice(at);
                at = text.length;
            }
        }
        answers.push(answer);
    }
    return { answers, rest: '' };
}
