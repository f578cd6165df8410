// Makes tests/golden/tokenizers: small made-up tokenizers and what the reference library does with
// random texts. One command, from the root of the source tree:
//
//   npm install --no-save --prefix build/golden tokenizers@0.23.2 &&
//     NODE_PATH=build/golden/node_modules node tools/golden/tokenizers.js \
//     models/needle-5m/tokenizer.json tests/golden/tokenizers
//
// The same command gives the same files: the random numbers have a fixed seed.
'use strict';
const fs = require('fs');
const path = require('path');
const {Tokenizer} = require('tokenizers');

let state = 12345;
function random(n) {  // uniform enough in [0, n)
  state = (state * 1103515245 + 12345) & 0x7fffffff;
  return (state >>> 8) % n;
}
const pick = (list) => list[random(list.length)];

const BLANKS = [' ', '  ', '   ', '\t', '\n', '\r\n', '\n\n', '\u00a0', '\u0085', '\u2028', '\u3000',
  '\u180e', '\u200b', '\u200d', '\ufeff', '\u2009', '\u000b', '\u1680'];
const WORDS = ('the quick brown Fox JUMPS over lazy dog hello World don\'t I\'M we\'LL it\'S straße ' +
  'STRASSE naïve café Ελληνικά Москва İstanbul ǅ ﬁ Ⅷ ½ ² 12345 1,234.56 007 ٣٤٥ १२३ 日本語 中文字符 ' +
  '한국어 カタカナ ภาษาไทย हिन्दी العربية 𝔘𝔫𝔦 𐐷 👩‍👩‍👧 🇩🇪 🩷 🫨 e\u0301 a\u0316\u0301 \u1100\u1161 ' +
  '㎏ ！？ 「」 … “q” \'\u017f K\u212a x_y foo.bar(baz) </s> <s> <unk> [CLS] <0x0A> ▁ Ġ $5.00 © ≠ aab acb ' +
  '[x]^&- \\ a-b').split(' ');

function randomText(specials) {
  let out = '';
  for (let n = 1 + random(12); n > 0; --n) {
    const kind = random(20);
    if (kind < 9) out += pick(WORDS);
    else if (kind < 14) out += pick(BLANKS);
    else if (kind < 16) out += String.fromCodePoint(33 + random(94));
    else if (kind < 17) out += String.fromCodePoint(0xa0 + random(0x2f00));
    else if (kind < 18 && specials.length > 0) out += pick(specials);
    else if (kind < 19) out += pick(['a', 'A', '1', '!', '\n', ' ', 'é', '字', '😀']).repeat(1 + random(9));
    else out += pick(WORDS) + ' ';
  }
  return out;
}

// JSON with everything but printable ASCII escaped, so that editors cannot normalise it.
function line(value) {
  return JSON.stringify(value).replace(/[^ -~]/g,
      (c) => '\\u' + c.charCodeAt(0).toString(16).padStart(4, '0'));
}
const write = (file, rows) => fs.writeFileSync(file, rows.map(line).join('\n') + '\n');

async function emit(out, name, json, nCases) {
  const tokenizer = Tokenizer.fromString(JSON.stringify(json));
  const dir = path.join(out, name);
  fs.mkdirSync(dir, {recursive: true});
  fs.writeFileSync(path.join(dir, 'tokenizer.json'), line(json) + '\n');
  const specials = json.added_tokens.map((t) => t.content);
  const normalizer = json.normalizer && tokenizer.getNormalizer();
  const preTokenizer = json.pre_tokenizer && tokenizer.getPreTokenizer();
  const encode = [], stages = [], decode = [];
  for (let i = 0; i < nCases; ++i) {
    const text = i === 0 ? '' : randomText(specials);
    const ids = (await tokenizer.encode(text, null, {addSpecialTokens: false})).getIds();
    const withSpecial = (await tokenizer.encode(text)).getIds();
    encode.push({name: 'r' + i, text, ids, ids_with_special: withSpecial,
      decoded: await tokenizer.decode(ids, false),
      decoded_skip_special: await tokenizer.decode(withSpecial, true)});
    const stage = {name: 'r' + i};
    if (normalizer) stage.normalized = normalizer.normalizeString(text);
    if (preTokenizer) {
      stage.pieces = preTokenizer.preTokenizeString(stage.normalized ?? text).map((p) => p[0]);
    }
    stages.push(stage);
  }
  const size = tokenizer.getVocabSize(true);
  for (let i = 0; i < nCases / 2; ++i) {
    const ids = Array.from({length: 1 + random(10)}, () => random(size));
    decode.push({name: 'd' + i, ids, decoded: await tokenizer.decode(ids, false),
      decoded_skip_special: await tokenizer.decode(ids, true)});
  }
  // A stream with byte tokens may differ from decoding at once; error_at marks that.
  const bytes = JSON.stringify(json.decoder).includes('ByteFallback');
  write(path.join(dir, 'encode.jsonl'), encode);
  write(path.join(dir, 'stages.jsonl'), stages);
  write(path.join(dir, 'decode.jsonl'), decode);
  write(path.join(dir, 'stream.jsonl'), decode.map((d) => ({name: d.name, ids: d.ids,
    skip_special: false, decoded: d.decoded, ...(bytes ? {error_at: 0} : {})})));
}

// Made-up models
const ALPHABET = [...'abcdefghijklmnopqrstuvwxyzABCDEFIJMOUX0123456789 .,!?\'-éßαда日本中한▁Ġ'];
const hex = (b) => '<0x' + b.toString(16).toUpperCase().padStart(2, '0') + '>';
const added = (id, content, flags) => ({id, content, single_word: false, lstrip: false, rstrip: false,
  normalized: false, special: true, ...flags});

function bpe(options, edit) {
  const vocab = {'<unk>': 0, '<s>': 1, '</s>': 2};
  let next = 3;
  const tokens = ALPHABET.slice();
  for (const c of tokens) vocab[c] = next++;
  const merges = [];
  const join = (a, b) => {
    if (a + b in vocab) return;
    vocab[a + b] = next++;
    tokens.push(a + b);
    merges.push([a, b]);
  };
  for (const w of ['th', 'he', 'qu', 'ow', 'br', 'ov', 'er', 'la', 'zy', 'lo', 'ld', '11', '  ']) {
    join(w[0], w[1]);
  }
  join('th', 'e'); join('▁', 'the'); join('a', 'a'); join('aa', 'aa'); join('l', 'lo');
  for (let k = 0; k < 150; ++k) {
    const a = pick(tokens), b = pick(tokens);
    if ((a + b).length <= 5) join(a, b);
  }
  const model = {type: 'BPE', dropout: null, unk_token: '<unk>', continuing_subword_prefix: null,
    end_of_word_suffix: null, fuse_unk: false, byte_fallback: false, ignore_merges: false, vocab,
    merges, ...options};
  const add = (token) => { if (!(token in vocab)) vocab[token] = next++; };
  if (edit) edit(model, add);
  return model;
}

function unigram(bytes) {
  const vocab = [['<unk>', 0], ['<s>', 0], ['</s>', 0]];
  const seen = new Set(['<unk>', '<s>', '</s>']);
  const add = (t, score) => { if (!seen.has(t)) { seen.add(t); vocab.push([t, score]); } };
  for (const c of ALPHABET) add(c, -8 - random(100) / 50);
  for (const t of ['the', '▁the', '▁quick', 'ing', '▁hello', 'hel', 'lo', 'or', 'ld', '<s', '>x', 'aa']) {
    add(t, -5 - random(300) / 100);
  }
  for (let k = 0; k < 200; ++k) {
    let t = '';
    for (let n = 2 + random(4); n > 0; --n) t += pick(ALPHABET);
    add(t, -4 - random(1000) / 100);
  }
  if (bytes) for (let b = 0; b < 256; ++b) add(hex(b), -12);
  return {type: 'Unigram', unk_id: 0, vocab, byte_fallback: bytes};
}

function wordPiece() {
  const vocab = {'[UNK]': 0, '[CLS]': 1, '[SEP]': 2};
  let next = 3;
  for (const c of ALPHABET) {
    for (const t of [c, '##' + c]) if (!(t in vocab)) vocab[t] = next++;
  }
  for (const t of ['the', 'quick', 'brown', 'fox', '##s', 'hel', '##lo', 'world', 'don', '##ver']) {
    vocab[t] = next++;
  }
  return {type: 'WordPiece', unk_token: '[UNK]', continuing_subword_prefix: '##',
    max_input_chars_per_word: 12, vocab};
}

const tokenizer = (parts) => ({version: '1.0', truncation: null, padding: null,
  added_tokens: [added(0, '<unk>'), added(1, '<s>'), added(2, '</s>')], normalizer: null,
  pre_tokenizer: null, post_processor: null, decoder: null, ...parts});
const sequence = (key, parts) => ({type: 'Sequence', [key]: parts});
const split = (pattern, behavior, invert) => ({type: 'Split', pattern, behavior, invert});
const metaspace = (scheme, split) => ({type: 'Metaspace', replacement: '▁', prepend_scheme: scheme, split});
const template = (...slots) => ({type: 'TemplateProcessing',
  single: slots.map((s) => s === 'A' ? {Sequence: {id: 'A', type_id: 0}} :
    {SpecialToken: {id: s, type_id: 0}}),
  pair: [{Sequence: {id: 'A', type_id: 0}}, {Sequence: {id: 'B', type_id: 1}}],
  special_tokens: {'<s>': {id: '<s>', ids: [1], tokens: ['<s>']},
    '</s>': {id: '</s>', ids: [2, 1], tokens: ['</s>', '<s>']}}});
const strip = (start, stop) => ({type: 'Strip', content: ' ', start, stop});
const unmark = {type: 'Replace', pattern: {String: '▁'}, content: ' '};

function madeUp() {
  const bytes = (model, add) => { for (let b = 0; b < 256; ++b) add(hex(b)); };
  return {
    bpe_bytes: tokenizer({model: bpe({fuse_unk: true, byte_fallback: true}, bytes),
      normalizer: sequence('normalizers', [{type: 'Prepend', prepend: '▁'},
        {type: 'Replace', pattern: {String: ' '}, content: '▁'}]),
      decoder: sequence('decoders', [unmark, {type: 'ByteFallback'}, {type: 'Fuse'}, strip(1, 0)]),
      post_processor: template('<s>', 'A', '</s>')}),
    bpe_some_bytes: tokenizer({model: bpe({byte_fallback: true}, (model, add) => {
      for (let b = 0; b < 256; b += b % 3 + 1) add(hex(b));
    })}),
    bpe_suffix: tokenizer({pre_tokenizer: {type: 'WhitespaceSplit'},
      normalizer: {type: 'Lowercase'},
      model: bpe({end_of_word_suffix: '</w>'}, (model, add) => {
        for (const c of ALPHABET) add(c + '</w>');
        for (const w of ['he', 'er', 'ld']) { add(w + '</w>'); model.merges.push([w[0], w[1] + '</w>']); }
      }), decoder: {type: 'BPEDecoder', suffix: '</w>'}}),
    bpe_prefix: tokenizer({pre_tokenizer: {type: 'BertPreTokenizer'},
      model: bpe({continuing_subword_prefix: '##', merges: []}, (model, add) => {
        for (const c of ALPHABET) add('##' + c);
        for (const w of ['th', 'he', 'er', 'lo']) {
          for (const p of ['', '##']) { add(p + w); model.merges.push([p + w[0], '##' + w[1]]); }
        }
      }), decoder: {type: 'WordPiece', prefix: '##', cleanup: true}}),
    bpe_flags: tokenizer({model: bpe({fuse_unk: true}), pre_tokenizer: metaspace('first', true),
      normalizer: {type: 'Strip', strip_left: true, strip_right: false},
      added_tokens: [added(1, '<s>', {lstrip: true}), added(2, '</s>', {rstrip: true}),
        added(300, 'the', {single_word: true, special: false}), added(301, '日', {special: false}),
        added(302, '[CLS]', {lstrip: true, rstrip: true}), added(303, '日本', {}),
        added(304, 'K', {normalized: true, special: false})],
      decoder: {type: 'Metaspace', replacement: '▁', prepend_scheme: 'first', split: true}}),
    bpe_splits: tokenizer({model: bpe({ignore_merges: true}),
      normalizer: {type: 'NFKC'},
      pre_tokenizer: sequence('pretokenizers', [{type: 'Digits', individual_digits: false},
        {type: 'Punctuation', behavior: 'MergedWithPrevious'},
        split({Regex: '[A-Z]'}, 'MergedWithNext', false), split({Regex: '\\s'}, 'Contiguous', true),
        split({String: '▁'}, 'Removed', false), {type: 'FixedLength', length: 7}]),
      decoder: {type: 'Fuse'}}),
    unigram: tokenizer({model: unigram(false), pre_tokenizer: metaspace('always', true),
      normalizer: sequence('normalizers', [{type: 'Nmt'}, {type: 'NFKD'}, {type: 'Replace',
        pattern: {Regex: ' {2,}'}, content: ' '}]),
      decoder: {type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true},
      post_processor: template('A', '</s>')}),
    unigram_bytes: tokenizer({model: unigram(true), pre_tokenizer: metaspace('never', false),
      normalizer: {type: 'NFC'},
      decoder: sequence('decoders', [{type: 'ByteFallback'}, unmark, {type: 'Fuse'}, strip(2, 0)])}),
    word_piece: tokenizer({model: wordPiece(),
      added_tokens: [added(0, '[UNK]'), added(1, '[CLS]'), added(2, '[SEP]')],
      normalizer: {type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true,
        strip_accents: null, lowercase: true},
      pre_tokenizer: {type: 'BertPreTokenizer'},
      post_processor: {type: 'BertProcessing', sep: ['[SEP]', 2], cls: ['[CLS]', 1]},
      decoder: {type: 'WordPiece', prefix: '##', cleanup: true}}),
    word_level: tokenizer({model: {type: 'WordLevel', vocab: wordPiece().vocab, unk_token: '[UNK]'},
      added_tokens: [added(0, '[UNK]')], pre_tokenizer: {type: 'Whitespace'}}),
  };
}

// Expressions
const PATTERNS = ['\\d{1,3}+', 'a{2}?', 'a{,2}', 'a++b', '^\\w', '\\w$', 'a.b', '(?m:a.b)', '\\v',
  '[a-z&&[^aeiou]]+', '[a[bc]]+', '\\u0041+', '(?i)k', '(?i:the|fox)', 'a{', '[]a]+', '[a-]+',
  '(?<n>[a-z])\\k<n>', '(?<=a)b', '\\p{^L}+', '\\P{L}+', '\\p{Letter}+', '\\p{Alpha}+', '\\R',
  '\\x41', '\\x{41}', 'a**', 'a+?', '\\b', '', 'x*', '[\\S]+', '[^\\S]+', '\\/', '\\N+', '\\h+',
  '(?>a+)b', '[\\w&&\\p{L}]+', '\\s', '\\s+(?!\\S)', 'a{1,2}{2}', '\\p{L}{2,}+b', '[^\\n]+',
  '[[:alpha:]]+', '[[:punct:]]+', '[[:^space:]]+', '[[:word:]]+', '\\O', '[\\d\\-x]+', '[!-/]+',
  '(?<!a)b', 'a|', '\\p{Emoji}+', '\\p{Han}+', '\\p{Hiragana}|\\p{Katakana}', '\\p{Greek}+',
  '[^a-c&&b-z]+', '[^\\W_]+', '[\\W\\d]+', '\\D+', '\\H+', '\\W+', '\\B', '(?x) [a-z] +  # c\n [0-9]?',
  '(?i)[^k]+', '[^[a-m]n-z]+', '[a-z&&d-m&&[^fgh]]+', '(a)(b)?\\2', '\\p{P}+', '\\p{S}+', '\\p{M}+',
  '\\p{Punct}+', '\\p{Space}+', '\\p{Word}+', '\\p{Upper}', '\\p{Cn}', '\\p{C}+', '\\A.', '.\\z', '.\\Z',
  '(?=the)', '[a\\]b]+', '[\\[\\]]', '[\\\\]', '[&&a]', '[a&&]', '[^\\s\\S]', '[+--]', 'a{0}', '(a|b)*',
  '[\\p{Han}]+|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lo}\\p{M}&&[^\\p{Han}]]*[\\p{Ll}\\p{Lo}&&[^\\p{Han}]]+|\\p{N}',
  '\'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}+| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*+|' +
    '\\s++$|\\s*[\\r\\n]|\\s+(?!\\S)|\\s'];

function emitSplit(out) {
  const dir = path.join(out, '_split');
  fs.mkdirSync(dir, {recursive: true});
  const texts = Array.from({length: 8}, (_, i) => ({name: 't' + i, text: randomText([]) + pick(WORDS)}));
  texts.push({name: 'as', text: 'aab ab acb\naaaa bbbb [x]^&- \\ a-b 1234567 THE Fox Kk\u212a'});
  const patterns = [], cases = [];
  PATTERNS.forEach((pattern, i) => {
    const id = 'p' + String(i).padStart(3, '0');
    patterns.push({id, pattern});
    const splitter = Tokenizer.fromString(JSON.stringify(tokenizer({
      model: {type: 'WordLevel', vocab: {'<unk>': 0}, unk_token: '<unk>'}, added_tokens: [],
      pre_tokenizer: split({Regex: pattern}, 'Isolated', false)}))).getPreTokenizer();
    for (const {name, text} of texts) {
      cases.push({pattern: id, name, pieces: splitter.preTokenizeString(text).map((p) => p[0])});
    }
  });
  fs.writeFileSync(path.join(dir, 'patterns.json'), '[\n' + patterns.map(line).join(',\n') + '\n]\n');
  write(path.join(dir, 'texts.jsonl'), texts);
  write(path.join(dir, 'cases.jsonl'), cases);
}

async function main() {
  const [needle, out] = process.argv.slice(2);
  if (!out) throw new Error('usage: tokenizers.js NEEDLE_TOKENIZER_JSON OUT');
  await emit(out, 'needle_5m', JSON.parse(fs.readFileSync(needle, 'utf8')), 60);
  for (const [name, json] of Object.entries(madeUp())) await emit(out, name, json, 40);
  emitSplit(out);
}
main();
