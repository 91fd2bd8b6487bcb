// SPDX-License-Identifier: Apache-2.0
// Agents on the command line, pointed at fairlead and nothing else changed: each reads a file by a tool of its own,
// because a model of another dialect asked for that, and answers with what stood in it. They are large, so they are
// installed into agents/ when this test first runs; where that fails (no network) it is skipped and says so.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';

import { ROOT, start, temporaryFolder } from './lib/fairlead.mjs';
import { vendor } from './lib/vendors.mjs';

const FOLDER = path.join(ROOT, 'tests/e2e/agents');
const BIN = path.join(FOLDER, 'node_modules/.bin');
const LIMIT = { timeout: 120000 };
const NAMES = ['claude', 'codex'];

// Runs to its end, or is ended with all that it started.
async function run(command, args, { cwd, env, seconds }) {
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (part) => { text += part; });
    const failed = once(child, 'error').then(([error]) => error);
    const end = () => {
        try { process.kill(-child.pid, 'SIGKILL'); } catch { /* it has ended */ }
    };
    const timer = setTimeout(end, seconds * 1000);
    const code = await Promise.race([once(child, 'close').then(([status]) => status), failed]);
    clearTimeout(timer);
    if (child.pid) end();
    return { code, text };
}

async function install() {
    if (NAMES.every((name) => fs.existsSync(path.join(BIN, name)))) return false;
    const { code, text } = await run('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: FOLDER, env: process.env, seconds: 90 });
    return code === 0 ? false : `skipped: the agents cannot be installed (${text.trim().split('\n')[0]})`;
}

const skip = await install();

const AGENTS = {
    claude: (url) => ({
        args: ['-p', 'read note.txt', '--model', 'up-model', '--allowedTools', 'Bash'],
        env: {
            ANTHROPIC_BASE_URL: url, ANTHROPIC_API_KEY: 'sk-test', ANTHROPIC_SMALL_FAST_MODEL: 'up-model',
            CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1', DISABLE_TELEMETRY: '1', DISABLE_AUTOUPDATER: '1', DISABLE_ERROR_REPORTING: '1',
        },
    }),
    codex: (url) => ({
        args: ['exec', '--skip-git-repo-check', '--dangerously-bypass-approvals-and-sandbox', 'read note.txt'],
        env: { GW_KEY: 'sk-test' },
        file: '.codex/config.toml',
        text: `model = "up-model"\nmodel_provider = "gw"\n[model_providers.gw]\nname = "gw"\nbase_url = "${url}/v1"\nenv_key = "GW_KEY"\n`
            + 'wire_api = "responses"\nrequest_max_retries = 0\nstream_max_retries = 0\n[analytics]\nenabled = false\n',
    }),
};

async function turn(agent, dialect) {
    const upstream = await vendor(dialect);
    const gateway = await start({ routing: { health_check_interval: '1h' }, providers: { up: upstream.config() } });
    const home = temporaryFolder();
    const colour = `lighthouse ${Math.random().toString(36).slice(2)}`;
    fs.writeFileSync(path.join(home, 'note.txt'), `${colour}\n`);
    const { args, env, file, text } = AGENTS[agent](gateway.origin);
    if (file) {
        fs.mkdirSync(path.dirname(path.join(home, file)), { recursive: true });
        fs.writeFileSync(path.join(home, file), text);
    }
    const done = await run(path.join(BIN, agent), args, { cwd: home, env: { PATH: process.env.PATH, HOME: home, ...env }, seconds: 60 });
    await gateway.stop();
    await upstream.close();
    fs.rmSync(home, { recursive: true, force: true });
    const told = `${done.text}\n${upstream.faults.join('\n')}`;
    assert.equal(done.code, 0, told);
    assert.deepEqual(upstream.faults, []);
    assert.ok(done.text.includes(`the note says: ${colour}`), told);
    assert.ok(upstream.seen.length >= 2, told);
}

for (const [agent, dialects] of [['claude', ['openai', 'gemini', 'bedrock', 'anthropic']], ['codex', ['openai', 'anthropic', 'gemini']]]) {
    describe(`the agent ${agent}`, { skip }, () => {
        for (const dialect of dialects) {
            test(`uses a tool that a model behind ${dialect} asks for`, LIMIT, () => turn(agent, dialect));
        }
    });
}
