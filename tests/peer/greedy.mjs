// Greedy continuations by llama.cpp, through the prebuilt library of the npm package node-llama-cpp.
//
//   node greedy.mjs PEER_DIR FILE.gguf N IDS...     IDS: "1,2,3", one prompt each
//
// PEER_DIR holds node_modules. One JSON line a prompt: {"ids": [...], "encoded": [...]}, the second
// what llama.cpp makes of the prompt's text. Sums in f32, keys and values in f32, one thread.
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import {pathToFileURL} from "node:url";

const [peer, file, count, ...prompts] = process.argv.slice(2);
process.env.NODE_LLAMA_CPP_SKIP_DOWNLOAD = "true";
const folder = path.join(path.resolve(peer), "node_modules", "node-llama-cpp");
const entry = JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8")).main;
const {getLlama, LlamaLogLevel} = await import(pathToFileURL(path.join(folder, entry)));

const llama = await getLlama({gpu: false, build: "never", progressLogs: false,
                              logLevel: LlamaLogLevel.error, maxThreads: 1});
const model = await llama.loadModel({modelPath: file, gpuLayers: 0});
for (const prompt of prompts) {
    const ids = prompt.split(",").map(Number);
    const context = await model.createContext({contextSize: 2048, batchSize: 512, threads: 1,
                                               flashAttention: false});
    const sequence = context.getSequence();
    const out = [];
    for await (const token of sequence.evaluate(ids, {temperature: 0, yieldEogToken: true})) {
        out.push(token);
        if (out.length >= Number(count)) break;
    }
    const text = model.detokenize(ids, true);
    console.log(JSON.stringify({ids: out, encoded: model.tokenize(text, true)}));
    await context.dispose();
}
process.exit(0);
