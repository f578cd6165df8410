// Readers of tokenizer.json and tokenizer_config.json (the formats of Hugging Face's libraries).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quarry/status.h"

#include "text/pipeline.h"

namespace quarry::text {

// Everything in a tokenizer.json but `truncation` and `padding`, which tell how batches are cut and
// filled for training, and are not applied.
//
// The file's ids of added tokens are not used: an added token that is in the vocabulary has the
// vocabulary's id, the others are numbered from its end on in the order of the file. That is how
// the library reads the files, and in a file it wrote the two agree.
Result<TokenizerParts> ParseTokenizerJson(std::string_view json);

// What of a tokenizer_config.json matters here.
struct TokenizerConfig {
  std::optional<std::string> bos_token, eos_token;
  std::optional<bool> add_bos_token, add_eos_token;
  std::vector<AddedToken> added_tokens;  // added_tokens_decoder, by id
};
Result<TokenizerConfig> ParseTokenizerConfig(std::string_view json);

}  // namespace quarry::text
