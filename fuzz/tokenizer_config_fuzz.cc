// Any bytes as tokenizer_config.json beside a small tokenizer.json.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "quarry/tokenizer.h"

#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr std::string_view kTokenizer =
      R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "<s>": 3}, "merges": ["a b"]},
          "added_tokens": [{"id": 3, "content": "<s>", "special": true}]})";
  const std::string_view config(reinterpret_cast<const char*>(data), size);
  const auto tokenizer = quarry::Tokenizer::FromJson(kTokenizer, config);
  if (!tokenizer.ok()) {
    QUARRY_CHECK(tokenizer.status().message().find('\n') == std::string::npos, "one line");
    return 0;
  }
  const auto ids = tokenizer->Encode("abba <s>");
  if (ids.ok()) QUARRY_CHECK(tokenizer->Decode(*ids).ok(), "decodes");
  return 0;
}
