// Quarry and llama.cpp on one GGUF file, in turn: a table of ratios. See README.md beside this file.
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, '../../..');

const HELP = `usage: node compare.mjs [options]

  --scratch DIR      where packages, programs and models go (default: ./peer-scratch)
  --model FILE       a GGUF file; default: a model with random weights is made (82 M parameters)
  --type TYPE        of the made model: f16, bf16, q8_0, q4_0, q4_k (default: bf16)
  --kv TYPE          keys and values of both: f16, bf16, int8 (default: f16)
  --depths LIST      tokens read before each measurement (default: 0,1024,4096)
  --methods LIST     of Quarry, with commas; METHOD or PREFILL+DECODE, key=value after colons:
                     dense,dense+quest:token_budget=2048:dense_layers=0 (default: dense)
  --samples N        at each depth, of each engine in turn (default: 5)
  --threads N        (default: 2)
  --batch N          tokens of a forward pass (default: 512)
  --decode N         tokens decoded a sample (default: 16)
  --fast             Quarry multiplies in bf16 too
  --no-peer          Quarry's methods alone; ratios are against the first of them
  --json FILE        every sample
`;

function parse(argv) {
  const o = {
    scratch: 'peer-scratch', type: 'bf16', kv: 'f16', depths: '0,1024,4096', methods: 'dense',
    samples: '5', threads: '2', batch: '512', decode: '16', model: '', json: '',
  };
  const flags = { fast: false, peer: true };
  for (let i = 0; i < argv.length; ++i) {
    const key = argv[i].replace(/^--/, '');
    if (key === 'help') { process.stdout.write(HELP); process.exit(0); }
    if (key === 'fast') flags.fast = true;
    else if (key === 'no-peer') flags.peer = false;
    else if (argv[i].startsWith('--') && key in o && i + 1 < argv.length) o[key] = argv[++i];
    else { process.stderr.write(`compare.mjs: unknown argument ${argv[i]}\n${HELP}`); process.exit(2); }
  }
  const number = (key) => {
    if (!/^[1-9][0-9]*$/.test(o[key])) fail(`--${key} is ${o[key]}, must be a number above 0`);
    return Number(o[key]);
  };
  const depths = o.depths.split(',').map(Number).sort((a, b) => a - b);
  if (depths.some((d) => !Number.isInteger(d) || d < 0)) fail(`--depths is ${o.depths}`);
  return {
    ...o, ...flags, depths, scratch: path.resolve(o.scratch), methods: o.methods.split(','),
    samples: number('samples'), threads: number('threads'), batch: number('batch'),
    decode: number('decode'),
  };
}

function fail(message) {
  process.stderr.write(`compare.mjs: ${message}\n`);
  process.exit(1);
}
const note = (text) => process.stderr.write(`${text}\n`);
const run = (command, args, options = {}) =>
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'], ...options });

// What has to be there

// The npm package brings llama.cpp's libraries, built for several CPUs, and its source as a bundle,
// of which the headers are used.
function preparePeer(scratch) {
  const worker = path.join(scratch, 'llama_worker');
  const arch = process.arch === 'arm64' ? 'linux-arm64' : 'linux-x64';
  const libraries = path.join(scratch, `node_modules/@node-llama-cpp/${arch}/bins/${arch}`);
  if (!fs.existsSync(libraries)) {
    note(`installing node-llama-cpp into ${scratch}`);
    const env = { ...process.env, NODE_LLAMA_CPP_SKIP_DOWNLOAD: 'true' };
    if (!fs.existsSync(path.join(scratch, 'package.json'))) run('npm', ['init', '-y'], { cwd: scratch });
    for (const name of ['node-llama-cpp', `@node-llama-cpp/${arch}`]) {
      run('npm', ['install', name, '--omit=optional', '--ignore-scripts'], { cwd: scratch, env });
    }
  }
  const source = path.join(scratch, 'llama.cpp');
  if (!fs.existsSync(source)) {
    run('git', ['clone', '-q', '-c', 'advice.detachedHead=false',
                'node_modules/node-llama-cpp/llama/gitRelease.bundle', 'llama.cpp'], { cwd: scratch });
  }
  const from = path.join(here, 'llama_worker.cc');
  const stale = !fs.existsSync(worker) || fs.statSync(worker).mtimeMs < fs.statSync(from).mtimeMs;
  if (stale) {
    const link = fs.readdirSync(libraries)
        .filter((f) => /^lib(llama|ggml)\.v.*\.so$|^libggml-base\.so$/.test(f))
        .map((f) => path.join(libraries, f));
    run('g++', ['-O2', '-std=c++20', '-I', path.join(source, 'include'), '-I',
                path.join(source, 'ggml/include'), from, '-o', worker, ...link,
                `-Wl,-rpath,${libraries}`]);
  }
  return { worker, env: { ...process.env, GGML_DIR: libraries } };
}

// A Llama of 82 million parameters with random weights: 12 layers of 768, 12 query heads over 4 of
// keys and values, heads of 64. Its tokenizer is the bundled model's.
function makeModel(scratch, type) {
  const file = path.join(scratch, `llama82m-${type}.gguf`);
  if (fs.existsSync(file)) return file;
  note(`making ${file}`);
  const folder = path.join(scratch, 'llama82m');
  fs.mkdirSync(folder, { recursive: true });
  const bundled = path.join(root, 'models/needle-5m');
  for (const f of ['tokenizer.json', 'tokenizer_config.json']) {
    fs.copyFileSync(path.join(bundled, f), path.join(folder, f));
  }
  const config = {
    architectures: ['LlamaForCausalLM'], model_type: 'llama', hidden_size: 768,
    intermediate_size: 2048, num_hidden_layers: 12, num_attention_heads: 12,
    num_key_value_heads: 4, head_dim: 64, hidden_act: 'silu', rms_norm_eps: 1e-5,
    rope_theta: 500000, max_position_embeddings: 131072, vocab_size: 2048,
    tie_word_embeddings: false, torch_dtype: 'bfloat16', bos_token_id: 0, eos_token_id: 0,
  };
  fs.writeFileSync(path.join(folder, 'config.json'), JSON.stringify(config));
  const tensors = [['model.embed_tokens.weight', [2048, 768]], ['lm_head.weight', [2048, 768]],
                   ['model.norm.weight', [768]]];
  for (let i = 0; i < 12; ++i) {
    const add = (name, shape) => tensors.push([`model.layers.${i}.${name}.weight`, shape]);
    add('self_attn.q_proj', [768, 768]);
    add('self_attn.k_proj', [256, 768]);
    add('self_attn.v_proj', [256, 768]);
    add('self_attn.o_proj', [768, 768]);
    add('mlp.gate_proj', [2048, 768]);
    add('mlp.up_proj', [2048, 768]);
    add('mlp.down_proj', [768, 2048]);
    add('input_layernorm', [768]);
    add('post_attention_layernorm', [768]);
  }
  const header = {};
  const parts = [];
  let offset = 0, seed = 1;
  for (const [name, shape] of tensors) {
    const n = shape.reduce((a, b) => a * b, 1);
    const f32 = new Float32Array(n);
    for (let i = 0; i < n; ++i) {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      f32[i] = shape.length === 1 ? 1 : (seed / 2 ** 32 - 0.5) * 3.4 / Math.sqrt(shape[1]);
    }
    const words = new Uint16Array(f32.buffer);
    const bf16 = Uint16Array.from({ length: n }, (_, i) => words[2 * i + 1]);
    header[name] = { dtype: 'BF16', shape, data_offsets: [offset, offset += 2 * n] };
    parts.push(Buffer.from(bf16.buffer));
  }
  const text = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  fs.writeFileSync(path.join(folder, 'model.safetensors'), Buffer.concat([size, text, ...parts]));
  run(path.join(root, 'build/release/bin/quarry'), ['convert', folder, file, '--type', type]);
  return file;
}

// The two sides

class Worker {
  static async start(command, args, env) {
    const w = new Worker();
    w.process = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], env });
    w.lines = readline.createInterface({ input: w.process.stdout })[Symbol.asyncIterator]();
    w.about = await w.answer();
    return w;
  }
  async answer() {
    const line = await this.lines.next();
    if (line.done) fail('a worker ended early');
    return JSON.parse(line.value);
  }
  ask(command) {
    this.process.stdin.write(`${command}\n`);
    return this.answer();
  }
  stop() { this.process.stdin.end('quit\n'); }
}

// Threads of llama.cpp go on polling for work for some tenths of a second, on cores that the next
// sample needs. Threads that slept may share a core at first: a few tokens wake them up.
async function settle(worker) {
  await new Promise((done) => setTimeout(done, 500));
  await worker.ask('tg 8');
}
const median = (v) => [...v].sort((a, b) => a - b)[Math.floor(v.length / 2)];
const spread = (v) => `${Math.round(100 * (Math.max(...v) - Math.min(...v)) / median(v))} %`;

async function main() {
  const o = parse(process.argv.slice(2));
  fs.mkdirSync(o.scratch, { recursive: true });
  const ours = path.join(root, 'build/release/bin/peer_quarry_worker');
  if (!fs.existsSync(ours)) fail(`${ours} is missing: run make build`);
  const model = o.model || makeModel(o.scratch, o.type);
  const peer = o.peer ? preparePeer(o.scratch) : null;

  const context = o.depths.at(-1) + Math.max(o.batch, 128) + o.decode + 256;
  const shared = [model, o.threads, o.batch, context, o.kv].map(String);
  const workers = [];
  if (peer) workers.push(await Worker.start(peer.worker, shared, peer.env));
  const env = { ...process.env, ...(o.fast ? { QUARRY_FAST: '1' } : {}) };
  for (const method of o.methods) {
    const [name, ...set] = method.split(':');
    const w = await Worker.start(ours, [...shared, name, ...set], env);
    w.about.name = `quarry ${method}`;
    workers.push(w);
  }
  for (const w of workers) note(`${w.about.name}: loaded in ${w.about.load} s (${w.about.system})`);

  const records = [];
  const whole = workers.map(() => 0);
  const density = workers.map(() => 1);
  console.log(`${path.basename(model)}, KV ${o.kv}, ${o.threads} threads, medians of ${o.samples}; ` +
              `ratios against ${workers[0].about.name}\n`);
  console.log(`| depth | engine | pp${o.batch} tokens/s | spread | ratio | decode tokens/s | spread | ` +
              'ratio | prompt of this length, s | ratio | density % | resident MiB |');
  console.log('|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|');
  let past = 0;
  for (const depth of o.depths) {
    for (const [i, w] of workers.entries()) {
      if (depth === past) continue;
      await settle(w);
      const r = await w.ask(`read ${depth - past}`);
      whole[i] += r.seconds;
      density[i] = r.density ?? 1;
      note(`${w.about.name}: read to ${depth} in ${whole[i].toFixed(1)} s`);
    }
    past = depth;
    const pp = workers.map(() => []);
    const tg = workers.map(() => []);
    for (let s = 0; s < o.samples; ++s) {
      for (const [times, command] of [[pp, `pp ${o.batch}`], [tg, `tg ${o.decode}`]]) {
        for (const [i, w] of workers.entries()) {
          await settle(w);
          times[i].push((await w.ask(command)).seconds);
        }
      }
    }
    for (const [i, w] of workers.entries()) {
      const { rss } = await w.ask('mem');
      const ratio = (all, of = median) => (of(all[0]) / of(all[i])).toFixed(2);
      const one = (x) => x;
      console.log(`| ${[
        depth, w.about.name, (o.batch / median(pp[i])).toFixed(0), spread(pp[i]), ratio(pp),
        (1 / median(tg[i])).toFixed(1), spread(tg[i]), ratio(tg),
        depth ? whole[i].toFixed(1) : '', depth ? ratio(whole, one) : '',
        (100 * density[i]).toFixed(1), Math.round(rss / 2 ** 20),
      ].join(' | ')} |`);
      records.push({ depth, engine: w.about.name, model: path.basename(model), kv: o.kv, pp: pp[i],
                     tg: tg[i], prompt_seconds: whole[i], density: density[i], rss_bytes: rss });
    }
  }
  for (const w of workers) w.stop();
  if (o.json) fs.writeFileSync(o.json, records.map((r) => JSON.stringify(r)).join('\n') + '\n');
}

await main();
