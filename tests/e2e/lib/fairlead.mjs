// SPDX-License-Identifier: Apache-2.0
// The binary under test: started on a free port with a configuration in a folder of its own, awaited
// until it is ready, ended by its process id. A test that leaves it in a bad state (a leak, a crash, a
// process that does not end) fails when it stops.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

// Nothing outlives the tests, whatever ends them: each binary started is one listener.
process.setMaxListeners(0);

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

function newestBinary() {
    const found = ['asan', 'dev', 'release', 'clang', 'tsan']
        .map((preset) => path.join(ROOT, 'build', preset, 'src/cli/fairlead'))
        .filter((file) => fs.existsSync(file))
        .sort((a, b) => fs.statSync(b).mtimeMs - fs.statSync(a).mtimeMs);
    return found[0] ?? path.join(ROOT, 'build/dev/src/cli/fairlead');
}

export const BINARY = path.resolve(process.env.FAIRLEAD_BIN || newestBinary());

export function temporaryFolder() {
    return fs.mkdtempSync(path.join(os.tmpdir(), 'fairlead-e2e-'));
}

// No key, no proxy and no configuration of the machine that runs the tests gets in.
export function cleanEnvironment(extra = {}) {
    const kept = {};
    for (const name of ['PATH', 'ASAN_OPTIONS', 'UBSAN_OPTIONS', 'TSAN_OPTIONS', 'LSAN_OPTIONS', 'TMPDIR']) {
        if (process.env[name] !== undefined) kept[name] = process.env[name];
    }
    return { ...kept, HOME: '/nonexistent', LC_ALL: 'C.UTF-8', ...extra };
}

export async function freePort() {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address();
    server.close();
    await once(server, 'close');
    return port;
}

// Plain objects, lists and scalars as block YAML.
export function yaml(value, indent = '') {
    if (Array.isArray(value)) {
        return value.map((item) => `\n${indent}- ${yaml(item, indent + '  ').trimStart()}`).join('') || ' []';
    }
    if (value !== null && typeof value === 'object') {
        const lines = Object.entries(value).filter(([, item]) => item !== undefined);
        return lines.map(([key, item]) => `\n${indent}${key}:${yaml(item, indent + '  ')}`).join('') || ' {}';
    }
    return ' ' + (typeof value === 'string' ? JSON.stringify(value) : String(value));
}

// Runs a subcommand to its end.
export async function run(args, { env = {}, cwd, input = '', timeout = 30000 } = {}) {
    const child = spawn(BINARY, args, { cwd, env: cleanEnvironment(env), stdio: 'pipe' });
    const texts = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr']) {
        child[name].setEncoding('utf8').on('data', (text) => { texts[name] += text; });
    }
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    const timer = setTimeout(() => child.kill('SIGKILL'), timeout);
    const [code, signal] = await once(child, 'close');
    clearTimeout(timer);
    assert.equal(signal, null, `${args.join(' ')} was killed by ${signal}: ${texts.stderr}`);
    return { code, ...texts };
}

class Fairlead {
    constructor(config, port, options) {
        this.folder = temporaryFolder();
        this.file = path.join(this.folder, 'fairlead.yaml');
        this.port = port;
        this.scheme = config.tls ? 'https' : 'http';
        this.origin = `${this.scheme}://127.0.0.1:${port}`;
        this.baseURL = this.origin + '/v1';
        this.log = '';
        this.write({ listen: `127.0.0.1:${port}`, workers: 2, telemetry: { access_log: false }, ...config });
        this.child = spawn(BINARY, ['serve', '-c', this.file], {
            cwd: this.folder, env: cleanEnvironment(options.env), stdio: ['ignore', 'pipe', 'pipe'],
        });
        this.exited = once(this.child, 'exit').then(([code, signal]) => ({ code, signal }));
        process.once('exit', () => this.child.kill('SIGKILL'));
        for (const stream of [this.child.stdout, this.child.stderr]) {
            stream.setEncoding('utf8').on('data', (text) => { this.log += text; });
        }
    }

    // A text is written as it is.
    write(config) {
        this.config = config;
        fs.writeFileSync(this.file, typeof config === 'string' ? config : yaml(config).trimStart() + '\n');
    }

    async ready() {
        const deadline = Date.now() + 15000;
        const gone = this.exited.then(({ code, signal }) => {
            throw new Error(`fairlead ended (${code ?? signal}) before it was ready:\n${this.log}`);
        });
        gone.catch(() => {});
        while (Date.now() < deadline) {
            const socket = net.connect(this.port, '127.0.0.1');
            const open = once(socket, 'connect').then(() => true, () => false);
            if (await Promise.race([open, gone])) {
                socket.destroy();
                return this;
            }
            await new Promise((done) => setTimeout(done, 5));
        }
        this.child.kill('SIGKILL');
        throw new Error(`fairlead is not ready after 15 s:\n${this.log}`);
    }

    signal(name) {
        process.kill(this.child.pid, name);
    }

    // Waits until the log has the text.
    async logged(pattern, timeout = 5000) {
        const deadline = Date.now() + timeout;
        while (!pattern.test(this.log)) {
            assert.ok(Date.now() < deadline, `no ${pattern} in the log:\n${this.log}`);
            await new Promise((done) => setTimeout(done, 10));
        }
    }

    openFiles() {
        return fs.readdirSync(`/proc/${this.child.pid}/fd`).length;
    }

    // Drains and ends it; anything but a clean exit is a failure.
    async stop() {
        if (this.child.exitCode === null && this.child.signalCode === null) {
            this.signal('SIGTERM');
        }
        const timer = setTimeout(() => this.child.kill('SIGKILL'), 10000);
        const { code, signal } = await this.exited;
        clearTimeout(timer);
        fs.rmSync(this.folder, { recursive: true, force: true });
        assert.deepEqual({ code, signal }, { code: 0, signal: null }, `fairlead did not end cleanly:\n${this.log}`);
    }
}

export async function start(config, options = {}) {
    return new Fairlead(config, options.port ?? await freePort(), options).ready();
}
