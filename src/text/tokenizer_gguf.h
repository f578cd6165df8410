// Tokenizers in GGUF files: the keys tokenizer.ggml.* and tokenizer.chat_template.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "quarry/status.h"

#include "format/gguf.h"
#include "format/gguf_write.h"
#include "text/pipeline.h"

namespace quarry::text {

// tokenizer.ggml.model is "gpt2", byte-level BPE with the pre-tokenizer that tokenizer.ggml.pre
// names, or "llama", SentencePiece's BPE by scores. Tokens of type control and unknown are special,
// user-defined ones are found in any text, unused ones are none.
Result<TokenizerParts> ParseGgufTokenizer(const GgufFile& file);

// bos_token, eos_token, unk_token, pad_token: the texts, for chat templates.
Result<std::map<std::string, std::string>> GgufSpecialTokens(const GgufFile& file);

// Writes the tokenizer and the chat templates of a model folder. `vocab_size` is that of the model:
// ids that the tokenizer has not are filled up as unused. Unsupported for a tokenizer that the
// format cannot express: another model than the two above, a pre-tokenizer that no name stands for.
Status WriteGgufTokenizer(const std::filesystem::path& folder, int64_t vocab_size,
                          GgufBuilder& builder);

}  // namespace quarry::text
