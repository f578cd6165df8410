#include "tests/support/byte_tokenizer.h"

#include <nlohmann/json.hpp>

#include "text/byte_level.h"

namespace quarry {

std::string ByteTokenizerJson() {
  nlohmann::json vocab;
  for (int b = 0; b < 256; ++b) {
    std::string letter;
    const char byte = static_cast<char>(b);
    text::AppendByteLetters(std::string_view(&byte, 1), letter);
    vocab[letter] = b;
  }
  const nlohmann::json byte_level = {{"type", "ByteLevel"},
                                     {"add_prefix_space", false},
                                     {"trim_offsets", true},
                                     {"use_regex", true}};
  return nlohmann::json(
             {{"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", nlohmann::json::array()}}},
              {"pre_tokenizer", byte_level},
              {"decoder", byte_level},
              {"added_tokens", nlohmann::json::array()}})
      .dump();
}

}  // namespace quarry
