// A tokenizer of bytes: 256 tokens, no merges. For models whose vocabulary is at least that.
#pragma once

#include <string>

namespace quarry {

// The contents of a tokenizer.json.
std::string ByteTokenizerJson();

}  // namespace quarry
